import { didYouMean, NoSuchObjectError, UsageError } from "../../lib/errors.ts";
import { quote } from "../../lib/quote.ts";
import type { Context } from "../context.ts";
import { showAudit } from "./audit.ts";
import { showBackends } from "./backends.ts";
import { changeMemory } from "./change.ts";
import type { MemoryFlags } from "./command.ts";
import { showContainer } from "./container.ts";
import { showMachine } from "./machine.ts";

/** What each verb takes, for people. */
const verbs = {
  audit: "audit [NAME...]",
  backends: "backends",
  grant: "grant NAME UNIT",
  resize: "resize NAME ID SIZE",
  revoke: "revoke NAME ID",
} as const;
type Verb = keyof typeof verbs;

/** Shows memory, or changes whose it is. */
export default async function memory(this: Context, flags: MemoryFlags, ...words: string[]): Promise<void> {
  const [verb, ...rest] = words;
  if (flags.svg !== undefined && words.length > 0) {
    throw new UsageError("Cannot draw anything but the whole machine", { remedy: `Write nodeos memory --svg ${flags.svg}` });
  }
  if (flags.dryRun && !["grant", "resize", "revoke"].includes(verb)) {
    throw new UsageError("Cannot plan nothing", { remedy: "--dry-run is for grant, resize and revoke" });
  }
  if (verb === undefined) return await showMachine(this, flags);
  if (isVerb(verb)) return await run(this, flags, verb, rest);
  if (rest.length > 0) {
    throw new UsageError(`Cannot ${quote(verb)} memory${didYouMean(verb, Object.keys(verbs))}`, {
      remedy: `Write nodeos memory NAME, or ${Object.values(verbs).join(", ")}`,
    });
  }
  try {
    await showContainer(this, flags, verb);
  } catch (error) {
    // A verb that was mistyped looks like a name.
    const names = (await this.node()).ledger().holdings.map(({ name }) => name);
    const guess = didYouMean(verb, [...names, ...Object.keys(verbs)]);
    if (!(error instanceof NoSuchObjectError) || guess === "") throw error;
    throw new NoSuchObjectError(`${error.message}${guess}`, { cause: error, remedy: error.remedy });
  }
}

function isVerb(word: string): word is Verb {
  return Object.hasOwn(verbs, word);
}

async function run(context: Context, flags: MemoryFlags, verb: Verb, words: readonly string[]): Promise<void> {
  if (verb === "audit") return await showAudit(context, flags, words);
  const wanted = verbs[verb].split(" ").length - 1;
  if (words.length !== wanted) {
    throw new UsageError(`Cannot use ${words.length === 0 ? "nothing" : words.map(quote).join(" ")} with ${verb}`, {
      remedy: `Write nodeos memory ${verbs[verb]}`,
    });
  }
  return verb === "backends" ? await showBackends(context, flags) : await changeMemory(context, flags, verb, words);
}
