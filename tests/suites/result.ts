/** How one run of an entry of a suite ended. */
export interface Result {
  /** Exit status; 128 + signal when a signal ended it. */
  readonly code: number;
  /** Whether it was ended because its time was up. */
  readonly timedOut: boolean;
  /** Checks that passed. */
  readonly passed: number;
  /** Checks that failed. */
  readonly failed: number;
  /** Checks that could not be made as something they need broke. */
  readonly broken: number;
  /** Checks that this machine cannot make. */
  readonly skipped: number;
  /** Warnings of the suite, as of a directory that stayed busy. */
  readonly warnings: number;
  /** How long it took. */
  readonly durationMs: number;
}

/** What a suite says in its output. */
export type Counts = Pick<Result, "passed" | "failed" | "broken" | "skipped" | "warnings">;

/** Nothing was counted. */
export const noCounts: Counts = { passed: 0, failed: 0, broken: 0, skipped: 0, warnings: 0 };

/** Two runs with the same text ended alike, whatever their time: `0: 12 passed`. */
export function outcomeOf(result: Result): string {
  const counts = (["passed", "failed", "broken", "skipped", "warnings"] as const)
    .filter((name) => result[name] > 0)
    .map((name) => `${result[name]} ${name}`);
  return `${result.timedOut ? "time is up" : result.code}: ${counts.join(", ") || "nothing"}`;
}

/**
 * What the runs of one entry say together. `same`: every forwarded run ended as some native run did. `unstable`: not every
 * one, but the native runs differ among themselves as well. `sometimes`: not every one. `different`: none did. `refused`:
 * none did, because of what the filter refuses under every profile: with nothing forwarded it is the same.
 */
export type Verdict = "same" | "unstable" | "sometimes" | "different" | "refused";

/** Compares all native runs of an entry with all forwarded ones; both have at least one. */
export function compare(native: readonly Result[], forwarded: readonly Result[]): Verdict {
  const known = new Set(native.map(outcomeOf));
  const strangers = forwarded.filter((result) => !known.has(outcomeOf(result)));
  if (strangers.length === 0) return "same";
  return strangers.length === forwarded.length ? "different" : known.size > 1 ? "unstable" : "sometimes";
}

/** Whether a verdict says that forwarding makes a difference. */
export function isFault(verdict: Verdict): boolean {
  return verdict === "sometimes" || verdict === "different";
}

/** Whether the native runs themselves differ. */
export function isFlaky(native: readonly Result[]): boolean {
  return new Set(native.map(outcomeOf)).size > 1;
}

/** Outcomes and how often each came, the most frequent first: `0: 12 passed (3x), 1: 11 passed, 1 failed`. */
export function outcomes(results: readonly Result[]): string {
  const times = Map.groupBy(results, outcomeOf);
  return [...times]
    .toSorted(([, a], [, b]) => b.length - a.length)
    .map(([outcome, { length }]) => length === 1 ? outcome : `${outcome} (${length}x)`)
    .join("; ");
}
