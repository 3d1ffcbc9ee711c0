import { formatNs } from "../../../lib/report/quantity.ts";
import { table } from "../../../lib/report/table.ts";
import { type Group, quantile, type Series } from "../measure.ts";

/** What ours may cost: so many times the rival's median, or so many nanoseconds more. */
export type Bound = { readonly ratioMax: number } | { readonly addedNsMax: number };

/** One of the two ways of a comparison. */
export interface Way {
  /** What it is. */
  readonly name: string;
  /** Does it many times, and returns how long each took in nanoseconds. */
  readonly run: () => readonly number[];
}

/** One way in figures; `runsNs` are the medians of its runs. */
interface WaySeries extends Series {
  /** The 99th percentiles of its runs. */
  readonly p99sNs: readonly number[];
}

/** Ours beside a rival, measured in turns. */
export interface Comparison {
  /** What both do, and where. */
  readonly what: string;
  /** Ours. */
  readonly ours: WaySeries;
  /** What it is compared with. */
  readonly rival: WaySeries;
  /** What was promised, if anything. */
  readonly bound?: Bound;
}

/** Runs both in turns, in alternating order, after a round that only warms up. */
export function compare(what: string, ways: { readonly ours: Way; readonly rival: Way }, rounds: number, bound?: Bound): Comparison {
  const seriesOf = ({ name }: Way) => ({ name, runsNs: [] as number[], p99sNs: [] as number[] });
  const [ours, rival] = [seriesOf(ways.ours), seriesOf(ways.rival)];
  const turns = [[rival, ways.rival], [ours, ways.ours]] as const;
  for (let round = -1; round < rounds; round++) {
    for (const [series, way] of round % 2 === 0 ? turns : turns.toReversed()) {
      const samplesNs = way.run();
      if (round < 0) continue;
      series.runsNs.push(quantile(samplesNs, 0.5));
      series.p99sNs.push(quantile(samplesNs, 0.99));
    }
  }
  return { what, ours, rival, bound };
}

/** Ours divided by the rival: the median of what the rounds say, since the two of one round met the same machine. */
export function ratioOf({ ours, rival }: Comparison): number {
  return quantile(ours.runsNs.map((ns, round) => ns / rival.runsNs[round]), 0.5);
}

/** What ours takes longer than the rival in nanoseconds, in the same way. */
export function addedNsOf({ ours, rival }: Comparison): number {
  return quantile(ours.runsNs.map((ns, round) => ns - rival.runsNs[round]), 0.5);
}

/** The usual 99th percentile of a run; where a run is one sample, the worst run. */
function tailNsOf({ runsNs, p99sNs }: WaySeries): number {
  return runsNs.every((ns, round) => ns === p99sNs[round]) ? Math.max(...runsNs) : quantile(p99sNs, 0.5);
}

function keeps(comparison: Comparison): boolean {
  const { bound } = comparison;
  return bound === undefined || ("ratioMax" in bound ? ratioOf(comparison) <= bound.ratioMax : addedNsOf(comparison) <= bound.addedNsMax);
}

function formatAdded(ns: number): string {
  return ns < 0 ? `-${formatNs(-ns)}` : `+${formatNs(ns)}`;
}

function formatBound(bound: Bound | undefined): string {
  if (bound === undefined) return "";
  return "ratioMax" in bound ? `${bound.ratioMax}` : `+${formatNs(bound.addedNsMax)}`;
}

/** A group with a table of its own: a row for each comparison. */
export function groupOf(title: string, comparisons: readonly Comparison[], notes: readonly string[]): Group {
  const titles = ["OURS", "RIVAL", "RATIO", "MORE", "BOUND", "KEPT", "P99", "RIVAL'S", "RATIO", "ROUNDS"];
  const rows = comparisons.map((comparison) => {
    const { what, ours, rival, bound } = comparison;
    const [own, theirs] = [ours, rival].map(tailNsOf);
    return [
      what,
      formatNs(quantile(ours.runsNs, 0.5)),
      formatNs(quantile(rival.runsNs, 0.5)),
      ratioOf(comparison).toFixed(2),
      formatAdded(addedNsOf(comparison)),
      formatBound(bound),
      bound === undefined ? "" : keeps(comparison) ? "yes" : "NO",
      formatNs(own),
      formatNs(theirs),
      (own / theirs).toFixed(2),
      `${ours.runsNs.length}`,
    ];
  });
  return {
    title,
    figures: comparisons.map((comparison) => ({
      what: comparison.what,
      oursNs: quantile(comparison.ours.runsNs, 0.5),
      rivalNs: quantile(comparison.rival.runsNs, 0.5),
      ratio: ratioOf(comparison),
      addedNs: addedNsOf(comparison),
      bound: comparison.bound,
      isKept: comparison.bound === undefined ? undefined : keeps(comparison),
      oursP99Ns: tailNsOf(comparison.ours),
      rivalP99Ns: tailNsOf(comparison.rival),
    })),
    series: comparisons.flatMap(({ what, ours, rival }) => [rival, ours].map((way) => ({ ...way, name: `${what}: ${way.name}` }))),
    table: table([{ title: "" }, ...titles.map((title) => ({ title, right: true }))], rows),
    notes,
  };
}
