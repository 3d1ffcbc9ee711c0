import { proposeCompletions, run } from "@stricli/core";
import { app } from "./app.ts";
import type { Context } from "./context.ts";

/** Runs the command with its whole grammar. Returns the exit status. */
export async function main(context: Context, args: readonly string[]): Promise<number> {
  const [first, ...words] = args;
  if (first === "__complete") {
    const proposals = await proposeCompletions(app, words, context);
    for (const { completion, brief } of proposals) context.print(`${completion}\t${brief}`);
    return 0;
  }
  await run(app, args, context);
  const code = Number(context.process.exitCode ?? 0);
  // The framework's own codes are negative: a wrong flag or an unknown command is an error of usage.
  return code < 0 ? 2 : code;
}
