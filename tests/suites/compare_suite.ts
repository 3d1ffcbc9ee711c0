import { RefusedError } from "../../lib/errors.ts";
import { compare, isFault, isFlaky, type Result, type Verdict } from "./result.ts";
import type { RunRecord } from "./record.ts";
import { runEntry, type RunOptions } from "./run_entry.ts";
import type { Entry, Suite } from "./suite.ts";

/** What a comparison of one entry found. */
export interface Comparison {
  /** The entry's name. */
  readonly name: string;
  /** All runs without the prefix. */
  readonly native: readonly Result[];
  /** All runs with it. */
  readonly forwarded: readonly Result[];
  /** What they say together. */
  readonly verdict: Verdict;
  /** The native runs differ among themselves. */
  readonly flaky: boolean;
}

/** How to compare. */
export interface CompareOptions extends RunOptions {
  /** Words of the command that runs a program with calls forwarded. */
  readonly prefix: readonly string[];
  /** The same words, with nothing forwarded. */
  readonly filterPrefix: readonly string[];
  /** How often an entry that differs is run again, on both sides. */
  readonly repeats: number;
  /** Called with the output of each forwarded run that ended as no native one. */
  readonly onStrange?: (name: string, output: string) => void;
}

/** Exit status of a prefix that could not start its program. */
const ownFailure = 125;

/** The side of a record that has the runs without a prefix. */
export const nativeSide = "native";

/** The side of a record that has the runs with a prefix. */
export function sideOf(prefix: readonly string[]): string {
  return prefix.length === 0 ? nativeSide : prefix.join(" ");
}

/** Runs an entry until there are `count` runs of that side on record, and returns them. */
export async function runTimes(
  suite: Suite,
  entry: Entry,
  count: number,
  record: RunRecord,
  options: CompareOptions,
): Promise<Result[]> {
  const side = sideOf(options.prefix);
  let results = record.results(suite.name, entry.name, side);
  while (results.length < count) {
    const { result, output } = await runEntry(suite, entry, options.prefix, options);
    // Such a run says nothing of the entry, and two of them would be alike.
    if (options.prefix.length > 0 && result.code === ownFailure) throw new RefusedError(`Cannot run ${entry.name} by ${side}: ${output}`);
    record.add(suite.name, entry.name, side, result);
    results = record.results(suite.name, entry.name, side);
    const native = record.results(suite.name, entry.name, nativeSide);
    if (native.length > 0 && compare(native, [result]) !== "same") options.onStrange?.(entry.name, output);
  }
  return results;
}

/** Runs an entry natively and forwarded; when they differ, again and again, to tell a difference from a flaky test. */
export async function compareEntry(suite: Suite, entry: Entry, record: RunRecord, options: CompareOptions): Promise<Comparison> {
  const natively = { ...options, prefix: [] };
  let native = await runTimes(suite, entry, 1, record, natively);
  let forwarded = await runTimes(suite, entry, 1, record, options);
  if (compare(native, forwarded) !== "same") {
    native = await runTimes(suite, entry, 1 + options.repeats, record, natively);
    forwarded = await runTimes(suite, entry, 1 + options.repeats, record, options);
  }
  const verdict = compare(native, forwarded);
  const isRefused = isFault(verdict) && await endsSoUnderFilter(suite, entry, forwarded, record, options);
  return { name: entry.name, native, forwarded, verdict: isRefused ? "refused" : verdict, flaky: isFlaky(native) };
}

/** Whether the entry ends as it does forwarded when the filter is there, and nothing is forwarded. */
async function endsSoUnderFilter(
  suite: Suite,
  entry: Entry,
  forwarded: readonly Result[],
  record: RunRecord,
  options: CompareOptions,
): Promise<boolean> {
  const { onStrange: _, ...rest } = options;
  const filtered = await runTimes(suite, entry, 1 + options.repeats, record, { ...rest, prefix: options.filterPrefix });
  return compare(filtered, forwarded) === "same";
}
