import { buildCommand, type Command } from "@stricli/core";
import type { Context } from "../context.ts";
import { dryRunFlag, graceFlag } from "../flags.ts";

/** Flags of `nodeos stop`. */
export interface StopFlags {
  /** Print what would end. */
  readonly dryRun: boolean;
  /** Seconds between SIGTERM and SIGKILL. */
  readonly grace: number;
}

/** `nodeos stop`: end the programs of a container. */
export const command: Command<Context> = buildCommand<StopFlags, [string], Context>({
  loader: async () => (await import("./run.ts")).default,
  parameters: {
    flags: { dryRun: dryRunFlag, grace: graceFlag },
    aliases: { n: "dryRun" },
    positional: { kind: "tuple", parameters: [{ parse: String, placeholder: "container", brief: "Its name" }] },
  },
  docs: { brief: "End the programs of a container, and keep the container" },
});
