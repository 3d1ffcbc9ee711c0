import { buildChoiceParser, buildCommand, type Command } from "@stricli/core";
import { type Shell, shells } from "../completion_scripts.ts";
import type { Context } from "../context.ts";

/** `nodeos completion`: words for the shell. */
export const command: Command<Context> = buildCommand<Record<never, never>, [Shell], Context>({
  loader: async () => (await import("./run.ts")).default,
  parameters: {
    positional: { kind: "tuple", parameters: [{ parse: buildChoiceParser(shells), placeholder: "shell", brief: shells.join(", ") }] },
  },
  docs: { brief: "Print the completion of a shell; for bash: source <(nodeos completion bash)" },
});
