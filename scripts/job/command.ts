import { buildCommand, type Command } from "@stricli/core";
import type { Context } from "../context.ts";
import { dryRunFlag, graceFlag, jsonFlag } from "../flags.ts";

/** Flags of `nodeos job`. */
export interface JobFlags {
  /** Let the other programs go on when one has failed. */
  readonly keepGoing: boolean;
  /** Seconds between SIGTERM and SIGKILL. */
  readonly grace: number;
  /** Begin each line of a program with its container's name. */
  readonly prefix?: boolean;
  /** Change nothing. */
  readonly dryRun: boolean;
  /** One JSON document. */
  readonly json: boolean;
}

/** `nodeos job`: the containers of a YAML file with their programs, as one. */
export const command: Command<Context> = buildCommand<JobFlags, [string], Context>({
  loader: async () => (await import("./run.ts")).default,
  parameters: {
    flags: {
      keepGoing: { kind: "boolean", default: false, brief: "When one program fails, let the others go on to their end" },
      grace: graceFlag,
      prefix: {
        kind: "boolean",
        optional: true,
        brief: "Begin each line of output with the container's name (default: when there are several programs)",
      },
      dryRun: dryRunFlag,
      json: { ...jsonFlag, brief: "Print how each program ended as one JSON document; their own output goes to standard error" },
    },
    aliases: { n: "dryRun" },
    positional: {
      kind: "tuple",
      parameters: [{ parse: String, placeholder: "file", brief: "The specification, YAML, with a command in its containers" }],
    },
  },
  docs: {
    brief: "Run the programs of a specification, each in its container, as one job",
    fullDescription:
      "Makes all containers, starts the command of each one that has it, and puts everything back when the last has ended. When one\n" +
      "fails, the others are ended (SIGTERM, and SIGKILL after the time of grace); SIGTERM, SIGINT and SIGHUP end the whole job.\n" +
      "Exit status: 0 when all ended with 0, else that of the first that failed. A single program has our standard input, several\n" +
      "have none. Programs find the name of their container in NODEOS_CONTAINER, and our process id in NODEOS_JOB.",
  },
});
