import type { Machine } from "./machine.ts";

/** `yes`: it works here; `partly`: with a loss; `no`: not here; `unknown`: this process cannot tell. */
export type Status = "yes" | "partly" | "no" | "unknown";

/** What was found. */
export interface Answer {
  /** How it is. */
  readonly status: Status;
  /** The fact itself, short enough for a cell of a table. */
  readonly found: string;
  /** An exact command or boot argument, or `none on this kernel: ...`; `null` when nothing needs one. */
  readonly fix: string | null;
  /** Replaces the question's own reason. */
  readonly why?: string;
}

/** One thing that `nodeos doctor` asks a machine. */
export interface Question {
  /** Stable name, for programs. */
  readonly id: string;
  /** For people, at most three words. */
  readonly title: string;
  /** One sentence: what a user loses when the answer is not yes. */
  readonly why: string;
  /** No container runs on a machine that answers no. */
  readonly essential?: boolean;
  /** What the answer rests on: a captured machine without this path has none. */
  readonly evidence: string;
  /** Looks. Reading may throw: the answer is then `unknown`. */
  ask(machine: Machine): Answer;
}

/** It works here. */
export function yes(found: string): Answer {
  return { status: "yes", found, fix: null };
}

/** It works with a loss. */
export function partly(found: string, fix: string, why?: string): Answer {
  return { status: "partly", found, fix, why };
}

/** It does not work here. */
export function no(found: string, fix: string, why?: string): Answer {
  return { status: "no", found, fix, why };
}

/** This process cannot tell. */
export function unknown(found: string, fix: string | null = null): Answer {
  return { status: "unknown", found, fix };
}

/** The kernel does not know of it; `needs` says what would bring it. */
export function lacking(needs: string): Answer {
  return no("unknown to this kernel", onlyAnotherKernel(needs));
}

/** Begins the fix of what only another kernel can give. */
export function onlyAnotherKernel(needs: string): string {
  return `none on this kernel: ${needs}`;
}

/** The answer where a captured machine has no evidence. */
export const notCaptured: Answer = unknown("not in the capture");
