import type { NoiseSamples } from "./sample.ts";

/** Lengths that this share of the samples do not exceed, in nanoseconds; all 0 when there is no sample. */
export interface Percentiles {
  /** Half of them. */
  readonly p50: number;
  /** 90 %. */
  readonly p90: number;
  /** 99 %. */
  readonly p99: number;
  /** 99.9 %. */
  readonly p99_9: number;
  /** 99.99 %. */
  readonly p99_99: number;
  /** The longest. */
  readonly max: number;
}

/** The noise of a CPU in a few numbers. */
export interface NoiseStatistics {
  /** Samples taken, those without room included. */
  readonly count: number;
  /** How long it was sampled, in nanoseconds. */
  readonly durationNs: number;
  /** The shortest quantum, or the shortest loop of the sampler, in nanoseconds. */
  readonly minimumNs: number;
  /** Of the lengths of quanta (`fwq`) or detours (`detour`). */
  readonly percentilesNs: Percentiles;
  /** The longest detour; in `fwq` the longest excess of a quantum over the shortest. Nanoseconds. */
  readonly worstNs: number;
  /** Time the CPU was elsewhere, in nanoseconds. */
  readonly lostNs: number;
  /** The same as a share of the time sampled. */
  readonly lostPercent: number;
  /** Detours per second; in `fwq` quanta whose excess reaches the threshold and a twentieth of the shortest. */
  readonly detoursPerSecond: number;
}

/** Computes percentiles (nearest rank) and totals. */
export function noiseStatistics(samples: NoiseSamples): NoiseStatistics {
  const sorted = samples.lengthsNs.toSorted();
  const percentilesNs = percentiles(sorted);
  const floorNs = samples.mode === "fwq" ? samples.minimumNs : 0;
  // Below a twentieth, quanta differ by the frequency of the core, not by what else ran on it.
  const shortestNs = floorNs + Math.max(samples.thresholdNs, floorNs / 20);
  const detours = sorted.length - firstAtLeast(sorted, shortestNs) + samples.truncatedCount;
  return {
    count: sorted.length + samples.truncatedCount,
    durationNs: samples.durationNs,
    minimumNs: samples.minimumNs,
    percentilesNs,
    worstNs: Math.max(0, percentilesNs.max - floorNs),
    lostNs: samples.lostNs,
    lostPercent: 100 * samples.lostNs / samples.durationNs,
    detoursPerSecond: detours * 1e9 / samples.durationNs,
  };
}

/** Nearest rank: the smallest sample that the given share of all samples does not exceed. */
function percentiles(sorted: Float64Array): Percentiles {
  const at = (share: number) => sorted.length === 0 ? 0 : sorted[Math.max(0, Math.ceil(share * sorted.length - 1e-9) - 1)];
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), p99_9: at(0.999), p99_99: at(0.9999), max: at(1) };
}

/** Index of the first value that is not below `limit`; the length when there is none. */
function firstAtLeast(sorted: Float64Array, limit: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A range of lengths, in nanoseconds: `fromNs` belongs to it, `toNs` to the next one. */
export interface HistogramBin {
  /** Where it begins. */
  readonly fromNs: number;
  /** Where it ends. */
  readonly toNs: number;
  /** Samples in it. */
  readonly count: number;
}

/**
 * Counts lengths in bins of equal width on a logarithmic axis, from the shortest to the longest without a gap.
 *
 * @param lengthsNs Lengths in nanoseconds; what is below 1 ns counts as 1 ns.
 * @param binsPerDecade How many bins a factor of ten is cut into.
 */
export function logHistogram(lengthsNs: Iterable<number>, binsPerDecade = 10): HistogramBin[] {
  const edge = (index: number) => 10 ** (index / binsPerDecade);
  const counts = new Map<number, number>();
  let [first, last] = [Infinity, -Infinity];
  for (const lengthNs of lengthsNs) {
    const index = binOf(Math.max(1, lengthNs), binsPerDecade, edge);
    counts.set(index, (counts.get(index) ?? 0) + 1);
    first = Math.min(first, index);
    last = Math.max(last, index);
  }
  if (counts.size === 0) return [];
  return Array.from({ length: last - first + 1 }, (_, offset) => {
    const index = first + offset;
    return { fromNs: edge(index), toNs: edge(index + 1), count: counts.get(index) ?? 0 };
  });
}

/** The logarithm of a number just beside an edge may round to the other side of it. */
function binOf(value: number, binsPerDecade: number, edge: (index: number) => number): number {
  const index = Math.floor(Math.log10(value) * binsPerDecade);
  if (value < edge(index)) return index - 1;
  return value >= edge(index + 1) ? index + 1 : index;
}

/** One sample on the axis of time, in nanoseconds. */
export interface TimelinePoint {
  /** When it began. */
  readonly timeNs: number;
  /** How long it took. */
  readonly lengthNs: number;
}

/**
 * Reduces samples to at most `pointsMax` in the order of time: of each stretch of time the longest one remains, so the
 * worst of all does too.
 */
export function reduceTimeline(samples: Pick<NoiseSamples, "offsetsNs" | "lengthsNs">, pointsMax: number): TimelinePoint[] {
  const { offsetsNs, lengthsNs } = samples;
  const stretchNs = lengthsNs.length <= pointsMax ? 0 : ((offsetsNs.at(-1) ?? 0) + 1) / pointsMax;
  const points: TimelinePoint[] = [];
  let stretch = -1;
  for (let index = 0; index < lengthsNs.length; index++) {
    const point = { timeNs: offsetsNs[index], lengthNs: lengthsNs[index] };
    const current = stretchNs === 0 ? index : Math.min(pointsMax - 1, Math.floor(point.timeNs / stretchNs));
    if (current !== stretch) points.push(point);
    else if (point.lengthNs > points[points.length - 1].lengthNs) points[points.length - 1] = point;
    stretch = current;
  }
  return points;
}
