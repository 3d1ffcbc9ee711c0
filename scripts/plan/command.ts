import { buildCommand, type Command } from "@stricli/core";
import type { Context } from "../context.ts";
import { jsonFlag } from "../flags.ts";

/** Flags of `nodeos plan`. */
export interface PlanFlags {
  /** Plan for the machine captured in this directory. */
  readonly input?: string;
  /** One JSON document. */
  readonly json: boolean;
}

/** `nodeos plan`: what `nodeos up` would change. */
export const command: Command<Context> = buildCommand<PlanFlags, [string], Context>({
  loader: async () => (await import("./run.ts")).default,
  parameters: {
    flags: {
      input: { kind: "parsed", parse: String, optional: true, brief: "Plan for the machine captured in this directory" },
      json: jsonFlag,
    },
    positional: {
      kind: "tuple",
      parameters: [{ parse: String, placeholder: "file", brief: "The specification, YAML; - is standard input" }],
    },
  },
  docs: { brief: "Print every change that a specification would make, here or on a captured machine" },
});
