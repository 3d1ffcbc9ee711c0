import assert from "node:assert/strict";
import { waitAmong } from "../../../ffi/ending.ts";
import { errnoText } from "../../../ffi/errors.ts";
import { KernelRoot } from "../../../ffi/kernel_root.ts";
import { launch, stdioNull } from "../../../ffi/launch.ts";
import { sendSignal } from "../../../ffi/task.ts";
import { Job, type JobOptions, type JobOutcome, requireCommand } from "../../../lib/container/job.ts";
import { Node } from "../../../lib/container/node.ts";
import type { ContainerRequest } from "../../../lib/container/spec.ts";
import { startTicksOf } from "../../../lib/plan/store.ts";
import { cannotIsolate, isolationNote, lastCpu, machineState, TestState } from "../../host.ts";

const kernel = new KernelRoot();
// What is registered at its first use within a test would count as a leak.
await waitAmong(launch({ argv: ["true"] }));
errnoText(1);
sendSignal(Deno.pid, BigInt(startTicksOf(kernel, Deno.pid)!), 0);

/** Two containers and a ServiceOS. */
const twoNote = cannotIsolate !== null ? isolationNote : lastCpu < 2 ? " [needs three CPUs]" : "";

/** Runs a job that leaves nothing behind, as `run` does, of containers with a CPU each. */
function test(name: string, note: string, fn: (run: RunJob) => Promise<void>): void {
  Deno.test({
    name: `Job ${name}${note}`,
    ignore: note !== "",
    async fn() {
      await using state = new TestState();
      const before = machineState();
      await fn(async (commands, options = {}, use = () => {}) => {
        const node = new Node(kernel, state.directory);
        const job = new Job(node, { graceMs: 2000, stdioOf: () => [stdioNull, stdioNull, 2], ...options });
        const containers = Object.entries(commands).map(([name, command], index): ContainerRequest => {
          return { name, cpus: [lastCpu - index], command: command === null ? undefined : ["sh", "-c", command] };
        });
        const outcome = job.run({ containers });
        try {
          await use(job, node);
          return await outcome;
        } finally {
          await outcome.catch(() => {});
          assert.deepEqual(node.ledger().holdings, []);
          assert.deepEqual(machineState(), before);
        }
      });
    },
  });
}

type RunJob = (
  commands: Readonly<Record<string, string | null>>,
  options?: JobOptions,
  use?: (job: Job, node: Node) => Promise<void> | void,
) => Promise<JobOutcome>;

Deno.test("requireCommand() wants one, and says where it goes", () => {
  requireCommand({ containers: [{ name: "aux" }, { name: "sim", command: ["true"] }] });
  assert.throws(() => requireCommand({ containers: [{ name: "sim" }] }), {
    name: "UsageError",
    exitCode: 2,
    message: /no container has a command$/,
  });
});

test("runs a program in its container, and tells how it ended", isolationNote, async (run) => {
  const seen: string[] = [];
  const path = Deno.makeTempFileSync();
  const script =
    `{ echo $NODEOS_CONTAINER $NODEOS_JOB; grep Cpus_allowed_list /proc/self/status; cat /proc/self/cgroup; } >${path}; sleep 0.2; exit 7`;
  const { results, exitCode, left } = await run({ sim: script }, { onEnd: ({ container, code }) => seen.push(`${container} ${code}`) });
  const [{ container, pid, code, signal, seconds }] = results;
  assert.deepEqual({ container, code, signal, count: results.length, exitCode, left, seen }, {
    container: "sim",
    code: 7,
    signal: 0,
    count: 1,
    exitCode: 7,
    left: [],
    seen: ["sim 7"],
  });
  assert.equal(startTicksOf(kernel, pid), null);
  assert.ok(seconds >= 0.2 && seconds < 60, `${seconds} s`);
  const text = Deno.readTextFileSync(path);
  Deno.removeSync(path);
  assert.match(text, new RegExp(`^sim ${Deno.pid}\nCpus_allowed_list:\\s+${lastCpu}\n(?:.*\n)*.*:/nodeos-sim\n`));
});

test("ends what a program leaves behind", isolationNote, async (run) => {
  const path = Deno.makeTempFileSync();
  assert.equal((await run({ sim: `trap '' TERM; sleep 1000 & echo $! >${path}` }, { graceMs: 100 })).exitCode, 0);
  assert.equal(startTicksOf(kernel, Number(Deno.readTextFileSync(path))), null);
  Deno.removeSync(path);
});

test("leaves nothing when a program cannot be executed", isolationNote, async (run) => {
  await using state = new TestState();
  const node = new Node(kernel, state.directory);
  const before = machineState();
  const job = new Job(node);
  const outcome = job.run({ containers: [{ name: "sim", cpus: [lastCpu], command: ["/none/such"] }] });
  await assert.rejects(outcome, { name: "LaunchError", exitCode: 127 });
  assert.deepEqual(machineState(), before);
  assert.equal((await run({ sim: "exit 0" })).exitCode, 0);
});

test("that is ended sends its programs the signal, and SIGKILL to those that stay", isolationNote, async (run) => {
  const started = (node: Node) => until(() => node.ledger().holdings.length === 1 && processCount(node) > 1);
  const end = (signal?: number) => async (job: Job, node: Node) => {
    await started(node);
    job.end(signal);
  };
  assert.equal((await run({ sim: "sleep 100 & wait" }, {}, end())).exitCode, 143);
  assert.equal((await run({ sim: "trap 'exit 5' INT; sleep 100 & wait" }, {}, end(2))).exitCode, 5);
  const stubborn = await run({ sim: "trap '' TERM; sleep 100 & wait" }, { graceMs: 200 }, end());
  assert.equal(stubborn.exitCode, 137);
  assert.ok(stubborn.results[0].seconds >= 0.2);
});

test("that is ended while its containers are made starts no program", isolationNote, async (run) => {
  const { results, exitCode } = await run({ sim: "exit 3" }, {}, (job) => job.end(2));
  assert.deepEqual({ results, exitCode }, { results: [], exitCode: 130 });
});

test("whose container somebody else takes down ends as its program did", isolationNote, async (run) => {
  const outcome = await run({ sim: "sleep 100 & wait" }, {}, async (_job, node) => {
    await until(() => node.ledger().holdings.length === 1 && processCount(node) > 1);
    await node.down(["sim"], 1000);
  });
  assert.deepEqual([outcome.exitCode, outcome.left], [143, []]);
});

test("ends the others when one fails", twoNote, async (run) => {
  const { results, exitCode } = await run({ sim: "sleep 100 & wait", viz: "sleep 0.2; exit 9" });
  assert.deepEqual(results.map(({ container, code }) => [container, code]), [["sim", 143], ["viz", 9]]);
  assert.equal(exitCode, 9);
});

test("lets the others go on with keepGoing", twoNote, async (run) => {
  const { results, exitCode } = await run({ sim: "sleep 0.5; exit 4", viz: "exit 9" }, { keepGoing: true });
  assert.deepEqual(results.map(({ container, code }) => [container, code]), [["sim", 4], ["viz", 9]]);
  assert.equal(exitCode, 9);
});

test("keeps a container without a command open for it", twoNote, async (run) => {
  const { results } = await run({ sim: "sleep 1", aux: null }, {}, async (_job, node) => {
    await until(() => node.ledger().holdings.length === 2);
    const { code } = await waitAmong(node.start("aux", { argv: ["sh", "-c", "exit 6"] }));
    assert.equal(code, 6);
  });
  assert.deepEqual(results.map(({ container, code }) => [container, code]), [["sim", 0]]);
});

function processCount(node: Node): number {
  const directories = node.find("sim").steps.filter(({ kind }) => kind === "cgroup").map(({ what }) => what);
  return Math.max(...directories.map((directory) => (kernel.tryRead(`${directory}/cgroup.procs`) ?? "").split("\n").length - 1));
}

async function until(isSo: () => boolean): Promise<void> {
  for (const endMs = Date.now() + 20_000; !isSo();) {
    assert.ok(Date.now() < endMs, "waited 20 s in vain");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
