import { buildCommand, type Command } from "@stricli/core";
import type { Context } from "../context.ts";
import { jsonFlag } from "../flags.ts";

/** Flags of `nodeos topo`. */
export interface TopoFlags {
  /** Directory of a captured machine to show instead of this one. */
  readonly input?: string;
  /** Directory to write the machine into. */
  readonly capture?: string;
  /** File for the picture, or `-`. */
  readonly svg?: string;
  /** Show devices too. */
  readonly devices: boolean;
  /** Show interrupts too. */
  readonly irqs: boolean;
  /** One JSON document instead of text. */
  readonly json: boolean;
}

/** `nodeos topo`: the machine, and who has which of its CPUs. */
export const command: Command<Context> = buildCommand<TopoFlags, [], Context>({
  loader: async () => (await import("./run.ts")).default,
  parameters: {
    flags: {
      input: {
        kind: "parsed",
        parse: String,
        optional: true,
        brief: "Show the machine captured in this directory (default: this machine)",
      },
      capture: {
        kind: "parsed",
        parse: String,
        optional: true,
        brief: "Write what nodeos reads of the machine into this empty or new directory",
      },
      svg: {
        kind: "parsed",
        parse: String,
        optional: true,
        brief: "Write the picture to this file; - is standard output (default: no picture)",
      },
      devices: { kind: "boolean", default: false, brief: "List devices with their memory node and CPUs" },
      irqs: { kind: "boolean", default: false, brief: "List interrupts with their CPUs and how often they came since boot" },
      json: jsonFlag,
    },
  },
  docs: {
    brief: "Show packages, memory nodes, caches, cores and CPUs, and who has which",
    fullDescription: [
      "Shows the machine as text, as a picture (--svg) or as JSON. --capture writes it into a directory that --input shows on",
      "any other machine: send one to report a machine that nodeos gets wrong. Names and arguments of programs, addresses",
      "and serial numbers are not in it.",
    ].join("\n"),
  },
});
