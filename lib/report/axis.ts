import { formatNs } from "./quantity.ts";

/** Where a value lies on the paper, in pixels. */
export interface Scale {
  /** The pixel of a value; outside of the range, the pixel of the nearer end. */
  at(value: number): number;
  /** The two ends of the range. */
  readonly domain: readonly [number, number];
}

/** A mark on an axis: where, and what is written there. */
export interface Tick {
  /** The value it stands for. */
  readonly value: number;
  /** Its label; empty for a line without words. */
  readonly label: string;
}

/** A scale on which equal differences are equally far apart. */
export function linearScale([low, high]: readonly [number, number], [from, to]: readonly [number, number]): Scale {
  const width = high - low || 1;
  return { domain: [low, high], at: (value) => from + (to - from) * clamp((value - low) / width) };
}

/** A scale on which equal ratios are equally far apart; both ends are above 0, and what is below counts as the lower end. */
export function logScale([low, high]: readonly [number, number], [from, to]: readonly [number, number]): Scale {
  const { at } = linearScale([Math.log10(low), Math.log10(high)], [from, to]);
  return { domain: [low, high], at: (value) => at(Math.log10(Math.max(low, value))) };
}

function clamp(share: number): number {
  return Math.min(1, Math.max(0, share));
}

/**
 * Widens a range of positive numbers to round ends: 1, 2 or 5 times a power of ten when it spans more than one decade,
 * otherwise multiples of a round step.
 */
export function niceLogDomain(low: number, high: number): [number, number] {
  if (high / low > 10) return [1 / niceStep(1 / low), niceStep(high)];
  // Ends that hardly differ have no round values between them.
  const step = niceStep((high - low > 1e-9 * low ? high - low : low) / 4);
  const floor = Math.floor(low / step) * step;
  return [floor > 0 ? floor : low / 2, Math.ceil(high / step + 1e-9) * step];
}

/** Rounds away the error that makes log10(1000) 2.9999999999999996. */
function log10(value: number): number {
  return Number(Math.log10(value).toFixed(9));
}

/** The step of 1, 2 or 5 times a power of ten that is nearest above `step`. */
function niceStep(step: number): number {
  const decade = 10 ** Math.floor(log10(step));
  return [1, 2, 5, 10].map((factor) => factor * decade).find((candidate) => candidate >= step * (1 - 1e-9)) ?? decade * 10;
}

/** Round values within a range, about `about` of them. */
export function linearTicks([low, high]: readonly [number, number], about: number, label: (value: number) => string): Tick[] {
  // A range a little longer than a round one has the ticks of the round one.
  const step = niceStep(0.99 * (high - low) / about);
  const ticks: Tick[] = [];
  for (let index = Math.ceil(low / step - 1e-9); index * step <= high * (1 + 1e-9); index++) {
    const value = Number((index * step).toPrecision(12));
    ticks.push({ value, label: label(value) });
  }
  return ticks;
}

/**
 * Marks of a logarithmic axis: every decade with its label and 2 to 9 without; with few decades, at most `decadesMax`, 2 and 5
 * are labelled too, and below one decade round values are taken as on a linear axis.
 */
export function logTicks([low, high]: readonly [number, number], decadesMax: number, label: (value: number) => string): Tick[] {
  const decades = Math.log10(high / low);
  if (decades <= 1 + 1e-9) return linearTicks([low, high], 5, label);
  const labelled = decades <= decadesMax ? [1, 2, 5] : [1];
  const ticks: Tick[] = [];
  for (let decade = 10 ** Math.floor(log10(low)); decade <= high * (1 + 1e-9); decade *= 10) {
    for (let factor = 1; factor <= 9; factor++) {
      const value = Number((factor * decade).toPrecision(12));
      if (value < low * (1 - 1e-9) || value > high * (1 + 1e-9)) continue;
      ticks.push({ value, label: labelled.includes(factor) ? label(value) : "" });
    }
  }
  return ticks;
}

/** A length of time for an axis: `100 µs`. */
export function timeLabel(ns: number): string {
  return formatNs(ns).replace(" us", " µs");
}

/** A count for an axis: `20`, `5,000`, `2M`. */
export function countLabel(count: number): string {
  if (count >= 1e6) return `${Number((count / 1e6).toPrecision(3))}M`;
  return count.toLocaleString("en-US", { maximumFractionDigits: 2 });
}
