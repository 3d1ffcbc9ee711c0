import assert from "node:assert/strict";
import fc from "fast-check";
import { latencyNs } from "../../../lib/syscall/latency.ts";

const histogram = (counts: Record<number, number>) => Array.from({ length: 24 }, (_, bucket) => counts[bucket] ?? 0);

Deno.test("latencyNs() of an empty histogram is null", () => {
  assert.equal(latencyNs(histogram({}), 0.5), null);
  assert.equal(latencyNs([], 0.5), null);
});

Deno.test("latencyNs() is proportional within a bucket: the first begins at 0, the last has no end", () => {
  assert.equal(latencyNs(histogram({ 0: 10 }), 0.5), 256);
  assert.equal(latencyNs(histogram({ 3: 4 }), 0.25), 2048 + 512);
  assert.equal(latencyNs(histogram({ 3: 4 }), 1), 4096);
  assert.equal(latencyNs(histogram({ 23: 7 }), 0.99), 2 ** 31);
});

Deno.test("latencyNs() finds the rare slow calls with 0.99, and not with 0.5", () => {
  const mixed = histogram({ 5: 980, 12: 20 });
  assert(latencyNs(mixed, 0.5)! < 2 ** 14);
  assert.equal(latencyNs(mixed, 0.98), 2 ** 14);
  assert.equal(latencyNs(mixed, 0.99), 2 ** 20 + 2 ** 19);
});

Deno.test("latencyNs() lies in the bucket that holds the call of that rank, and grows with the share", () => {
  const bits = (ns: number) => ns < 512 ? 0 : Math.min(23, Math.floor(Math.log2(ns)) - 8);
  fc.assert(fc.property(fc.array(fc.nat(2 ** 33), { minLength: 1 }), fc.integer({ min: 1, max: 100 }), (times, percent) => {
    const buckets = histogram({});
    for (const ns of times) buckets[bits(ns)]++;
    const share = percent / 100;
    const rank = Math.ceil(share * times.length);
    const bucket = bits(times.toSorted((a, b) => a - b)[rank - 1]);
    const estimate = latencyNs(buckets, share)!;
    assert(estimate >= (bucket === 0 ? 0 : 2 ** (bucket + 8)) && estimate <= 2 ** (bucket + 9), `${estimate} in bucket ${bucket}`);
    assert(estimate <= latencyNs(buckets, 1)!);
  }));
});
