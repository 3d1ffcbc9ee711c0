import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { parseCpuList } from "./cpulist.ts";
import { listNumbered, readText } from "./value.ts";

/** How the kernel schedules a thread; `unknown` is a policy newer than this table. */
export type SchedulingPolicy = "fair" | "fifo" | "rr" | "batch" | "idle" | "deadline" | "ext" | "unknown";

/** A thread of a process, or of the kernel. */
export interface Task {
  /** Its process. */
  readonly pid: number;
  /** Its own number; equal to `pid` for the first thread. */
  readonly tid: number;
  /** The process that started its process. */
  readonly parentPid: number;
  /** What the program chose, at most 15 characters of any kind; kernel workers add what they work on. */
  readonly name: string;
  /** The kernel's letter: `R` runs, `S` sleeps, `D` waits for a device, `I` idle kernel thread, `Z` ended, ... */
  readonly state: string;
  /** It belongs to the kernel and has no program. */
  readonly isKernelThread: boolean;
  /** The kernel refuses to change its affinity (PF_NO_SETAFFINITY). */
  readonly isBound: boolean;
  /** The CPU it runs on, or ran on last. */
  readonly lastCpu: number;
  /** CPUs it may run on, ascending. */
  readonly allowedCpus: readonly number[];
  /** Memory nodes it may allocate from, ascending. */
  readonly allowedNodes: readonly number[];
  /** How it is scheduled. */
  readonly policy: SchedulingPolicy;
  /** 1 to 99 under `fifo` and `rr`, otherwise 0. */
  readonly realtimePriority: number;
  /** -20 (most) to 19 (least); only `fair` and `batch` heed it. */
  readonly nice: number;
  /** Time in programs, in ticks of 1/100 s. */
  readonly userTicks: number;
  /** Time in the kernel, in ticks of 1/100 s. */
  readonly systemTicks: number;
  /** When it started, in ticks of 1/100 s since boot: together with its number it is never reused. */
  readonly startTicks: number;
  /** How often it gave up its CPU. */
  readonly voluntarySwitches: number;
  /** How often its CPU was taken away. */
  readonly involuntarySwitches: number;
}

/** Whether a task may be moved to other CPUs, and if not, why. */
export type Movability = { readonly movable: true } | { readonly movable: false; readonly why: string };

const isKernelThreadFlag = 0x00200000;
const isBoundFlag = 0x04000000;
const kthreaddPid = 2;
const policies: readonly SchedulingPolicy[] = ["fair", "fifo", "rr", "batch", "unknown", "idle", "deadline", "ext"];

/** Reads all threads, ascending by process and thread. Those that end meanwhile, or that we may not see, are left out. */
export function readTasks(files: KernelFiles): Task[] {
  return listNumbered(files, "/proc", "").flatMap((pid) =>
    listNumbered(files, `/proc/${pid}/task`, "").flatMap((tid) => readTask(files, pid, tid) ?? [])
  );
}

/**
 * Reads one thread, or `null` when it has ended.
 *
 * @param tid The thread; the first one of the process by default.
 */
export function readTask(files: KernelFiles, pid: number, tid: number = pid): Task | null {
  const stat = readStat(files, pid, tid);
  const status = readText(files, `/proc/${pid}/task/${tid}/status`);
  if (stat === null || status === null) return null;
  const line = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, "m").exec(status)?.[1].trim() ?? "";
  const flags = stat.number(9);
  return {
    pid,
    tid,
    parentPid: stat.number(4),
    name: stat.name,
    state: stat.field(3),
    isKernelThread: (flags & isKernelThreadFlag) !== 0,
    isBound: (flags & isBoundFlag) !== 0,
    lastCpu: stat.number(39),
    allowedCpus: parseCpuList(line("Cpus_allowed_list")),
    allowedNodes: parseCpuList(line("Mems_allowed_list")),
    policy: policies[stat.number(41)] ?? "unknown",
    realtimePriority: stat.number(40),
    nice: stat.number(19),
    userTicks: stat.number(14),
    systemTicks: stat.number(15),
    startTicks: stat.number(22),
    voluntarySwitches: Number(line("voluntary_ctxt_switches")),
    involuntarySwitches: Number(line("nonvoluntary_ctxt_switches")),
  };
}

/** Says whether a task may be moved to other CPUs, and if not, why, in words that fit behind its name. */
export function movability(task: Task): Movability {
  const why = obstacle(task);
  return why === null ? { movable: true } : { movable: false, why };
}

function obstacle(task: Task): string | null {
  if (hasEnded(task.state)) return "has ended";
  if (task.tid === kthreaddPid && task.isKernelThread) return "kthreadd: new kernel threads inherit its CPUs";
  if (task.isKernelThread && task.isBound) return "bound kernel thread";
  if (task.isKernelThread && task.allowedCpus.length === 1) return "kernel thread pinned to one CPU";
  if (task.pid === 1) return "PID 1";
  if (task.isBound) return "the kernel refuses to change its CPUs";
  if (task.policy === "deadline") return "deadline task: its reservation binds it to its CPUs";
  if (task.allowedCpus.length === 1) return "pinned to one CPU";
  return null;
}

function hasEnded(state: string): boolean {
  return state === "Z" || state === "X" || state === "x";
}

interface Stat {
  readonly name: string;
  /** Field by its number in proc(5), from 3 on. */
  field(number: number): string;
  number(number: number): number;
}

/** The name may hold spaces and parentheses: the last one ends it. */
function readStat(files: KernelFiles, pid: number, tid: number): Stat | null {
  const text = readText(files, `/proc/${pid}/task/${tid}/stat`);
  const open = text?.indexOf("(") ?? -1;
  const close = text?.lastIndexOf(")") ?? -1;
  if (text === null || open < 0 || close < open) return null;
  const fields = text.slice(close + 2).split(" ");
  const field = (number: number) => fields[number - 3] ?? "0";
  return { name: text.slice(open + 1, close), field, number: (number) => Number(field(number)) };
}
