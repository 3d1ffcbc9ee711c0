import assert from "node:assert/strict";
import fc from "fast-check";
import { medianOf, medianOfKeys, orderedKey } from "../../../lib/astro/median.ts";
import { bitsOf, hash, plainMedian } from "./plain.ts";

function same(values: Float32Array): void {
  const [found, wanted] = [medianOf(values), plainMedian(values, 0)];
  if (!Object.is(found, wanted)) assert.fail(`${found}, not ${wanted}, of [${values}]`);
}

for (
  const [values, expected] of [
    [[], 0],
    [[NaN], 0],
    [[5], 5],
    [[1, 2], 1.5],
    [[3, NaN, 1, 8], 3],
    [[-0], -0],
    [[-0, 0], 0],
    [[-0, -0], -0],
    [[0, -0, -0], -0],
    [[3e38, 3e38], Infinity],
    [[-3e38, -3e38], -Infinity],
    [[-3e38, 3e38], 0],
    [[3e38], Math.fround(3e38)],
    [[1, 3e38, 3.3e38], Math.fround(3e38)],
    [[Infinity, -Infinity], NaN],
    [[Infinity, -Infinity, 1], 1],
    [[1e-45, 1e-45], Math.fround(1e-45)],
    [[0, 1e-45], 0],
    [[16777216, 16777218], 16777216],
  ] as const
) {
  Deno.test(`medianOf([${values.map((value) => Object.is(value, -0) ? "-0" : value)}]) is ${Object.is(expected, -0) ? "-0" : expected}`, () => {
    assert.equal(bitsOf(medianOf(Float32Array.from(values))), bitsOf(expected));
  });
}

Deno.test("medianOf() says of no values what it is told", () => {
  assert.ok(Number.isNaN(medianOf(Float32Array.of(NaN, NaN), NaN)));
  assert.equal(medianOf(new Float32Array(0), -7), -7);
});

Deno.test("medianOf() leaves the values as they are, and reads them anywhere in memory", () => {
  const values = Float32Array.of(9, 3, NaN, 1, 2, 9);
  assert.equal(medianOf(values.subarray(1, 5)), 2);
  assert.deepEqual([...values], [9, 3, NaN, 1, 2, 9]);
});

Deno.test("medianOf() is what sorting says, bit for bit, of 200,000 arrays", () => {
  for (let round = 0; round < 200_000; round++) {
    const length = hash(round) % (round % 100 === 0 ? 400 : 33);
    const spread = [3, 1000, 2 ** 32][round % 3];
    const values = Float32Array.from({ length }, (_, index) => {
      const random = hash(round, index);
      if (random % 31 === 0) return NaN;
      if (random % 37 === 0) return [3e38, -3e38, Infinity, -Infinity, -0, 0, 1e-45][hash(random) % 7];
      return (hash(random, 1) % spread) / 3 - spread / 6;
    });
    same(values);
  }
});

Deno.test("medianOf() is what sorting says of any bits", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => same(new Float32Array(bytes.slice(0, bytes.length & ~3).buffer))),
    { numRuns: 3000 },
  );
});

Deno.test("medianOf() ends on input that is made against it", () => {
  const length = 20_001;
  const shapes: Record<string, (index: number) => number> = {
    ascending: (index) => index,
    descending: (index) => -index,
    "all equal": () => 1,
    "two values": (index) => index % 2,
    "an organ pipe": (index) => Math.min(index, length - index),
    saw: (index) => index % 100,
  };
  for (const shape of Object.values(shapes)) {
    same(Float32Array.from({ length }, (_, index) => shape(index)));
    same(Float32Array.from({ length: length + 1 }, (_, index) => shape(index)));
  }
  same(killer(20_000));
});

/** Values for which the median of three is always among the least that are left (McIlroy). */
function killer(length: number): Float32Array {
  const values = new Float32Array(length);
  const half = length / 2;
  for (let i = 0; i < half; i++) {
    if (i % 2 === 0) {
      values[i] = i + 1;
      values[i + 1] = half + i + (half % 2 === 0 ? 1 : 0);
    }
    values[half + i] = 2 * (i + 1);
  }
  return values;
}

Deno.test("medianOfKeys() works on a part of its keys", () => {
  const keys = Int32Array.from([9, 9, 5, 1, 3, 0], (value) => orderedKey(new Int32Array(Float32Array.of(value).buffer)[0]));
  assert.equal(medianOfKeys(keys, 2, 3, NaN), 3);
  assert.equal(keys[0], keys[1]);
  assert.equal(medianOfKeys(keys, 5, 1, NaN), 0);
});

Deno.test("orderedKey() orders as floats are, and is its own inverse", () => {
  const values = [-Infinity, -3e38, -1, -1e-45, -0, 0, 1e-45, 1, 3e38, Infinity];
  const keys = values.map((value) => orderedKey(new Int32Array(Float32Array.of(value).buffer)[0]));
  assert.deepEqual(keys.toSorted((a, b) => a - b), keys);
  assert.deepEqual(keys.map(orderedKey).map(orderedKey), keys);
});
