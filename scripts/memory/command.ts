import { buildCommand, type Command } from "@stricli/core";
import type { Context } from "../context.ts";
import { dryRunFlag, jsonFlag } from "../flags.ts";

/** Flags of `nodeos memory`. */
export interface MemoryFlags {
  /** File for the picture, or `-`. */
  readonly svg?: string;
  /** Change nothing. */
  readonly dryRun: boolean;
  /** One JSON document. */
  readonly json: boolean;
}

/** `nodeos memory`: whose the machine's memory is, and other memory for containers whose programs run. */
export const command: Command<Context> = buildCommand<MemoryFlags, string[], Context>({
  loader: async () => (await import("./run.ts")).default,
  parameters: {
    flags: {
      svg: {
        kind: "parsed",
        parse: String,
        optional: true,
        brief: "Write a picture of physical memory by owner to this file; - is standard output (default: no picture; needs root)",
      },
      dryRun: dryRunFlag,
      json: jsonFlag,
    },
    aliases: { n: "dryRun" },
    positional: {
      kind: "array",
      parameter: {
        parse: String,
        placeholder: "words",
        brief: "NAME | audit [NAME...] | grant NAME UNIT | revoke NAME ID | resize NAME ID SIZE | backends; without: the machine",
      },
    },
  },
  docs: {
    brief: "Show whose the memory is, prove it by page frames, and grant, revoke or resize units while programs run",
    fullDescription: "nodeos memory                             the machine: nodes, huge pages, units and whose they are\n" +
      "nodeos memory --svg memory.svg            the same as a picture, every page frame in the colour of its owner\n" +
      "nodeos memory sim                         units of container sim, and what its programs use outside of them\n" +
      "nodeos memory audit [sim ...]             evidence: frames of every unit, in nobody else's hands, as many as the kernel counts\n" +
      "nodeos memory grant sim 1GiB@1            one more unit: [OBJECT=]SIZE[@NODE][/PAGE][:BACKEND]; whole@2 is all of node 2\n" +
      "nodeos memory grant sim halo=256MiB@0     an object, that programs map by its name below $NODEOS_MEMORY\n" +
      "nodeos memory resize sim halo 512MiB      contents stay, of a smaller one those at the beginning\n" +
      "nodeos memory revoke sim node1            refused while programs use it\n" +
      "nodeos memory backends                    how this machine can own memory, the strongest first, and what to boot for more\n" +
      "\n" +
      "A change happens as a whole or not at all. audit ends with 1 when something does not hold.",
  },
});
