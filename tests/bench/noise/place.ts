import { KernelRoot } from "../../../ffi/kernel_root.ts";

/** Where a round runs: one CPU for the program, the others for the load. */
export interface Place extends AsyncDisposable {
  /** The command line that starts a program on the CPU. */
  program(argv: readonly string[]): string[];
  /** The command line that starts the load beside it; `null`: there shall be none. */
  load(argv: readonly string[]): string[] | null;
}

/** A way to give a program a CPU. Everything that it makes or moves is its own. */
export interface Way {
  /** What it is called in the table. */
  readonly name: string;
  /** Why it cannot be tried here, or `null`. */
  readonly missing: string | null;
  /** What the reader has to know of it. */
  readonly note?: string;
  /** Makes the place, for one round. */
  enter(): Promise<Place>;
}

/** The CPU of the program, and all others. */
export interface Cpus {
  /** The program's. */
  readonly cpu: number;
  /** The load's, where it can be told; ascending. */
  readonly others: readonly number[];
}

/** What names of ours begin with, and the number of our process follows. Not `nodeos-`: those are containers. */
export const prefix = "noise-bench-";

const kernel = new KernelRoot();

/** Whether a name is that of a benchmark which was killed, and could put nothing back. */
export function isStale(name: string): boolean {
  const pid = new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1];
  return pid !== undefined && !kernel.exists(`/proc/${pid}`);
}
