import { buildCommand, type Command } from "@stricli/core";
import type { Context } from "../context.ts";
import { dryRunFlag, jsonFlag } from "../flags.ts";

/** Flags of `nodeos feature`. */
export interface FeatureFlags {
  /** Change nothing. */
  readonly dryRun: boolean;
  /** One JSON document. */
  readonly json: boolean;
}

/** `nodeos feature`: features of a running container. */
export const command: Command<Context> = buildCommand<FeatureFlags, string[], Context>({
  loader: async () => (await import("./run.ts")).default,
  parameters: {
    flags: { dryRun: dryRunFlag, json: jsonFlag },
    aliases: { n: "dryRun" },
    positional: {
      kind: "array",
      parameter: { parse: String, placeholder: "words", brief: "NAME [enable|disable FEATURE...]; without a NAME: what there is" },
    },
  },
  docs: {
    brief: "List the features of a container, or switch some while its programs run",
    fullDescription: "nodeos feature                           what there is, and what each does\n" +
      "nodeos feature sim                       what container sim has, and what stays on its CPUs whatever is done\n" +
      "nodeos feature sim enable irqs watchdog  switch some on; quiet is all that keep others off its CPUs\n" +
      "nodeos feature sim enable scheduling=cooperative cache=l3:50% devices=/dev/nvidia0\n" +
      "nodeos feature sim disable quiet",
  },
});
