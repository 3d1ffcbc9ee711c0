import { buildCommand, type Command } from "@stricli/core";
import type { Context } from "../context.ts";
import { parseUser } from "../../lib/container/user.ts";

/** Flags of `nodeos exec`. */
export interface ExecFlags {
  /** User and group of the program. */
  readonly user?: { uid: number; gid: number };
  /** Its working directory. */
  readonly cwd?: string;
}

/** `nodeos exec`: one more program in a container. */
export const command: Command<Context> = buildCommand<ExecFlags, [string, ...string[]], Context>({
  loader: async () => (await import("./run.ts")).default,
  parameters: {
    flags: {
      user: { kind: "parsed", parse: parseUser, optional: true, brief: "Run the program as this user, UID or UID:GID (default: you)" },
      cwd: { kind: "parsed", parse: String, optional: true, brief: "Run the program in this directory (default: here)" },
    },
    positional: {
      kind: "array",
      parameter: {
        parse: String,
        placeholder: "container-program",
        brief: "Container (service is the ServiceOS), then program and arguments after --",
      },
      minimum: 2,
    },
  },
  docs: {
    brief: "Run a program in a container that is up",
    fullDescription:
      "The program is born in the container and behaves as if we were not there; its exit status becomes ours.\nExample: nodeos exec sim -- ./solver input.dat",
  },
});
