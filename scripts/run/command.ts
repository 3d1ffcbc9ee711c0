import { buildCommand, type Command } from "@stricli/core";
import type { Context } from "../context.ts";
import type { ContainerFlags } from "../request.ts";
import { containerFlags, dryRunFlag, jsonFlag } from "../flags.ts";
import { parseUser } from "../../lib/container/user.ts";

/** Flags of `nodeos run`. */
export interface RunFlags extends ContainerFlags {
  /** User and group of the program. */
  readonly user?: { uid: number; gid: number };
  /** Its working directory. */
  readonly cwd?: string;
  /** Change nothing. */
  readonly dryRun: boolean;
  /** With `--dry-run`: the plan as JSON. */
  readonly json: boolean;
}

/** `nodeos run`: a container for one program. */
export const command: Command<Context> = buildCommand<RunFlags, string[], Context>({
  loader: async () => (await import("./run.ts")).default,
  parameters: {
    flags: {
      ...containerFlags,
      user: { kind: "parsed", parse: parseUser, optional: true, brief: "Run the program as this user, UID or UID:GID (default: you)" },
      cwd: { kind: "parsed", parse: String, optional: true, brief: "Run the program in this directory (default: here)" },
      dryRun: dryRunFlag,
      json: { ...jsonFlag, brief: "With --dry-run: print the plan as JSON" },
    },
    aliases: { n: "dryRun" },
    positional: {
      kind: "array",
      parameter: { parse: String, placeholder: "program", brief: "Program and arguments, after --" },
      minimum: 1,
    },
  },
  docs: {
    brief: "Run a program in a Compute Container of its own, and put everything back when it ends",
    fullDescription:
      "Carves a container, runs the program in it as if we were not there (standard input and output, terminal, signals, exit status),\n" +
      "and puts everything back. Nothing that we did not start is moved. Example: nodeos run --cpus 2-15 -- ./lmp -in in.lj",
  },
});
