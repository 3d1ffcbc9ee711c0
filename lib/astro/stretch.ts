/** How values become grey: black at `low`, white at `high`. */
export interface Stretch {
  /** Black, with all that is below. */
  readonly low: number;
  /** White, with all that is above. */
  readonly high: number;
  /** `linear`, or `asinh`: faint things are lifted, as logarithms do, without a limit at zero. */
  readonly curve: "linear" | "asinh";
}

/** How much `asinh` lifts what is faint. */
const softening = 6;

/**
 * Chooses black and white by percentiles of the finite values, so that few bright ones do not make the rest dark.
 *
 * @param values A sample of the image.
 * @param percents Percentiles of black and white.
 */
export function chooseStretch(values: Float32Array, curve: Stretch["curve"], percents: readonly [number, number] = [1, 99.7]): Stretch {
  const sorted = values.filter(Number.isFinite).sort();
  if (sorted.length === 0) return { low: 0, high: 1, curve };
  const [low, high] = percents.map((percent) => sorted[Math.round((sorted.length - 1) * percent / 100)]);
  return { low, high: high > low ? high : low + 1, curve };
}

/** How bright a value is, from 0 to 1; NaN for NaN. */
export function brightness({ low, high, curve }: Stretch, value: number): number {
  const share = Math.min(1, Math.max(0, (value - low) / (high - low)));
  return curve === "linear" ? share : Math.asinh(softening * share) / Math.asinh(softening);
}
