import { buildCommand } from "@stricli/core";
import { UsageError } from "../../lib/errors.ts";
import type { Context } from "../context.ts";

/** What `--mode` takes. */
export type ModeChoice = "fwq" | "detour" | "both";

/** Flags of `nodeos noise`. */
export interface Flags {
  /** The CPU to sample. */
  readonly cpu?: number;
  /** The container to sample in. */
  readonly container?: string;
  /** How to sample. */
  readonly mode: ModeChoice;
  /** How long, per mode. */
  readonly seconds: number;
  /** Length of a quantum of work, in microseconds. */
  readonly quantum: number;
  /** Shortest detour that counts, in microseconds. */
  readonly threshold: number;
  /** File for the histogram. */
  readonly svg?: string;
  /** File for the timeline. */
  readonly timeline?: string;
  /** Print one JSON document. */
  readonly json: boolean;
}

/** `nodeos noise`: what a CPU loses to everything else. */
export const command = buildCommand<Flags, [], Context>({
  loader: async () => (await import("./run.ts")).default,
  parameters: {
    flags: {
      cpu: {
        kind: "parsed",
        parse: number("a CPU number", 0, 4095, true),
        optional: true,
        placeholder: "N",
        brief: "CPU to sample; default: the last one that we, or the container, may use",
      },
      container: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "NAME",
        brief: "Sample inside this container, as a program of its own",
      },
      mode: {
        kind: "enum",
        values: ["fwq", "detour", "both"],
        default: "detour",
        brief: "fwq: how long the same work takes again and again; detour: when the CPU was elsewhere; both",
      },
      seconds: {
        kind: "parsed",
        parse: number("a number of seconds", 0.01, 3600),
        default: "2",
        placeholder: "S",
        brief: "How long to sample in each mode, in seconds",
      },
      quantum: {
        kind: "parsed",
        parse: number("a number of microseconds", 1, 1e6),
        default: "100",
        placeholder: "US",
        brief: "fwq: length of a quantum of work, in microseconds",
      },
      threshold: {
        kind: "parsed",
        parse: number("a number of microseconds", 0.001, 1e6),
        default: "1",
        placeholder: "US",
        brief: "Shortest detour that counts, in microseconds",
      },
      svg: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "FILE",
        brief: "Write a histogram of the lengths to FILE (SVG; - prints it)",
      },
      timeline: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "FILE",
        brief: "Write the lengths over time to FILE (SVG; - prints it)",
      },
      json: { kind: "boolean", default: false, withNegated: false, brief: "Print one JSON document instead of tables" },
    },
  },
  docs: {
    brief: "Measure what a CPU loses to interrupts and other programs, and name them",
    fullDescription:
      "Keeps one CPU busy for a while, sees when it was taken away, and compares the kernel's counters before and after. Needs no root " +
      "and changes nothing, but what else runs on that CPU is slower meanwhile. With --mode both, the mode goes into the names of " +
      "the pictures (noise.svg becomes noise-fwq.svg and noise-detour.svg). Exit status: 0 done, 1 the sampler was refused, 2 usage, " +
      "4 no such container or CPU.",
  },
});

/** A parse function for numbers of a range; what it throws is shown behind the flag's name. */
function number(what: string, low: number, high: number, isWhole = false): (text: string) => number {
  return (text) => {
    const value = text.trim() === "" ? NaN : Number(text);
    if (value >= low && value <= high && (!isWhole || Number.isInteger(value))) return value;
    throw new UsageError(`Cannot read ${JSON.stringify(text)} as ${what}`, { remedy: `Write one from ${low} to ${high}` });
  };
}
