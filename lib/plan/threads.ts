import { SysError } from "../../ffi/errors.ts";
import { spreadThreads } from "../../ffi/place.ts";
import { getAffinity, getScheduling, type Scheduling, setAffinity, setScheduling } from "../../ffi/task.ts";
import { formatCpuList } from "../kernel/cpulist.ts";
import { drivers, type Kernel } from "./driver.ts";
import { startTicksOf } from "./store.ts";

/** CPUs that threads may run on, by thread. */
export type Pins = ReadonlyMap<number, readonly number[]>;

/** Reads which CPUs each thread may run on; those that end meanwhile are left out. */
export function readPins(tids: readonly number[]): Pins {
  const pins = new Map<number, readonly number[]>();
  for (const tid of tids) unlessEnded(() => pins.set(tid, getAffinity(tid)));
  return pins;
}

/**
 * Gives the threads of a container the CPUs that it has now. Who might run on all of the old ones may run on all of the
 * new ones. Who had chosen some keeps those that are left; when none is, it gets the new one of the same rank, so that
 * threads that were apart stay apart as long as there are enough.
 *
 * Needed since the kernel does it by halves: before 6.2 it gives every thread all CPUs, and since then only those of its
 * own old choice.
 */
export function repin(pins: Pins, oldCpus: readonly number[], newCpus: readonly number[]): void {
  const all = formatCpuList(oldCpus);
  for (const [tid, had] of pins) {
    const cpus = formatCpuList(had) === all ? newCpus : pinned(had, oldCpus, newCpus);
    unlessEnded(() => {
      if (formatCpuList(getAffinity(tid)) !== formatCpuList(cpus)) setAffinity(tid, cpus);
    });
  }
}

/** Reads the same for the ledger, by `TID:START`. */
export function notePins(kernel: Kernel, tids: readonly number[]): Record<string, string> {
  const { read } = drivers.affinity;
  return Object.fromEntries(tids.flatMap((tid) => {
    const start = startTicksOf(kernel, tid, "with zombies");
    const cpus = start === null ? null : read(kernel, `${tid}:${start}`);
    return cpus === null ? [] : [[`${tid}:${start}`, cpus]];
  }));
}

/** Gives threads exactly the CPUs that were noted. */
export function restorePins(kernel: Kernel, noted: Readonly<Record<string, string>>): void {
  const { read, write } = drivers.affinity;
  for (const [thread, cpus] of Object.entries(noted)) if (read(kernel, thread) !== cpus) write(kernel, thread, cpus);
}

/** What becomes of a choice of CPUs when a container's change. */
export function pinned(had: readonly number[], oldCpus: readonly number[], newCpus: readonly number[]): number[] {
  const kept = had.filter((cpu) => newCpus.includes(cpu));
  if (kept.length > 0) return kept;
  return [...new Set(had.map((cpu) => newCpus[Math.max(0, oldCpus.indexOf(cpu)) % newCpus.length]))].sort((a, b) => a - b);
}

/** Gives threads another scheduling, where they had the former one of their container. */
export function reschedule(tids: readonly number[], from: Scheduling, to: Scheduling): void {
  for (const tid of tids) {
    unlessEnded(() => {
      const { policy, priority } = getScheduling(tid);
      if (policy === from.policy && (from.priority === undefined || priority === from.priority)) setScheduling(tid, to);
    });
  }
}

/** Moves threads into a cgroup that a change of their container made; on version 2 their processes, as a whole. */
export function joinCgroup(kernel: Kernel, directory: string, tids: readonly number[]): void {
  const list = kernel.exists(`${directory}/tasks`) ? "tasks" : "cgroup.procs";
  for (const tid of tids) unlessEnded(() => kernel.write(`${directory}/${list}`, `${tid}`));
}

/** Spreads the threads of a container whose load the kernel does not balance; see `ffi/place.ts`. */
export function spread(threadsPath: string, cpus: readonly number[]): void {
  spreadThreads(threadsPath, cpus);
}

/** Does something about a thread, unless it has ended. */
function unlessEnded(action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!(error instanceof SysError && error.code === "ESRCH")) throw error;
  }
}
