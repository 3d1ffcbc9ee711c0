import assert from "node:assert/strict";
import { attribute } from "../../../lib/noise/attribution.ts";
import type { CpuSnapshot, TaskUse } from "../../../lib/noise/snapshot.ts";

const irq = { chip: null, allowedCpus: null, effectiveCpus: null, node: null };

function snapshot(counts: { timeNs: number; nic?: number; tick?: number; rcu?: number; stealNs?: number; tasks?: TaskUse[] }): CpuSnapshot {
  const { timeNs, nic = 0, tick = 0, rcu = 0, stealNs = 0, tasks = [] } = counts;
  // CPU 0 counts ten times as much: none of it may show on CPU 2.
  const both = (count: number) => ({ counts: [count * 10, count], total: count * 11 });
  return {
    cpu: 2,
    timeNs,
    stealNs,
    tasks,
    irqs: {
      cpus: [0, 2],
      irqs: [{ ...irq, number: 36, actions: ["nic-rx"], ...both(nic) }],
      named: [
        { name: "LOC", description: "Local timer interrupts", ...both(tick) },
        { name: "ERR", description: "", counts: [], total: 99 },
      ],
      softirqs: [{ name: "RCU", description: "", ...both(rcu) }],
    },
  };
}

const task: TaskUse = { pid: 7, tid: 8, startTicks: 100, name: "load", lastCpu: 2, isPinned: false, runNs: 0, runCount: 0 };

Deno.test("attribute() finds what was counted on the CPU, per second, the costliest first", () => {
  const before = snapshot({ timeNs: 1e9, nic: 5, tick: 100, rcu: 7, tasks: [{ ...task, runNs: 1e9, runCount: 50 }] });
  const after = snapshot({ timeNs: 3e9, nic: 10_005, tick: 600, rcu: 17, stealNs: 2e7, tasks: [{ ...task, runNs: 1.5e9, runCount: 90 }] });
  assert.deepEqual(attribute(before, after, { voluntary: 1, involuntary: 40 }), [
    { source: "load[8]", kind: "task", count: 40, timeNs: 5e8, isPinned: false, perSecond: 20 },
    { source: "36 nic-rx", kind: "interrupt", count: 10_000, perSecond: 5000 },
    { source: "hypervisor", kind: "steal", count: 2, timeNs: 2e7, perSecond: 1 },
    { source: "LOC Local timer interrupts", kind: "interrupt", count: 500, perSecond: 250 },
    { source: "sampler preempted", kind: "switch", count: 40, perSecond: 20 },
    { source: "RCU", kind: "softirq", count: 10, perSecond: 5 },
    { source: "sampler gave way", kind: "switch", count: 1, perSecond: 0.5 },
  ]);
});

Deno.test("attribute() of a quiet CPU is empty", () => {
  assert.deepEqual(attribute(snapshot({ timeNs: 0 }), snapshot({ timeNs: 1e9 })), []);
});

Deno.test("attribute() leaves out threads that ran last elsewhere, did not run, or are ours", () => {
  const used = { runNs: 1e6, runCount: 3 };
  const tasks = [{ ...task, tid: 10, lastCpu: 0, ...used }, { ...task, tid: 11 }, { ...task, tid: 12, pid: 99, ...used }, {
    ...task,
    tid: 13,
    ...used,
  }];
  const found = attribute(snapshot({ timeNs: 0 }), snapshot({ timeNs: 1e9, tasks }), undefined, [99]);
  assert.deepEqual(found.map(({ source }) => source), ["load[13]"]);
});

Deno.test("attribute() counts a thread that is new from 0, also under a number that was used before", () => {
  const before = snapshot({ timeNs: 0, tasks: [{ ...task, runNs: 9e8, runCount: 1000 }] });
  const after = snapshot({ timeNs: 1e9, tasks: [{ ...task, startTicks: 200, runNs: 1e6, runCount: 4 }] });
  const [found] = attribute(before, after);
  assert.deepEqual([found.count, found.timeNs], [4, 1e6]);
});

Deno.test("attribute() credits no thread with more time than there was", () => {
  const after = snapshot({ timeNs: 1e9, tasks: [{ ...task, runNs: 5e9, runCount: 1 }] });
  assert.equal(attribute(snapshot({ timeNs: 0 }), after)[0].timeNs, 1e9);
});

Deno.test("attribute() of one moment has no rate", () => {
  const [found] = attribute(snapshot({ timeNs: 5 }), snapshot({ timeNs: 5, tick: 3 }));
  assert.equal(found.perSecond, 0);
});
