import { RefusedError } from "../errors.ts";
import type { Meter } from "./meter.ts";

/** The power at which a counter is taken to run, to say how soon it wraps; the kernel does the same. */
export const referenceWatts = 200;

/** What an {@link Accumulator} made of a reading. */
export interface Step {
  /** What was added since the reading before, in the meter's unit; 0 at the first one. */
  readonly delta: number;
  /** Time since the reading before, in seconds. */
  readonly seconds: number;
  /** Says that the counter may have wrapped more than once; then `delta` may be too small. */
  readonly warning: string | null;
}

/** Makes an ever growing sum of a counter that begins again at `wrap`. */
export class Accumulator {
  /** Everything since the first reading, in the meter's unit. */
  total = 0;
  readonly #wrapCounts: number;
  readonly #wrapSeconds: number;
  #last: { readonly atNs: bigint; readonly counts: number } | undefined;

  /**
   * A sum of nothing yet.
   *
   * @param meter A counter.
   * @param perSecond How fast it grows at most, in its unit; 200 W for energy, one second per second for time.
   * @throws {RefusedError} If it is none.
   */
  constructor(readonly meter: Meter, perSecond: number = meter.unit === "J" ? referenceWatts : 1) {
    if (meter.kind !== "counter") throw new RefusedError(`Cannot add up ${meter.name}: it is not a counter`);
    this.#wrapCounts = meter.wrap === undefined ? Infinity : Math.round(meter.wrap / meter.resolution);
    this.#wrapSeconds = (meter.wrap ?? Infinity) / perSecond;
  }

  /** The longest time between two readings that is certainly counted right, in seconds: half a wrap. */
  get pollSecondsMax(): number {
    return this.#wrapSeconds / 2;
  }

  /** Takes a reading; those of the same or an earlier moment are left out. */
  add(atNs: bigint, value: number): Step {
    const counts = Math.round(value / this.meter.resolution);
    const last = this.#last;
    if (last !== undefined && atNs <= last.atNs) return { delta: 0, seconds: 0, warning: null };
    this.#last = { atNs, counts };
    if (last === undefined) return { delta: 0, seconds: 0, warning: null };
    const seconds = Number(atNs - last.atNs) / 1e9;
    const grown = counts - last.counts;
    const delta = (grown < 0 ? grown + this.#wrapCounts : grown) * this.meter.resolution;
    if (delta < 0 || !Number.isFinite(delta)) return { delta: 0, seconds, warning: `${this.meter.name} went back, and has no wrap` };
    this.total += delta;
    const isLate = seconds > this.pollSecondsMax;
    const warning = `${this.meter.name} was read after ${seconds.toFixed(1)} s, and may wrap every ${this.#wrapSeconds.toFixed(1)} s`;
    return { delta, seconds, warning: isLate ? warning : null };
  }
}
