import type { Board, CallCounter } from "../lib/syscall/board.ts";
import { callNamed } from "../lib/syscall/table.ts";
import type { CountedCall } from "../lib/syscall/tiers.ts";

/** The calls that a board counted, with what happens to each now. */
export function countedCalls(board: Board): CountedCall[] {
  const rules = board.rules();
  return Object.entries(board.counters()).map(([call, counter]) => {
    const rule = rules[callNamed(call)?.numbers[board.architecture] ?? -1];
    return { call, counter, ...rule ?? { action: "allow" } };
  });
}

/** Median and 99th percentile, as cells of a table. */
export function latencyOf({ p50Ns, p99Ns }: Pick<CallCounter, "p50Ns" | "p99Ns">): string[] {
  return [p50Ns, p99Ns].map((ns) => ns === null ? "" : `${(ns / 1000).toFixed(1)} us`);
}
