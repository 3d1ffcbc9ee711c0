import { formatNs } from "../../lib/report/quantity.ts";
import { table } from "../../lib/report/table.ts";

/** One of several ways to do the same thing, measured in turns with the others. */
export interface Series {
  /** What it is. */
  readonly name: string;
  /** Each run, in nanoseconds, in the order they ran. */
  readonly runsNs: readonly number[];
}

/** Ways to do one thing, the rival first. */
export interface Group {
  /** What they all do. */
  readonly title: string;
  /** The first one is what the others are compared with. */
  readonly series: readonly Series[];
  /** What the reader has to know, or why a rival is missing. */
  readonly notes: readonly string[];
  /** What was compared, in figures, where it is about more than the times of `series`. */
  readonly figures?: readonly Readonly<Record<string, unknown>>[];
  /** Their table, likewise. */
  readonly table?: string;
}

/** Runs each way once, in turns, so that what disturbs the machine disturbs all of them alike; `pauseMs` between runs. */
export function inTurns(ways: Readonly<Record<string, () => number>>, rounds: number, pauseMs = 0): Series[] {
  const runs = Object.keys(ways).map((name) => ({ name, runsNs: [] as number[] }));
  for (let round = -2; round < rounds; round++) {
    for (const { name, runsNs } of runs) {
      // What the kernel does after a run (destroying cgroups and namespaces) shall not slow the next one down.
      if (pauseMs > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMs);
      const ns = ways[name]();
      // Two rounds warm caches up.
      if (round >= 0) runsNs.push(ns);
    }
  }
  return runs;
}

/** A table of medians, tails and ratios. */
export function describe({ title, series, notes, table: own }: Group): string {
  if (own !== undefined) return [title, own, ...notes].join("\n");
  const rows = series.map(({ name, runsNs }) => {
    const ratio = (q: number) => (quantile(runsNs, q) / quantile(series[0].runsNs, q)).toFixed(2);
    return [
      name,
      formatNs(quantile(runsNs, 0.5)),
      formatNs(quantile(runsNs, 0.95)),
      formatNs(Math.max(...runsNs)),
      ratio(0.5),
      ratio(0.95),
      `${runsNs.length}`,
    ];
  });
  const columns = ["MEDIAN", "P95", "MAX", "RATIO OF MEDIANS", "OF P95", "RUNS"].map((name) => ({ title: name, right: true }));
  return [title, table([{ title: "" }, ...columns], rows), ...notes].join("\n");
}

/** The value below which a share `q` of the values lies (nearest rank). */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)];
}
