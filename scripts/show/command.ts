import { buildCommand, type Command } from "@stricli/core";
import type { Context } from "../context.ts";
import { jsonFlag } from "../flags.ts";

/** Flags of `nodeos show`. */
export interface ShowFlags {
  /** One JSON document. */
  readonly json: boolean;
}

/** `nodeos show`: one container, whole. */
export const command: Command<Context> = buildCommand<ShowFlags, [string], Context>({
  loader: async () => (await import("./run.ts")).default,
  parameters: {
    flags: { json: jsonFlag },
    positional: { kind: "tuple", parameters: [{ parse: String, placeholder: "container", brief: "Its name" }] },
  },
  docs: { brief: "Show a container: what it has, what runs in it, every changed value and whether it still stands" },
});
