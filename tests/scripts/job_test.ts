import assert from "node:assert/strict";
import { KernelRoot } from "../../ffi/kernel_root.ts";
import { startTicksOf } from "../../lib/plan/store.ts";
import { affinities, cannotIsolate, changedAffinities, isolationNote, lastCpu, machineState, TestState } from "../host.ts";

/** A specification of containers with a CPU each, the last one first. */
function specOf(commands: Readonly<Record<string, string | readonly string[]>>): string {
  const containers = Object.entries(commands).map(([name, command], index) =>
    `  - { name: ${name}, cpus: ${lastCpu - index}, command: ${JSON.stringify(command)} }`
  );
  return `apiVersion: nodeos/v1\ncontainers:\n${containers.join("\n")}\n`;
}

const needsThree = cannotIsolate !== null ? isolationNote : lastCpu < 2 ? " [needs three CPUs]" : "";

function test(name: string, fn: (state: TestState) => Promise<void>, note = isolationNote): void {
  Deno.test({
    name: `nodeos job ${name}${note}`,
    ignore: note !== "",
    async fn() {
      const before = machineState();
      const affinitiesBefore = affinities();
      {
        await using state = new TestState();
        await fn(state);
      }
      assert.deepEqual(machineState(), before);
      assert.deepEqual(changedAffinities(affinitiesBefore, affinities()), []);
    },
  });
}

test("runs a single program as if we were not there", async (state) => {
  const spec = state.file("job.yaml", specOf({ sim: "tr a-z A-Z; grep Cpus_allowed_list /proc/self/status; echo problem >&2; exit 7" }));
  const { code, stdout, stderr } = await state.nodeos(["job", spec], "hello\n");
  assert.match(stdout, new RegExp(`^HELLO\nCpus_allowed_list:\\s+${lastCpu}\n$`));
  assert.deepEqual({ code, stderr }, { code: 7, stderr: "problem\n" });
});

test("begins lines with the container's name on request", async (state) => {
  const spec = state.file("job.yaml", specOf({ sim: "echo $NODEOS_CONTAINER; printf end; printf 'two\\nlines\\n' >&2" }));
  const { code, stdout, stderr } = await state.nodeos(["job", "--prefix", spec]);
  assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: "sim | sim\nsim | end\n", stderr: "sim | two\nsim | lines\n" });
});

test("tells with --json how the program ended, and keeps its output apart", async (state) => {
  const spec = state.file("job.yaml", specOf({ sim: "echo words; kill -KILL $$" }));
  const { code, stdout, stderr } = await state.nodeos(["job", "--json", spec]);
  const { job, exitCode, results: [{ pid, seconds, ...result }] } = JSON.parse(stdout);
  assert.deepEqual({ code, exitCode, stderr, result }, {
    code: 137,
    exitCode: 137,
    stderr: "words\n",
    result: { container: "sim", code: 137, signal: 9 },
  });
  assert.ok(job > 0 && pid > 0 && seconds >= 0);
});

test("changes nothing with --dry-run, and prints each change and each program", async (state) => {
  const spec = state.file("job.yaml", specOf({ sim: ["./solver", "in put", "-n", "2"] }));
  const { code, stdout } = await state.nodeos(["job", "-n", spec]);
  assert.equal(code, 0);
  assert.match(stdout, new RegExp(`nodeos-sim/cpuset\\.cpus +<- ${lastCpu} +its CPUs`));
  assert.match(stdout, /\n# programs\nin sim: \.\/solver "in put" -n 2\n$/);
});

test("says what is wrong with a file, and 127 for a missing program", async (state) => {
  const none = await state.nodeos([
    "job",
    state.file("none.yaml", `apiVersion: nodeos/v1\ncontainers: [{ name: sim, cpus: ${lastCpu} }]\n`),
  ]);
  assert.equal(none.code, 2);
  assert.match(none.stderr, /^Cannot run a job without a program: no container has a command\n {2}Give one a command/);
  const absent = await state.nodeos(["job", state.file("absent.yaml", specOf({ sim: "true" }).replace(/cpus: \d+/, "cpus: 4000"))]);
  assert.equal(absent.code, 2);
  assert.match(absent.stderr, /absent\.yaml:3:\d+: CPU 4000 does not exist/);
  const missing = await state.nodeos(["job", state.file("missing.yaml", specOf({ sim: ["no-such-program"] }))]);
  assert.equal(missing.code, 127);
  assert.match(missing.stderr, /Cannot execute "no-such-program": ENOENT/);
});

/** A job whose program says when it is there. */
async function started(state: TestState, script: string, ...flags: string[]): Promise<{ job: Deno.ChildProcess; line: string }> {
  const job = state.spawn("job", ...flags, state.file("job.yaml", specOf({ sim: script })));
  const reader = job.stdout.getReader();
  let line = "";
  while (!line.endsWith("\n")) {
    const { value } = await reader.read();
    assert.ok(value, "it ended before it said anything");
    line += new TextDecoder().decode(value);
  }
  reader.releaseLock();
  return { job, line: line.trim() };
}

/** Resolves when a job has ended; reads what it says until then, since shells complain of children that were killed. */
async function ended(job: Deno.ChildProcess): Promise<Deno.CommandStatus> {
  await Promise.all([job.stdout, job.stderr].map((stream) => Array.fromAsync(stream)));
  return await job.status;
}

test("passes on the signal that ends it, and kills what stays", async (state) => {
  const talk = "trap 'exit 1' HUP; trap 'exit 2' INT; trap 'exit 15' TERM; echo ready; while :; do sleep 0.02; done";
  for (const [signal, expected] of [["SIGHUP", 1], ["SIGINT", 2], ["SIGTERM", 15]] as const) {
    const { job } = await started(state, talk);
    job.kill(signal);
    assert.equal((await ended(job)).code, expected, signal);
  }
  const { job } = await started(state, "trap '' TERM; echo ready; while :; do sleep 0.02; done", "--grace", "0.2");
  job.kill("SIGTERM");
  assert.equal((await ended(job)).code, 137);
});

test("that is killed takes its program along, and the next command puts the machine back", async (state) => {
  const { job, line } = await started(state, "sleep 1000 & echo $$ $!; wait");
  job.kill("SIGKILL");
  await job.status;
  const { stderr } = await state.nodeos(["ps"]);
  await ended(job);
  assert.match(stderr, /put back what the dead command of sim had changed/);
  for (const pid of line.split(" ").map(Number)) assert.equal(startTicksOf(new KernelRoot(), pid), null, `process ${pid} is left over`);
});

test("runs two programs as one: prefixes, no input, and the first failure ends the other", async (state) => {
  const spec = state.file("job.yaml", specOf({ sim: "cat; echo ready; sleep 100", viz: "cat; sleep 0.5; echo bad >&2; exit 9" }));
  const { code, stdout, stderr } = await state.nodeos(["job", spec], "input\n");
  assert.deepEqual({ code, stdout }, { code: 9, stdout: "sim | ready\n" });
  assert.match(stderr, /^viz \| bad\nnodeos: the program of viz ended with status 9\nnodeos: the program of sim was ended by signal 15\n$/);
}, needsThree);
