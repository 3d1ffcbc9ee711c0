import type { Counts } from "./result.ts";

/** One program of a suite. */
export interface Entry {
  /** Its name in the suite. */
  readonly name: string;
  /** The program and its arguments. */
  readonly argv: readonly string[];
}

/** A collection of programs that somebody else wrote to test an operating system. */
export interface Suite {
  /** How the command line calls it. */
  readonly name: string;
  /** Its programs, in its order. */
  readonly entries: readonly Entry[];
  /** Variables that they need, when `directory` is their own one. */
  environment(directory: string): Readonly<Record<string, string>>;
  /** Why an entry is not run unless one asks for it, or `null`. */
  leftOut(name: string): string | null;
  /** Counts what they say. */
  read(output: string): Counts;
}
