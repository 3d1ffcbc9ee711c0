import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { sendSignal } from "../../ffi/task.ts";
import { readProcs } from "../kernel/cgroup.ts";
import type { Holding } from "../plan/ledger.ts";
import { startTicksOf } from "../plan/store.ts";

const sigTerm = 15;
const sigKill = 9;

/** Directories of the cgroups that are a holding's alone: what runs in them is its own. */
export function directoriesOf(holding: Holding): string[] {
  return holding.steps.filter(({ kind, shared }) => kind === "cgroup" && !shared).map(({ what }) => what);
}

/** Processes in the cgroups of a holding and below them, ascending, each once. */
export function processesOf(files: KernelFiles, holding: Holding): number[] {
  const below = (directory: string): number[] => [
    ...readProcs(files, directory),
    ...files.list(directory).flatMap(({ name, kind }) => kind === "directory" ? below(`${directory}/${name}`) : []),
  ];
  return [...new Set(directoriesOf(holding).flatMap(below))].sort((a, b) => a - b);
}

/**
 * Ends every process of a holding: SIGTERM, and SIGKILL for what is left after `graceMs` (0: at once).
 *
 * @returns How many processes there were at first.
 */
export async function endProcesses(files: KernelFiles, holding: Holding, graceMs: number): Promise<number> {
  const first = processesOf(files, holding);
  const signalAll = (signal: number, pids: readonly number[]) => {
    for (const pid of pids) {
      // Its first thread may have ended before the others: cgroup.procs lists it, and it takes signals.
      const start = startTicksOf(files, pid, "with zombies");
      if (start !== null) sendSignal(pid, BigInt(start), signal);
    }
  };
  const deadline = Date.now() + graceMs;
  if (graceMs > 0) signalAll(sigTerm, first);
  let left = first;
  for (let pauseMs = 1; left.length > 0 && Date.now() < deadline; pauseMs = Math.min(pauseMs * 2, 50)) {
    await delay(pauseMs);
    left = processesOf(files, holding);
  }
  // Whoever forks faster than we read is met again in the next round, and pids.max bounds it.
  for (let pauseMs = 1; left.length > 0 && pauseMs < 5000; pauseMs *= 2) {
    signalAll(sigKill, left);
    await delay(pauseMs);
    left = processesOf(files, holding);
  }
  return first.length;
}

/** Resolves after `ms` milliseconds. */
export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
