import { table } from "../../lib/report/table.ts";
import type { Comparison } from "./compare_suite.ts";
import { outcomes, type Result } from "./result.ts";

/** Sums of one side, with the time of its first runs. */
export interface Total {
  /** Entries. */
  readonly entries: number;
  /** Checks that passed, of the first run of each. */
  readonly passed: number;
  /** Checks that failed. */
  readonly failed: number;
  /** Checks that broke. */
  readonly broken: number;
  /** Checks that were skipped. */
  readonly skipped: number;
  /** How long the first runs took together. */
  readonly durationMs: number;
}

/** Sums the first run of each entry. */
export function totalOf(firsts: readonly Result[]): Total {
  const sum = (name: "passed" | "failed" | "broken" | "skipped" | "durationMs") =>
    firsts.reduce((total, result) => total + result[name], 0);
  return {
    entries: firsts.length,
    passed: sum("passed"),
    failed: sum("failed"),
    broken: sum("broken"),
    skipped: sum("skipped"),
    durationMs: sum("durationMs"),
  };
}

/** One line: entries, checks and time. */
export function describeTotal({ entries, passed, failed, broken, skipped, durationMs }: Total): string {
  return `${entries} entries, ${passed} passed, ${failed} failed, ${broken} broken, ${skipped} skipped, ${
    (durationMs / 1000).toFixed(0)
  } s`;
}

/** The table of what is not the same, and sums of both sides. */
export function describeComparisons(comparisons: readonly Comparison[]): string {
  const others = comparisons.filter(({ verdict, native, forwarded }) => verdict !== "same" || native.length > 1 && forwarded.length > 1);
  const rows = others.map(({ name, verdict, flaky, native, forwarded }) => [
    name,
    flaky && verdict === "same" ? "flaky" : verdict,
    outcomes(native),
    outcomes(forwarded),
  ]);
  const firsts = (side: "native" | "forwarded") => totalOf(comparisons.map((comparison) => comparison[side][0]));
  return [
    ...(rows.length === 0 ? [] : [table(["ENTRY", "VERDICT", "NATIVE", "FORWARDED"].map((title) => ({ title })), rows), ""]),
    `native:    ${describeTotal(firsts("native"))}`,
    `forwarded: ${describeTotal(firsts("forwarded"))}`,
    `${comparisons.filter(({ verdict }) => verdict === "same").length} of ${comparisons.length} entries end forwarded as they end natively`,
  ].join("\n");
}
