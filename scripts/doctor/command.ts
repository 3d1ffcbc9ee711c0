import { buildCommand } from "@stricli/core";
import type { Context } from "../context.ts";

/** Flags of `nodeos doctor`. */
export interface Flags {
  /** A specification to plan the kernel's command line for, instead of examining. */
  readonly boot?: string;
  /** Directory of a captured machine to examine instead of this one. */
  readonly input?: string;
  /** Print one JSON document. */
  readonly json: boolean;
  /** Leave out what is in order. */
  readonly quiet: boolean;
}

/** `nodeos doctor`: what this machine offers to containers. */
export const command = buildCommand<Flags, [], Context>({
  loader: async () => (await import("./run.ts")).default,
  parameters: {
    flags: {
      boot: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "FILE",
        brief: "Say what the kernel should be booted with for the specification in FILE (- is standard input)",
      },
      input: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "DIR",
        brief: "Examine the machine captured in DIR (see topo --capture) instead of this one",
      },
      json: { kind: "boolean", default: false, withNegated: false, brief: "Print one JSON document instead of a table" },
      quiet: { kind: "boolean", default: false, withNegated: false, brief: "Show only what is not in order" },
    },
    aliases: { q: "quiet" },
  },
  docs: {
    brief: "Say what this machine offers to containers, why it matters, and how to get the rest",
    fullDescription:
      "Looks at the kernel, its control groups, isolation arguments, memory, system calls and power interfaces, and changes " +
      "nothing. Needs no root: what only root may see is shown as unknown. With --boot it says instead what a specification wants on " +
      "the kernel's command line, what each argument buys and costs, and what is active now. Exit status: 0 when a plain run can work " +
      "here, 1 when something that it needs is missing; with --boot 0, or 2 when the specification is wrong.",
  },
});
