import { expand } from "./groups.ts";
import type { Verdict } from "./switches.ts";
import type { Call } from "./table.ts";

/** A call such as `openat`, or a group such as `@path`, and where somebody named it. */
export interface Target {
  /** The name. */
  readonly target: string;
  /** For messages, such as `lean.yaml:4:11`; absent when it was said on a command line. */
  readonly place?: string;
}

/** What happens to a call, or to the calls of a group. */
export interface LayerEntry extends Target {
  /** The action, with the error. */
  readonly verdict: Verdict;
}

/**
 * What one profile, or one person, says about calls. Within a layer a name beats a group, and a group beats `@all`; a
 * layer beats those below it.
 */
export interface Layer {
  /** In any order. */
  readonly entries: readonly LayerEntry[];
  /** Calls and groups whose action may change while programs run. */
  readonly switchable: readonly Target[];
}

/** Whether a target is one call, and not many. */
export function isName(target: string): boolean {
  return !target.startsWith("@");
}

/**
 * Pairs every entry with its calls, in the order in which later ones override earlier ones.
 *
 * @throws {UsageError} If there is no such call or group.
 */
export function inOrder(entries: readonly LayerEntry[]): { readonly entry: LayerEntry; readonly calls: readonly Call[] }[] {
  const rank = ({ target }: Target) => isName(target) ? 2 : target === "@all" ? 0 : 1;
  return entries.toSorted((a, b) => rank(a) - rank(b)).map((entry) => ({ entry, calls: expand([entry.target]) }));
}

/** The entries whose target an earlier one has too, each with that one: what happens to it is said twice. */
export function saidTwice(entries: readonly LayerEntry[]): { readonly entry: LayerEntry; readonly before: LayerEntry }[] {
  const first = new Map<string, LayerEntry>();
  return entries.flatMap((entry) => {
    const before = first.get(entry.target);
    if (before === undefined) first.set(entry.target, entry);
    return before === undefined ? [] : [{ entry, before }];
  });
}
