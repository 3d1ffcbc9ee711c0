import { countLabel, linearScale, linearTicks, logScale, logTicks, niceLogDomain, timeLabel } from "./axis.ts";
import { chartSvg, plotArea, px, seriesColor, words } from "./chart.ts";

/** Lengths of one run, counted: bins ascending and without a gap. */
export interface HistogramSeries {
  /** What was measured: `outside`, `in container sim`. */
  readonly name: string;
  /** A few words behind the name. */
  readonly note?: string;
  /** Lengths from `fromNs` up to `toNs`, in nanoseconds. */
  readonly bins: readonly { readonly fromNs: number; readonly toNs: number; readonly count: number }[];
}

/** Lengths of one run on the axis of time, ascending. */
export interface TimelineSeries {
  /** What was measured. */
  readonly name: string;
  /** A few words behind the name. */
  readonly note?: string;
  /** Nanoseconds. */
  readonly points: readonly { readonly timeNs: number; readonly lengthNs: number }[];
}

/** Beyond this many points, the stems below them would be a grey wash. */
const stemsMax = 300;

/** Words of a noise chart. */
export interface NoiseChart {
  /** One line above the plot. */
  readonly title: string;
  /** A smaller line below it. */
  readonly subtitle?: string;
  /** What the lengths are, for the axis: `length of a detour`. */
  readonly lengthTitle: string;
}

/**
 * Draws how often each length occurred, both axes logarithmic, as one SVG document.
 *
 * Several series lie over each other: the first one behind.
 */
export function noiseHistogramSvg(chart: NoiseChart, series: readonly HistogramSeries[]): string {
  const bins = series.flatMap((one) => one.bins);
  const lengths = bins.flatMap(({ fromNs, toNs }) => [fromNs, toNs]);
  const xDomain = lengths.length === 0 ? [1e3, 1e6] as const : niceLogDomain(least(lengths), most(lengths));
  // A single sample stands as high as a line is thick, not at 0: hence half a sample at the foot.
  const yDomain = [0.5, Math.max(10, 10 ** Math.ceil(Math.log10(most(bins.map(({ count }) => count)) * 1.3)))] as const;
  const x = logScale(xDomain, [plotArea.left, plotArea.right]);
  const y = logScale(yDomain, [plotArea.bottom, plotArea.top]);
  const frame = {
    ...chart,
    xTitle: `${chart.lengthTitle} (logarithmic)`,
    yTitle: "samples (logarithmic)",
    legend: series,
    x: { scale: x, ticks: logTicks(xDomain, 3, timeLabel) },
    y: { scale: y, ticks: logTicks([1, yDomain[1]], 2, countLabel) },
  };
  const marks = series.flatMap(({ bins }, index) => {
    const color = seriesColor(index, series.length);
    const blocks = runs(bins).map((run) => {
      const steps = run.map(({ fromNs, toNs, count }) => `H${px(x.at(fromNs))}V${px(y.at(count))}H${px(x.at(toNs))}`);
      return `M${px(x.at(run[0].fromNs))} ${plotArea.bottom}${steps.join("")}V${plotArea.bottom}`;
    });
    if (blocks.length === 0) return [];
    return [
      `<path d="${blocks.join("")}" fill="${color}" fill-opacity="0.28" stroke="${color}" stroke-width="1.3" stroke-linejoin="round"/>`,
    ];
  });
  return chartSvg(frame, marks.length > 0 ? marks : [nothing()]);
}

/** Neighbouring bins that hold something. */
function runs<B extends { readonly count: number }>(bins: readonly B[]): B[][] {
  const all: B[][] = [];
  bins.forEach((bin, index) => {
    if (bin.count === 0) return;
    if (index > 0 && bins[index - 1].count > 0) all[all.length - 1].push(bin);
    else all.push([bin]);
  });
  return all;
}

/** Draws when each sample was taken and how long it took, length logarithmic, as one SVG document; the worst is named. */
export function noiseTimelineSvg(chart: NoiseChart, series: readonly TimelineSeries[], durationNs: number): string {
  const lengths = series.flatMap(({ points }) => points.map(({ lengthNs }) => Math.max(1, lengthNs)));
  const yDomain = lengths.length === 0 ? [1e3, 1e6] as const : niceLogDomain(least(lengths) * 0.9, most(lengths) * 1.1);
  const xDomain = [0, durationNs] as const;
  const x = linearScale(xDomain, [plotArea.left, plotArea.right]);
  const y = logScale(yDomain, [plotArea.bottom, plotArea.top]);
  const frame = {
    ...chart,
    xTitle: "time from the start",
    yTitle: `${chart.lengthTitle} (log)`,
    legend: series,
    x: { scale: x, ticks: linearTicks(xDomain, 10, (ns) => ns === 0 ? "0" : timeLabel(ns)) },
    y: { scale: y, ticks: logTicks(yDomain, 2, timeLabel) },
  };
  const marks = series.flatMap(({ points }, index) => {
    if (points.length === 0) return [];
    const color = seriesColor(index, series.length);
    const places = points.map(({ timeNs, lengthNs }) => `M${px(x.at(timeNs))} ${px(y.at(lengthNs))}`);
    const stems = `<path d="${
      places.map((place) => `${place}V${plotArea.bottom}`).join("")
    }" stroke="${color}" stroke-opacity="0.22" fill="none"/>`;
    const dots = `<path d="${
      places.map((place) => `${place}h0`).join("")
    }" stroke="${color}" stroke-width="3.4" stroke-linecap="round" fill="none"/>`;
    return lengths.length <= stemsMax ? [stems, dots] : [dots];
  });
  const callouts = series.flatMap(({ points }, index) => {
    if (points.length === 0) return [];
    const worst = points.reduce((longest, point) => point.lengthNs > longest.lengthNs ? point : longest);
    return [
      callout(
        x.at(worst.timeNs),
        y.at(worst.lengthNs),
        timeLabel(worst.lengthNs),
        seriesColor(index, series.length),
      ),
    ];
  });
  return chartSvg(frame, marks.length > 0 ? [...marks, ...callouts] : [nothing()]);
}

/** The length of a worst point, written beside it, on the side where there is room. */
function callout(x: number, y: number, label: string, color: string): string {
  const isRight = x > plotArea.right - 70;
  const place = words(
    x + (isRight ? -8 : 8),
    Math.max(y + 4, plotArea.top + 10),
    label,
    `font-weight="600" fill="${color}" text-anchor="${isRight ? "end" : "start"}" stroke="#ffffff" stroke-width="4" paint-order="stroke"`,
  );
  return `<circle cx="${px(x)}" cy="${px(y)}" r="4" fill="none" stroke="${color}" stroke-width="1.5"/>${place}`;
}

function nothing(): string {
  return words(
    (plotArea.left + plotArea.right) / 2,
    (plotArea.top + plotArea.bottom) / 2,
    "nothing was longer than the threshold",
    `text-anchor="middle" font-size="14" fill="#5c6470"`,
  );
}

/** `Math.min(...)` of more values than a call can take. */
function least(values: readonly number[]): number {
  return values.reduce((a, b) => Math.min(a, b), Infinity);
}

function most(values: readonly number[]): number {
  return values.reduce((a, b) => Math.max(a, b), 1);
}
