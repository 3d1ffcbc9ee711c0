/** One float as its bits, and back. */
const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);
/** Below this, sorting by insertion is faster than dividing. */
const insertionMax = 24;
const infinityBits = 0x7f800000;

let scratch = new Int32Array(1024);

/**
 * The median of 32-bit floats: NaN is left out; of an odd number of values the middle one, of an even number the mean of the
 * two middle ones, added and halved as 32-bit floats, which is infinite when their sum is (two values near 3e38). Zero with
 * a minus sign is below zero. Ends for any values.
 *
 * @param values Are left as they are.
 * @param empty What the median of no values is. UMap's Astro handler says 0.
 *
 * @example Usage
 * ```ts
 * import assert from "node:assert/strict";
 * import { medianOf } from "./median.ts";
 *
 * assert.equal(medianOf(Float32Array.of(3, NaN, 1, 8)), 3);
 * assert.equal(medianOf(Float32Array.of(3, 1)), 2);
 * ```
 */
export function medianOf(values: Float32Array, empty = 0): number {
  const raw = new Int32Array(values.buffer, values.byteOffset, values.length);
  if (scratch.length < raw.length) scratch = new Int32Array(raw.length * 2);
  let count = 0;
  for (let i = 0; i < raw.length; i++) {
    const value = raw[i];
    if ((value & 0x7fffffff) <= infinityBits) scratch[count++] = orderedKey(value);
  }
  return medianOfKeys(scratch, 0, count, empty);
}

/**
 * An integer that is ordered as the float with these bits is: negative floats have their other bits turned. Its own inverse.
 */
export function orderedKey(raw: number): number {
  return raw ^ ((raw >> 31) & 0x7fffffff);
}

/** Whether the bits of a float are those of a NaN. */
export function isNaNBits(raw: number): boolean {
  return (raw & 0x7fffffff) > infinityBits;
}

/** The median of `count` keys from `start` on, see {@link orderedKey}; the keys change their places. */
export function medianOfKeys(keys: Int32Array, start: number, count: number, empty: number): number {
  if (count === 0) return empty;
  const middle = start + (count >> 1);
  select(keys, start, start + count - 1, middle);
  const high = floatOf(keys[middle]);
  if ((count & 1) === 1) return high;
  let low = keys[start];
  for (let i = start + 1; i < middle; i++) if (keys[i] > low) low = keys[i];
  return Math.fround(Math.fround(floatOf(low) + high) / 2);
}

function floatOf(key: number): number {
  bits[0] = orderedKey(key);
  return float[0];
}

/** Sorts keys as far as needed to have the right one at `target`, and none that is greater before it. */
function select(keys: Int32Array, first: number, last: number, target: number): void {
  // About log2(count) rounds halve it down; what takes many more is sorted.
  for (let rounds = 0; last - first > insertionMax; rounds++) {
    if (rounds > 64) {
      keys.subarray(first, last + 1).sort();
      return;
    }
    const pivot = medianOfThree(keys[first], keys[(first + last) >> 1], keys[last]);
    let [i, j] = [first, last];
    while (i <= j) {
      while (keys[i] < pivot) i++;
      while (keys[j] > pivot) j--;
      if (i > j) break;
      const key = keys[i];
      keys[i++] = keys[j];
      keys[j--] = key;
    }
    if (target <= j) last = j;
    else if (target >= i) first = i;
    else return;
  }
  sortByInsertion(keys, first, last);
}

function medianOfThree(a: number, b: number, c: number): number {
  if (a > b) return b > c ? b : a > c ? c : a;
  return a > c ? a : b > c ? c : b;
}

function sortByInsertion(keys: Int32Array, first: number, last: number): void {
  for (let i = first + 1; i <= last; i++) {
    const key = keys[i];
    let j = i;
    while (j > first && keys[j - 1] > key) {
      keys[j] = keys[j - 1];
      j--;
    }
    keys[j] = key;
  }
}
