import { buildCommand, type Command } from "@stricli/core";
import type { Context } from "../context.ts";
import { jsonFlag } from "../flags.ts";

/** Flags of `nodeos ps`. */
export interface PsFlags {
  /** One JSON document instead of a table. */
  readonly json: boolean;
}

/** `nodeos ps`: the containers of this node. */
export const command: Command<Context> = buildCommand<PsFlags, [], Context>({
  loader: async () => (await import("./run.ts")).default,
  parameters: { flags: { json: jsonFlag } },
  docs: { brief: "List the containers of this node" },
});
