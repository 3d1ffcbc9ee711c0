import type { CubeReader } from "./cube_reader.ts";
import { medianOf } from "./median.ts";
import { Beta, MersenneTwister } from "./random.ts";
import type { CubeShape } from "./stack.ts";

/** A straight way through the layers: where something that moves is at a time `t`. */
export interface SkyVector {
  /** Columns per unit of time. */
  readonly xSlope: number;
  /** Column at the first layer. */
  readonly xIntercept: number;
  /** Rows per unit of time. */
  readonly ySlope: number;
  /** Row at the first layer. */
  readonly yIntercept: number;
}

/** What lies on a vector. */
export interface VectorMedian {
  /** The vector. */
  readonly vector: SkyVector;
  /** The median of the values on it; 0 when there are none, as UMap's Astro handler says. */
  readonly median: number;
  /** How many values there were. */
  readonly count: number;
}

/**
 * Rounds to the nearest whole number, halves away from zero, as `round` of C does; `Math.round` takes -0.5 to 0.
 *
 * @example Usage
 * ```ts
 * import assert from "node:assert/strict";
 * import { roundHalfAway } from "./vectors.ts";
 *
 * assert.deepEqual([-0.5, 0.5, -1.4, 2.5].map(roundHalfAway), [-1, 1, -1, 3]);
 * ```
 */
export function roundHalfAway(value: number): number {
  const whole = Math.trunc(value);
  return Math.abs(value - whole) >= 0.5 ? whole + Math.sign(value) : whole;
}

/**
 * Vectors at random, the same as those of UMap's `run_random_vector` with one thread: starts anywhere in the frame, slopes of
 * Beta(3, 2) times 2 either way.
 *
 * @param seed Of mt19937; UMap takes 123.
 */
export function* randomVectors(seed: number, { width, height }: Pick<CubeShape, "width" | "height">): Generator<SkyVector, never> {
  const random = new MersenneTwister(seed);
  const [xBeta, yBeta] = [new Beta(3, 2), new Beta(3, 2)];
  const slope = (beta: Beta) => {
    const length = beta.next(random) * 2;
    return random.below(2) === 1 ? -length : length;
  };
  for (;;) {
    const [xIntercept, yIntercept] = [random.below(width), random.below(height)];
    const [xSlope, ySlope] = [slope(xBeta), slope(yBeta)];
    yield { xSlope, xIntercept, ySlope, yIntercept };
  }
}

/** Computes medians along vectors through a cube. */
export class VectorSampler {
  readonly #offsets: BigUint64Array<ArrayBuffer>;
  /** The same, each as its lower and its upper half: numbers of JavaScript are quicker to write than those of 64 bits. */
  readonly #halves: Uint32Array<ArrayBuffer>;
  readonly #values: Float32Array<ArrayBuffer>;

  /**
   * A sampler.
   *
   * @param times When each layer was taken, in any unit; those of the first layer count as 0.
   * @throws {RangeError} If there are not as many times as layers.
   */
  constructor(readonly reader: Pick<CubeReader, "gather">, readonly shape: CubeShape, readonly times: readonly number[]) {
    if (times.length !== shape.layerCount) {
      throw new RangeError(`Cannot sample ${shape.layerCount} layers at ${times.length} times`);
    }
    this.#offsets = new BigUint64Array(shape.layerCount);
    this.#halves = new Uint32Array(this.#offsets.buffer);
    this.#values = new Float32Array(shape.layerCount);
  }

  /** Column and row of a vector at a layer; they may lie outside the frame. */
  position({ xSlope, xIntercept, ySlope, yIntercept }: SkyVector, layer: number): [x: number, y: number] {
    const passed = this.times[layer] - this.times[0];
    return [roundHalfAway(xSlope * passed + xIntercept), roundHalfAway(ySlope * passed + yIntercept)];
  }

  /** The value of a vector at each layer: NaN where there is none, `null` outside the frame. */
  values(vector: SkyVector): (number | null)[] {
    const isInside = this.times.map((_, layer) => this.#place(vector, layer) >= 0);
    const found = this.#gather(vector);
    let next = 0;
    return isInside.map((isInside) => isInside ? found[next++] : null);
  }

  /** The median of the values on a vector. */
  median(vector: SkyVector): VectorMedian {
    const values = this.#gather(vector);
    let count = 0;
    for (let i = 0; i < values.length; i++) if (!Number.isNaN(values[i])) count++;
    return { vector, median: medianOf(values), count };
  }

  /** Which value of the cube a vector meets at a layer; -1 outside the frame. */
  #place(vector: SkyVector, layer: number): number {
    const { width, height } = this.shape;
    const [x, y] = this.position(vector, layer);
    return x >= 0 && y >= 0 && x < width && y < height ? x + width * (y + height * layer) : -1;
  }

  /** Values of the layers at which a vector is in the frame; they are there until the next call. */
  #gather(vector: SkyVector): Float32Array<ArrayBuffer> {
    let count = 0;
    for (let layer = 0; layer < this.shape.layerCount; layer++) {
      const place = this.#place(vector, layer);
      if (place < 0) continue;
      this.#halves[2 * count] = place * 4 % 2 ** 32;
      this.#halves[2 * count + 1] = place * 4 / 2 ** 32;
      count++;
    }
    const values = this.#values.subarray(0, count);
    this.reader.gather(this.#offsets.subarray(0, count), values);
    return values;
  }
}

/** Keeps the greatest medians; of equal ones, those that came first. NaN is below everything. */
export class TopMedians {
  readonly #best: VectorMedian[] = [];

  /** Keeps at most `limit`. */
  constructor(readonly limit: number) {}

  /** Considers one. */
  add(candidate: VectorMedian): void {
    const rank = rankOf(candidate);
    const isFull = this.#best.length >= this.limit;
    if (isFull && (this.limit === 0 || rank <= rankOf(this.#best[this.limit - 1]))) return;
    const place = this.#best.findIndex((one) => rankOf(one) < rank);
    this.#best.splice(place < 0 ? this.#best.length : place, 0, candidate);
    if (isFull) this.#best.pop();
  }

  /** The greatest first. */
  get best(): readonly VectorMedian[] {
    return this.#best;
  }
}

function rankOf({ median }: VectorMedian): number {
  return Number.isNaN(median) ? -Infinity : median;
}
