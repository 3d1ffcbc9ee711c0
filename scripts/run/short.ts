import type { Context } from "../context.ts";
import { later } from "../later.ts";
import type { RunFlags } from "./command.ts";
import run from "./run.ts";

/**
 * Runs `nodeos run [--flag value...] -- program...` without the grammar of all commands, which costs as much time as
 * making the container does. Only calls of the plainest form are taken; every other one, and every wrong one, is left
 * to the whole grammar, which knows the words for it.
 *
 * @returns The exit status, or `null` when this call is for the whole grammar.
 */
export async function shortRun(context: Context, args: readonly string[]): Promise<number | null> {
  const end = args.indexOf("--");
  if (args[0] !== "run" || end < 0 || end === args.length - 1) return null;
  const flags = end === 1 ? {} : await readFlags(args.slice(1, end));
  if (flags === null) return null;
  try {
    await run.call(context, { ...flags, dryRun: false, json: false }, ...args.slice(end + 1));
  } catch (error) {
    const { exitCodeOf, formatError } = await later<typeof import("../failure.ts")>("failure");
    context.say(formatError(error));
    return exitCodeOf(error);
  }
  return Number(context.process.exitCode ?? 0);
}

/** Reads pairs of `--flag value`; `null` when a word is of another kind, or wrong. */
async function readFlags(words: readonly string[]): Promise<Partial<RunFlags> | null> {
  const { containerFlags } = await later<typeof import("../flags.ts")>("flags");
  const flags: Record<string, unknown> = {};
  for (let index = 0; index < words.length; index += 2) {
    const name = words[index].replace(/^--/, "");
    const value = words[index + 1];
    const flag = Object.hasOwn(containerFlags, name) ? containerFlags[name as keyof typeof containerFlags] : undefined;
    if (flag?.kind !== "parsed" || "variadic" in flag || name in flags || value === undefined || value.startsWith("-")) return null;
    try {
      flags[name] = flag.parse(value);
    } catch {
      return null;
    }
  }
  return flags;
}
