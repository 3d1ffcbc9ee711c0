import assert from "node:assert/strict";
import { KernelRoot } from "../../ffi/kernel_root.ts";
import { startTicksOf } from "../../lib/plan/store.ts";
import { affinities, cannotIsolate, changedAffinities, checkout, isolationNote, lastCpu, machineState, TestState } from "../host.ts";

const ignore = cannotIsolate !== null;
const test = (name: string, fn: (state: TestState) => Promise<void>) =>
  Deno.test({
    name: `nodeos run ${name}${isolationNote}`,
    ignore,
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

test("gives a program a CPU of its own and puts the machine back", async (state) => {
  const { code, stdout } = await state.nodeos([
    "run",
    "--cpus",
    `${lastCpu}`,
    "--",
    "sh",
    "-c",
    "grep Cpus_allowed_list /proc/self/status; cat /proc/self/cgroup",
  ]);
  assert.equal(code, 0);
  assert.match(stdout, new RegExp(`Cpus_allowed_list:\\s+${lastCpu}\\n`));
  assert.match(stdout, /:\/nodeos-run-\d+\n/);
});

test("ends as the program ends", async (state) => {
  assert.equal((await state.nodeos(["run", "--", "sh", "-c", "exit 7"])).code, 7);
  assert.equal((await state.nodeos(["run", "--", "sh", "-c", "kill -TERM $$"])).code, 143);
  assert.equal((await state.nodeos(["run", "--", "sh", "-c", "kill -SEGV $$"])).code, 139);
});

test("says 127 for a missing program, 126 for one that is none, 2 for wrong words", async (state) => {
  const missing = await state.nodeos(["run", "--", "no-such-program"]);
  assert.equal(missing.code, 127);
  assert.match(missing.stderr, /Cannot execute "no-such-program": ENOENT/);
  assert.equal((await state.nodeos(["run", "--", "/etc/passwd"])).code, 126);
  assert.equal((await state.nodeos(["run", "--cpsu", "1", "--", "true"])).code, 2);
  assert.equal((await state.nodeos(["run"])).code, 2);
});

test("passes standard input, output and error through", async (state) => {
  const { code, stdout, stderr } = await state.nodeos(["run", "--", "sh", "-c", "tr a-z A-Z; echo problem >&2"], "hello\n");
  assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: "HELLO\n", stderr: "problem\n" });
});

test("limits memory and threads", async (state) => {
  const flags = ["--memory", "256MiB", "--pids", "20"];
  const { stdout } = await state.nodeos([
    "run",
    ...flags,
    "--",
    "sh",
    "-c",
    "cat /proc/self/cgroup; cat /sys/fs/cgroup/memory/nodeos-run-*/memory.limit_in_bytes /sys/fs/cgroup/pids/nodeos-run-*/pids.max 2>/dev/null || cat /sys/fs/cgroup/nodeos-run-*/memory.max /sys/fs/cgroup/nodeos-run-*/pids.max",
  ]);
  assert.match(stdout, /\n268435456\n20\n/);
  const bomb = await state.nodeos(["run", ...flags, "--", "sh", "-c", "for i in $(seq 40); do sleep 5 & done; jobs | wc -l"]);
  assert.match(bomb.stderr, /[Cc]annot fork|retry|unavailable/);
  const eater = await state.nodeos(["run", ...flags, "--", "tail", "/dev/zero"]);
  assert.equal(eater.code, 137, "the kernel ends a program that needs more than its limit");
});

test("ends processes that the program left behind", async (state) => {
  const { code, stdout } = await state.nodeos(["run", "--", "sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!"]);
  assert.equal(code, 0);
  assert.equal(startTicksOf(new KernelRoot(), Number(stdout)), null);
});

test("changes nothing with --dry-run, and prints each change", async (state) => {
  const { code, stdout } = await state.nodeos(["run", "-n", "--name", "plan", "--cpus", `${lastCpu}`, "--", "true"]);
  assert.equal(code, 0);
  assert.match(stdout, /nodeos-plan\/cpuset\.cpus +<- \d+ +its CPUs/);
  const { containers } = JSON.parse((await state.nodeos(["run", "-n", "--json", "--cpus", `${lastCpu}`, "--", "true"])).stdout);
  assert.equal(containers[0].spec.cpus[0], lastCpu);
});

test("refuses CPUs of another container and says whose they are", async (state) => {
  const spec = state.file("a.yaml", `apiVersion: nodeos/v1\ncontainers:\n  - name: first\n    cpus: ${lastCpu}\n`);
  assert.equal((await state.nodeos(["up", spec])).code, 0);
  const { code, stderr } = await state.nodeos(["run", "--cpus", `${lastCpu}`, "--", "true"]);
  assert.equal(code, 1);
  assert.match(stderr, new RegExp(`CPU ${lastCpu} belongs to container first`));
});

test("passes on a signal that is sent to it alone", async (state) => {
  const child = state.spawn("run", "--", "sh", "-c", "trap 'echo got it; exit 5' USR1; echo ready; while :; do sleep 0.05; done");
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  assert.equal((await reader.read()).value, "ready\n");
  child.kill("SIGUSR1");
  assert.equal((await reader.read()).value, "got it\n");
  assert.equal((await reader.read()).done, true);
  await child.stderr.cancel();
  assert.equal((await child.status).code, 5);
});

test("lets Ctrl-C of a terminal reach the program, once", async (state) => {
  // A pseudo-terminal by util-linux: the byte 3 on its keyboard is Ctrl-C to everything in the foreground.
  const program =
    "trap 'echo caught; n=$((n+1))' INT; n=0; echo ready; for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.1; done; echo count $n; exit 9";
  // `exec`: a shell that stayed in between (dash does, bash does not) would die of the same Ctrl-C, and script tell of that.
  const line = [
    "exec",
    Deno.execPath(),
    "run",
    "-q",
    "-A",
    `${checkout}scripts/nodeos.ts`,
    "run",
    "--",
    "sh",
    "-c",
    `'${program.replaceAll("'", "'\\''")}'`,
  ].join(" ");
  const child = new Deno.Command("script", {
    args: ["-qec", line, "/dev/null"],
    env: { NODEOS_STATE: state.directory },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const until = async (word: string) => {
    while (!text.includes(word)) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`the program ended before it said ${word}: ${text}`);
      text += value;
    }
  };
  await until("ready");
  const writer = child.stdin.getWriter();
  await writer.write(new Uint8Array([3]));
  await until("count ");
  assert.match(text, /caught/);
  assert.match(text.slice(text.indexOf("count ")) + ((await reader.read()).value ?? ""), /count 1\b/);
  await writer.close();
  await reader.cancel();
  assert.equal((await child.status).code, 9);
});

test("runs two containers at once", async (state) => {
  const one = state.spawn("run", "--name", "one", "--cpus", `${lastCpu}`, "--", "sh", "-c", "echo up; read line < /dev/zero & sleep 3");
  const reader = one.stdout.pipeThrough(new TextDecoderStream()).getReader();
  await reader.read();
  // The second gets no CPU of the first, and on two CPUs none at all: it is refused by name, not by accident.
  const { code, stderr } = await state.nodeos(["run", "--name", "two", "--cpus", `${lastCpu}`, "--", "true"]);
  assert.equal(code, 1);
  assert.match(stderr, /belongs to container one/);
  one.kill("SIGTERM");
  await reader.cancel();
  await one.stderr.cancel();
  assert.equal((await one.status).code, 143);
});
