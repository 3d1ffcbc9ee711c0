import assert from "node:assert/strict";
import { CapturedRoot } from "../../../ffi/captured_root.ts";
import { readCpuSnapshot } from "../../../lib/noise/snapshot.ts";

/** A machine with CPUs 0 and 1 and one thread, composed for the test. */
function machine(files: Readonly<Record<string, string>>): { root: CapturedRoot } & Disposable {
  const base = Deno.makeTempDirSync();
  for (const [path, text] of Object.entries(files)) {
    Deno.mkdirSync(`${base}${path}`.replace(/[^/]*$/, ""), { recursive: true });
    Deno.writeTextFileSync(`${base}${path}`, text);
  }
  return { root: new CapturedRoot(base), [Symbol.dispose]: () => Deno.removeSync(base, { recursive: true }) };
}

const stat = "42 (a ) b) S 1 42 42 0 -1 64 0 0 0 0 30 12 0 0 20 0 1 0 700 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0";
const files = {
  "/proc/interrupts":
    "            CPU0       CPU1\n 36:          1          2  MSI  0-edge  nic\nLOC:         10         20   Local timer interrupts\n",
  "/proc/softirqs": "                    CPU0       CPU1\n          RCU:         3          4\n",
  "/proc/stat": "cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\ncpu1 1 2 3 4 5 6 7 25 9 10\ncpu10 1 2 3 4 5 6 7 99 9 10\n",
  "/proc/42/task/42/stat": stat,
  "/proc/42/task/42/status":
    "Name:\ta ) b\nCpus_allowed_list:\t1\nMems_allowed_list:\t0\nvoluntary_ctxt_switches:\t5\nnonvoluntary_ctxt_switches:\t6\n",
  "/proc/42/task/42/schedstat": "123456 789 10\n",
};

Deno.test("readCpuSnapshot() reads interrupts, steal time and threads", () => {
  using one = machine(files);
  const snapshot = readCpuSnapshot(one.root, 1, 77);
  assert.equal(snapshot.timeNs, 77);
  assert.equal(snapshot.stealNs, 250_000_000);
  assert.deepEqual(snapshot.irqs.named[0].counts, [10, 20]);
  assert.deepEqual(snapshot.tasks, [
    { pid: 42, tid: 42, startTicks: 700, name: "a ) b", lastCpu: 1, isPinned: true, runNs: 123456, runCount: 10 },
  ]);
});

Deno.test("readCpuSnapshot() counts in ticks and switches where there are no scheduler statistics", () => {
  const { "/proc/42/task/42/schedstat": _, ...without } = files;
  for (const kernel of [without, { ...files, "/proc/42/task/42/schedstat": "0 0 0\n" }]) {
    using one = machine(kernel);
    const [task] = readCpuSnapshot(one.root, 1, 0).tasks;
    assert.deepEqual([task.runNs, task.runCount], [420_000_000, 11]);
  }
});

Deno.test("readCpuSnapshot() of a CPU that the kernel does not count has no steal time", () => {
  using one = machine(files);
  assert.equal(readCpuSnapshot(one.root, 3, 0).stealNs, 0);
});
