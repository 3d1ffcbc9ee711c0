import { buildCommand, type Command } from "@stricli/core";
import type { Context } from "../context.ts";
import { dryRunFlag, jsonFlag } from "../flags.ts";

/** Flags of `nodeos up` and `nodeos plan`. */
export interface UpFlags {
  /** Change nothing. */
  readonly dryRun: boolean;
  /** One JSON document. */
  readonly json: boolean;
}

/** `nodeos up`: the containers of a YAML file. */
export const command: Command<Context> = buildCommand<UpFlags, [string], Context>({
  loader: async () => (await import("./run.ts")).default,
  parameters: {
    flags: { dryRun: dryRunFlag, json: jsonFlag },
    aliases: { n: "dryRun" },
    positional: {
      kind: "tuple",
      parameters: [{ parse: String, placeholder: "file", brief: "The specification, YAML; - is standard input" }],
    },
  },
  docs: {
    brief: "Make the containers of a specification: all of them, or none",
    fullDescription: "They stay until nodeos down, whatever happens to this command. Programs enter with nodeos exec.",
  },
});
