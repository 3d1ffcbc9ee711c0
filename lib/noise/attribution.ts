import { diffIrqs, type EventCount } from "../kernel/irq.ts";
import type { CpuSnapshot, TaskUse } from "./snapshot.ts";

/** What disturbed: an interrupt, deferred work, another thread, the hypervisor, or the scheduler as such. */
export type DisturbanceKind = "interrupt" | "softirq" | "task" | "steal" | "switch";

/** Something that ran on a CPU between two snapshots. */
export interface Attribution {
  /** Its name: `36 virtio1-req.0`, `LOC Local timer interrupts`, `deno[812]`. */
  readonly source: string;
  /** See {@link DisturbanceKind}. */
  readonly kind: DisturbanceKind;
  /** How often. */
  readonly count: number;
  /** The same per second. */
  readonly perSecond: number;
  /**
   * How long, in nanoseconds, where the kernel tells. For a thread that may run elsewhere too, at most this: the kernel
   * tells only where it ran last.
   */
  readonly timeNs?: number;
  /** Of a thread: it can run on this CPU only, so nothing can keep it away. */
  readonly isPinned?: boolean;
}

/** The sampler's own context switches. */
export interface OwnSwitches {
  /** Times it gave the CPU up. */
  readonly voluntary: number;
  /** Times it was preempted. */
  readonly involuntary: number;
}

/** What one of them costs where the kernel counts but does not time; used for the order of the list only. */
const typicalNs: Readonly<Record<DisturbanceKind, number>> = { interrupt: 5000, softirq: 2000, task: 5000, steal: 0, switch: 2000 };

/**
 * Lists what happened on a CPU between two snapshots, the costliest first: by time where the kernel tells it, otherwise by
 * count and what one of its kind usually takes.
 *
 * A thread that began and ended between the snapshots is not seen.
 *
 * @param own Context switches of the sampler, when there was one.
 * @param ignoredPids Processes to leave out: those that slept while it was sampled.
 */
export function attribute(before: CpuSnapshot, after: CpuSnapshot, own?: OwnSwitches, ignoredPids: readonly number[] = []): Attribution[] {
  const windowNs = after.timeNs - before.timeNs;
  const found: Omit<Attribution, "perSecond">[] = [
    ...interrupts(before, after),
    ...tasks(before, after, windowNs).filter(({ pid }) => !ignoredPids.includes(pid)).map(({ pid: _, ...found }) => found),
    ...steal(after.stealNs - before.stealNs),
    ...switches(own),
  ];
  const weight = ({ kind, count, timeNs }: Omit<Attribution, "perSecond">) => timeNs ?? count * typicalNs[kind];
  return found
    .filter(({ count }) => count > 0)
    .sort((a, b) => weight(b) - weight(a))
    .map((one) => ({ ...one, perSecond: windowNs > 0 ? one.count * 1e9 / windowNs : 0 }));
}

function interrupts(before: CpuSnapshot, after: CpuSnapshot): Omit<Attribution, "perSecond">[] {
  const { cpus, irqs, named, softirqs } = diffIrqs(before.irqs, after.irqs);
  const column = cpus.indexOf(after.cpu);
  const list = <E extends EventCount>(events: readonly E[], kind: DisturbanceKind, source: (event: E) => string) =>
    events.map((event) => ({ source: source(event), kind, count: event.counts[column] ?? 0 }));
  return [
    ...list(irqs, "interrupt", ({ number, actions }) => [number, ...actions].join(" ")),
    ...list(named, "interrupt", ({ name, description }) => `${name} ${description}`.trim()),
    ...list(softirqs, "softirq", ({ name }) => name),
  ];
}

function tasks(before: CpuSnapshot, after: CpuSnapshot, windowNs: number): (Omit<Attribution, "perSecond"> & { pid: number })[] {
  const identity = ({ tid, startTicks }: TaskUse) => `${tid} ${startTicks}`;
  const former = new Map(before.tasks.map((task) => [identity(task), task]));
  return after.tasks.filter(({ lastCpu }) => lastCpu === after.cpu).map((task) => {
    const then = former.get(identity(task));
    return {
      pid: task.pid,
      source: `${task.name}[${task.tid}]`,
      kind: "task",
      count: task.runCount - (then?.runCount ?? 0),
      timeNs: Math.min(windowNs, task.runNs - (then?.runNs ?? 0)),
      isPinned: task.isPinned,
    };
  });
}

function steal(timeNs: number): Omit<Attribution, "perSecond">[] {
  return [{ source: "hypervisor", kind: "steal", count: Math.round(timeNs / 10_000_000), timeNs }];
}

function switches(own?: OwnSwitches): Omit<Attribution, "perSecond">[] {
  return [
    { source: "sampler preempted", kind: "switch", count: own?.involuntary ?? 0 },
    { source: "sampler gave way", kind: "switch", count: own?.voluntary ?? 0 },
  ];
}
