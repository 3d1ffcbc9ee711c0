import { buildCommand, type Command } from "@stricli/core";
import type { Context } from "../context.ts";
import { dryRunFlag, graceFlag } from "../flags.ts";

/** Flags of `nodeos down`. */
export interface DownFlags {
  /** Take the containers of this specification. */
  readonly file?: string;
  /** Take every container. */
  readonly all: boolean;
  /** Print what would end and go back. */
  readonly dryRun: boolean;
  /** Seconds between SIGTERM and SIGKILL. */
  readonly grace: number;
}

/** `nodeos down`: take containers down. */
export const command: Command<Context> = buildCommand<DownFlags, string[], Context>({
  loader: async () => (await import("./run.ts")).default,
  parameters: {
    flags: {
      file: { kind: "parsed", parse: String, optional: true, brief: "The containers of this YAML file" },
      all: { kind: "boolean", default: false, brief: "Every container, the ServiceOS last" },
      dryRun: dryRunFlag,
      grace: graceFlag,
    },
    aliases: { f: "file", a: "all", n: "dryRun" },
    positional: { kind: "array", parameter: { parse: String, placeholder: "container", brief: "Their names" } },
  },
  docs: { brief: "End the programs of containers and put back what the containers changed" },
});
