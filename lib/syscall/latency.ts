/** Bucket b counts what took from 2^(b+8) to 2^(b+9) ns; the first begins at 0, and the last has no end. */
const firstBits = 8;

/**
 * Estimates how long a share of the calls took at most, from their histogram: 0.5 asks for the median.
 *
 * Between the ends of a bucket the estimate is proportional, so it is right within a factor of two. In the last bucket,
 * which has no end, it is where that begins.
 *
 * @returns Nanoseconds, or `null` when the histogram is empty.
 *
 * @example Usage
 * ```ts
 * import assert from "node:assert/strict";
 * import { latencyNs } from "./latency.ts";
 *
 * assert.equal(latencyNs([0, 0, 4, 0], 0.5), 1536); // four calls between 1024 and 2048 ns
 * ```
 */
export function latencyNs(buckets: readonly number[], share: number): number | null {
  const count = buckets.reduce((sum, bucket) => sum + bucket, 0);
  if (count === 0) return null;
  const rank = share * count;
  let below = 0;
  const last = buckets.length - 1;
  const index = buckets.findIndex((bucket) => bucket > 0 && (below += bucket) >= rank);
  const from = index === 0 ? 0 : 2 ** (index + firstBits);
  if (index === last) return from;
  const within = (rank - (below - buckets[index])) / buckets[index];
  return Math.round(from + within * (2 ** (index + firstBits + 1) - from));
}
