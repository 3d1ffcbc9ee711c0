import type { Noise } from "./random.ts";
import { wrapped } from "./registers.ts";

/** Share of the refreshes that come after the millisecond in which they were due. */
const lateShare = 0.05;

/** An energy counter of 32 bits, refreshed about each millisecond: it wraps, and between two refreshes it stands still. */
export class EnergyCounter {
  /** Energy since the start, exactly. */
  joules = 0;
  #shown: bigint;
  readonly #exponent: number;
  readonly #startCount: number;

  /**
   * A counter in units of 2^-exponent J.
   *
   * @param startCount What it shows first.
   */
  constructor(exponent: number, startCount = 0) {
    this.#exponent = exponent;
    this.#startCount = startCount;
    this.#shown = wrapped(startCount);
  }

  /** Adds the energy of a millisecond, and shows it unless this refresh is late. */
  add(joules: number, noise: Noise): void {
    this.joules += joules;
    if (noise.fraction() < lateShare) return;
    this.#shown = wrapped(this.#startCount + this.joules * 2 ** this.#exponent);
  }

  /** What a read finds. */
  get shown(): bigint {
    return this.#shown;
  }
}
