import assert from "node:assert/strict";
import fc from "fast-check";
import { NoiseLayout } from "../../../ffi/noise.ts";
import { decodeNoise } from "../../../lib/noise/sample.ts";

/** A file as the sampler writes it; `pairs` are offsets and lengths in nanoseconds. */
function encodeNoise(
  pairs: readonly (readonly [number, number])[],
  head: Parameters<typeof NoiseLayout.write>[1] = {},
): Uint8Array<ArrayBuffer> {
  const file = new Uint8Array(NoiseLayout.size + 16 * pairs.length);
  NoiseLayout.write(file, { mode: 1, count: pairs.length, durationNs: 1_000_000_000n, thresholdNs: 1000n, clock: 1, locked: 1, ...head });
  const view = new DataView(file.buffer, NoiseLayout.size);
  pairs.flat().forEach((value, index) => view.setBigInt64(index * 8, BigInt(value), true));
  return file;
}

Deno.test("decodeNoise() reads head and samples", () => {
  const samples = decodeNoise(encodeNoise([[10, 1200], [5_000_000_000, 7_000_000_000]], {
    lostNs: 7_000_001_200n,
    minimumNs: 10n,
    truncated: 3n,
    voluntary: 4n,
    involuntary: 5n,
    locked: 0,
  }));
  assert.equal(samples.mode, "detour");
  assert.equal(samples.clock, "tsc");
  assert.equal(samples.locked, false);
  assert.equal(samples.lostNs, 7_000_001_200);
  assert.equal(samples.truncatedCount, 3);
  assert.deepEqual([samples.voluntarySwitches, samples.involuntarySwitches], [4, 5]);
  assert.deepEqual([...samples.offsetsNs], [10, 5_000_000_000]);
  assert.deepEqual([...samples.lengthsNs], [1200, 7_000_000_000]);
});

Deno.test("decodeNoise() gives back any samples in the order of time", () => {
  const ns = fc.nat(2 ** 31 - 1).map((value) => value * 1000 + 7);
  fc.assert(fc.property(fc.array(fc.tuple(ns, ns)), (pairs) => {
    pairs.sort(([a], [b]) => a - b);
    const { offsetsNs, lengthsNs } = decodeNoise(encodeNoise(pairs));
    assert.deepEqual([...offsetsNs].map((offset, index) => [offset, lengthsNs[index]]), pairs);
  }));
});

Deno.test("decodeNoise() reads a file that lies at an odd place in memory", () => {
  const file = encodeNoise([[1, 2]]);
  const larger = new Uint8Array(file.length + 3);
  larger.set(file, 3);
  assert.deepEqual([...decodeNoise(larger.subarray(3)).lengthsNs], [2]);
});

for (
  const [what, file, words] of [
    ["an empty file", new Uint8Array(0), /has 0 bytes, its head alone 88/],
    ["a head cut off", encodeNoise([]).slice(0, 87), /has 87 bytes, its head alone/],
    ["a sample cut off", encodeNoise([[1, 2], [3, 4]]).slice(0, -1), /has 119 bytes, 2 samples need 120/],
    ["bytes behind the samples", new Uint8Array([...encodeNoise([[1, 2]]), 0]), /has 105 bytes, 1 samples need 104/],
    ["a negative count", encodeNoise([], { count: -1 }), /-1 samples/],
    ["a mode it does not know", encodeNoise([], { mode: 2 }), /no mode 2/],
    ["a negative mode", encodeNoise([], { mode: -1 }), /no mode -1/],
    ["a clock it does not know", encodeNoise([], { clock: 9 }), /no clock 9/],
    ["no duration", encodeNoise([], { durationNs: 0n }), /sampled for 0 ns/],
    ["samples out of order", encodeNoise([[5, 1], [4, 1]]), /not in the order of time/],
    ["a negative length", encodeNoise([[5, -1]]), /not in the order of time/],
    ["a file of zeros", new Uint8Array(200), /cannot|sampled|need/i],
  ] as const
) {
  Deno.test(`decodeNoise() refuses ${what}`, () => {
    assert.throws(() => decodeNoise(file), (error) => {
      assert.ok(error instanceof SyntaxError);
      assert.match(error.message, /^Cannot read the noise samples: /);
      assert.match(error.message, words);
      return true;
    });
  });
}

Deno.test("decodeNoise() never fails otherwise, whatever the bytes", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
    try {
      decodeNoise(bytes);
    } catch (error) {
      assert.ok(error instanceof SyntaxError);
    }
  }));
});
