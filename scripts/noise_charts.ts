import type { NoiseSamples } from "../lib/noise/sample.ts";
import { logHistogram, noiseStatistics, reduceTimeline } from "../lib/noise/statistics.ts";
import { timeLabel } from "../lib/report/axis.ts";
import { noiseHistogramSvg, noiseTimelineSvg } from "../lib/report/noise_svg.ts";

/** One run to draw. */
export interface NoiseRun {
  /** What it is called in the legend: `outside`, `in container sim`. */
  readonly name: string;
  /** What was sampled. */
  readonly samples: NoiseSamples;
}

/** Points that a timeline of 700 pixels can show apart. */
const pointsMax = 1500;

/** Histogram and timeline of one run, or of several over each other (all of one mode), as SVG documents. */
export function noiseCharts(title: string, runs: readonly NoiseRun[]): { histogram: string; timeline: string } {
  const { mode, quantumNs, thresholdNs } = runs[0].samples;
  const isQuanta = mode === "fwq";
  const durationNs = Math.max(...runs.map(({ samples }) => samples.durationNs));
  const chart = {
    title,
    subtitle: isQuanta
      ? `fixed work quantum of ${timeLabel(quantumNs)}, sampled for ${timeLabel(durationNs)}`
      : `selfish detour: every time the CPU was elsewhere for ${timeLabel(thresholdNs)} or longer, sampled for ${timeLabel(durationNs)}`,
    lengthTitle: isQuanta ? "length of a quantum" : "length of a detour",
  };
  const series = runs.map(({ name, samples }) => ({ name, samples, note: remark(samples) }));
  return {
    histogram: noiseHistogramSvg(chart, series.map((one) => ({ ...one, bins: logHistogram(one.samples.lengthsNs, binsPerDecade(runs)) }))),
    timeline: noiseTimelineSvg(chart, series.map((one) => ({ ...one, points: reduceTimeline(one.samples, pointsMax) })), durationNs),
  };
}

function remark(samples: NoiseSamples): string {
  const { lostPercent, percentilesNs } = noiseStatistics(samples);
  return `${formatPercent(lostPercent)} lost, longest ${timeLabel(percentilesNs.max)}`;
}

/** Quanta that hardly differ need narrow bins, or they are all in one. */
function binsPerDecade(runs: readonly NoiseRun[]): number {
  if (runs[0].samples.mode === "detour") return 10;
  const all = runs.map(({ samples }) => noiseStatistics(samples));
  const ratio = Math.max(...all.map(({ percentilesNs }) => percentilesNs.max)) / Math.min(...all.map(({ minimumNs }) => minimumNs));
  return ratio < 4 ? 200 : 40;
}

/** A share for people: `56 %`, `1.4 %`, `0.62 %`, `0.0031 %`. */
export function formatPercent(percent: number): string {
  return `${Number(percent.toPrecision(percent >= 10 ? 3 : 2))} %`;
}
