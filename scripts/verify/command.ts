import { buildCommand, type Command } from "@stricli/core";
import type { Context } from "../context.ts";
import { jsonFlag } from "../flags.ts";

/** Flags of `nodeos verify`. */
export interface VerifyFlags {
  /** Make true again what drifted. */
  readonly repair: boolean;
  /** One JSON document. */
  readonly json: boolean;
}

/** `nodeos verify`: whether everything that nodeos changed still stands. */
export const command: Command<Context> = buildCommand<VerifyFlags, [], Context>({
  loader: async () => (await import("./run.ts")).default,
  parameters: {
    flags: {
      repair: { kind: "boolean", default: false, withNegated: false, brief: "Make true again what somebody else changed" },
      json: jsonFlag,
    },
  },
  docs: {
    brief: "Say whether everything that nodeos changed still stands, and on request repair it",
    fullDescription:
      "Reads back every value of every container, and plans the whole node anew: a program that came to a container's CPUs since counts\n" +
      "as drift too. Exit status 1 when something drifted (and, with --repair, could not be repaired).",
  },
});
