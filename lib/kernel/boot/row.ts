import { formatCpuList } from "../cpulist.ts";
import type { BootScene } from "./scene.ts";

/** `active`: as wanted; `differs`: there, with other CPUs or another value; `inactive`: not there; `unsupported`: this kernel ignores it. */
export type BootStatus = "active" | "differs" | "inactive" | "unsupported";

/** How an argument stands now. */
export interface Finding {
  /** See {@link BootStatus}. */
  readonly status: BootStatus;
  /** The same in a few words, with the CPUs. */
  readonly now: string;
}

/** One argument: what it is for, and how to see whether it is active. */
export interface Row {
  /** Its name on the command line, without the value. */
  readonly name: string;
  /** The word to write. */
  argument(scene: BootScene): string;
  /** What it buys, in one line. */
  readonly buys: string;
  /** What it costs, and where it does not help. */
  costs(scene: BootScene): string;
  /** What does the same, or part of it, at run time. */
  without(scene: BootScene): string;
  /** How it stands now; `null` when it has no business on this machine. */
  find(scene: BootScene): Finding | null;
}

/** It is as wanted. */
export function active(now = "active"): Finding {
  return { status: "active", now };
}

/** It is there, but not as wanted. */
export function differs(now: string): Finding {
  return { status: "differs", now };
}

/** It is not there; `beside` says what is instead. */
export function inactive(beside?: string): Finding {
  return { status: "inactive", now: beside === undefined ? "not active" : `not active; ${beside}` };
}

/** The kernel ignores it; `option` is what it was built without. */
export function unsupported(option: string): Finding {
  return { status: "unsupported", now: `this kernel lacks ${option}` };
}

/** Compares the CPUs that an argument is active for with those it should be. */
export function compare(found: readonly number[], wanted: readonly number[]): Finding {
  if (found.length === 0) return inactive();
  const list = formatCpuList(found);
  if (list === formatCpuList(wanted)) return active();
  const missing = wanted.filter((cpu) => !found.includes(cpu));
  return differs(missing.length === 0 ? `active for more CPUs: ${list}` : `active for other CPUs: ${list}`);
}
