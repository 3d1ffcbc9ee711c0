import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { type Irqs, readIrqs } from "../kernel/irq.ts";
import { readTasks, type Task } from "../kernel/process.ts";
import { readText } from "../kernel/value.ts";

const tickNs = 10_000_000;

/** What one thread has used of all CPUs since it started. */
export interface TaskUse {
  /** Its process. */
  readonly pid: number;
  /** Its own number. */
  readonly tid: number;
  /** When it started: together with `tid` it is never reused. */
  readonly startTicks: number;
  /** Its name. */
  readonly name: string;
  /** The CPU it runs on, or ran on last. */
  readonly lastCpu: number;
  /** Whether it can run on that CPU only. */
  readonly isPinned: boolean;
  /** Time it has run, in nanoseconds; a multiple of 10 ms where the kernel keeps no scheduler statistics. */
  readonly runNs: number;
  /** How often it got a CPU. */
  readonly runCount: number;
}

/** What the kernel has counted for one CPU up to a moment. */
export interface CpuSnapshot {
  /** The CPU. */
  readonly cpu: number;
  /** The moment, in nanoseconds of any clock that never goes back. */
  readonly timeNs: number;
  /** Interrupts and deferred work of all CPUs. */
  readonly irqs: Irqs;
  /** Time the hypervisor gave this CPU to others, in nanoseconds. */
  readonly stealNs: number;
  /** All threads, wherever they run. */
  readonly tasks: readonly TaskUse[];
}

/** Reads what the kernel has counted; this takes a few milliseconds, so take it before and after, not while sampling. */
export function readCpuSnapshot(files: KernelFiles, cpu: number, timeNs: number): CpuSnapshot {
  return {
    cpu,
    timeNs,
    irqs: readIrqs(files),
    stealNs: readStealNs(files, cpu),
    tasks: readTasks(files).map((task) => taskUse(files, task)),
  };
}

/** The eighth number of the CPU's line in `/proc/stat`. */
function readStealNs(files: KernelFiles, cpu: number): number {
  const line = new RegExp(`^cpu${cpu} (.*)$`, "m").exec(readText(files, "/proc/stat") ?? "");
  return Number(line?.[1].trim().split(/\s+/)[7] ?? 0) * tickNs;
}

function taskUse(files: KernelFiles, task: Task): TaskUse {
  const { pid, tid, startTicks, name, lastCpu, allowedCpus } = task;
  const [runNs = 0, , runCount = 0] = (readText(files, `/proc/${pid}/task/${tid}/schedstat`) ?? "").split(" ").map(Number);
  // Without scheduler statistics the file is missing, or all 0.
  const use = runNs > 0
    ? { runNs, runCount }
    : { runNs: (task.userTicks + task.systemTicks) * tickNs, runCount: task.voluntarySwitches + task.involuntarySwitches };
  return { pid, tid, startTicks, name, lastCpu, isPinned: allowedCpus.length === 1, ...use };
}
