import { buildCommand, type Command } from "@stricli/core";
import type { Context } from "../context.ts";
import { dryRunFlag, graceFlag } from "../flags.ts";

/** Flags of `nodeos restore`. */
export interface RestoreFlags {
  /** Print what would go back. */
  readonly dryRun: boolean;
  /** End programs that still run. */
  readonly force: boolean;
  /** Seconds between SIGTERM and SIGKILL. */
  readonly grace: number;
}

/** `nodeos restore`: the node as it was. */
export const command: Command<Context> = buildCommand<RestoreFlags, [], Context>({
  loader: async () => (await import("./run.ts")).default,
  parameters: {
    flags: {
      dryRun: dryRunFlag,
      force: { kind: "boolean", default: false, brief: "End programs that still run in containers, and the one that sets power" },
      grace: graceFlag,
    },
    aliases: { n: "dryRun" },
  },
  docs: {
    brief: "Put the node back as it was before nodeos: every container, every changed value, every setting of power",
    fullDescription:
      "Refuses while programs run in containers or a program sets power, unless --force. What a killed command left behind is put " +
      "back first, always.",
  },
});
