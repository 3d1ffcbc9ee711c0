import assert from "node:assert/strict";
import { errno } from "../../../ffi/errors.ts";
import { movability, readTask, readTasks, type Task } from "../../../lib/kernel/process.ts";
import { live } from "../../machines/live.ts";
import { machine } from "../../machines/machine.ts";
import { MemoryRoot } from "../../machines/memory_root.ts";

const files = machine("xeon-2s");

Deno.test("readTask() reads how a thread is scheduled, and where it may run", () => {
  const { allowedCpus, ...task } = readTask(files, 41)!;
  assert.deepEqual(allowedCpus, [31]);
  assert.deepEqual(task, {
    pid: 41,
    tid: 41,
    parentPid: 2,
    name: "irq/25-nvme0q1",
    state: "S",
    isKernelThread: true,
    isBound: false,
    lastCpu: 31,
    allowedNodes: [0, 1],
    policy: "fifo",
    realtimePriority: 50,
    nice: 0,
    userTicks: 141,
    systemTicks: 10,
    startTicks: 5041,
    voluntarySwitches: 82,
    involuntarySwitches: 3,
  });
});

Deno.test("readTask() reads a name made of parentheses, spaces and digits", () => {
  const task = readTask(files, 700, 701)!;
  assert.equal(task.name, "S) R (odd) 1 2 3");
  assert.deepEqual([task.state, task.startTicks, task.pid, task.tid], ["S", 5701, 700, 701]);
});

Deno.test("readTask() is null for a thread that is not there", () => {
  assert.equal(readTask(files, 99999), null);
  assert.equal(readTask(files, 700, 702), null);
});

Deno.test("readTasks() orders by process and thread, and counts every thread once", () => {
  const tasks = readTasks(files);
  assert.deepEqual(tasks.map(({ tid }) => tid), [1, 2, 16, 17, 30, 41, 700, 701, 702, 703, 704]);
  assert.deepEqual(tasks.filter(({ isKernelThread }) => isKernelThread).map(({ pid }) => pid), [2, 16, 17, 30, 41]);
});

Deno.test("readTasks() leaves out tasks that vanish between two reads, or that we may not see", () => {
  const stat = (pid: number) => `${pid} (a) S 1 0 0 0 0 0\n`;
  const root = new MemoryRoot({
    "/proc/5/task/5/stat": stat(5),
    "/proc/6/task/6/status": "Name:\ta\n",
    "/proc/7/task/7/stat": { errno: errno.EACCES },
    "/proc/7/task/7/status": { errno: errno.EACCES },
    "/proc/8/task/8/stat": "rubbish",
    "/proc/8/task/8/status": "",
    "/proc/9/task/9/stat": stat(9),
    "/proc/9/task/9/status": "Cpus_allowed_list:\t0-3\nvoluntary_ctxt_switches:\t7\n",
    "/proc/version": "",
  });
  assert.deepEqual(readTasks(root).map(({ tid, allowedCpus, voluntarySwitches }) => ({ tid, allowedCpus, voluntarySwitches })), [
    { tid: 9, allowedCpus: [0, 1, 2, 3], voluntarySwitches: 7 },
  ]);
});

Deno.test("readTasks() finds this test on the running machine", () => {
  const own = readTasks(live).filter(({ pid }) => pid === Deno.pid);
  assert.ok(own.some(({ tid }) => tid === Deno.pid));
  assert.ok(own.every(({ isKernelThread, allowedCpus }) => !isKernelThread && allowedCpus.length > 0));
  assert.ok(own.some(({ userTicks, voluntarySwitches }) => userTicks > 0 || voluntarySwitches > 0));
});

const why = (task: Task | null) => {
  const answer = movability(task!);
  return answer.movable ? "movable" : answer.why;
};

for (
  const [pid, expected] of [
    [1, "PID 1"],
    [2, "kthreadd: new kernel threads inherit its CPUs"],
    [16, "bound kernel thread"],
    [17, "bound kernel thread"],
    [30, "movable"],
    [41, "kernel thread pinned to one CPU"],
    [700, "movable"],
    [702, "pinned to one CPU"],
    [703, "has ended"],
    [704, "deadline task: its reservation binds it to its CPUs"],
  ] as const
) {
  const task = readTask(files, pid);
  Deno.test(`movability() of ${task?.name} ${pid} is: ${expected}`, () => assert.equal(why(task), expected));
}

Deno.test("movability() says why for each kind of kernel thread of the captured machine", () => {
  const tasks = readTasks(machine("vm-cgroup1"));
  const reasons = (pattern: RegExp) => [...new Set(tasks.filter(({ name }) => pattern.test(name)).map(why))];
  assert.deepEqual(reasons(/^(ksoftirqd|migration|cpuhp|kworker)\//), ["bound kernel thread"]);
  assert.deepEqual(reasons(/^(rcu_preempt|kswapd0|kcompactd0)$/), ["movable"]);
  assert.deepEqual(reasons(/^irq\//), ["kernel thread pinned to one CPU"]);
});
