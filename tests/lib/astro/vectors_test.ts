import assert from "node:assert/strict";
import { readCube, tilesOf } from "../../../lib/astro/cube.ts";
import { FileCubeReader } from "../../../lib/astro/cube_reader.ts";
import { randomVectors, roundHalfAway, type SkyVector, TopMedians, VectorSampler } from "../../../lib/astro/vectors.ts";
import { PageBuffer } from "../../../lib/paging/buffer.ts";
import { Region } from "../../../lib/paging/region.ts";
import { fitsStore } from "../../../lib/paging/stores.ts";
import { pagingNote } from "./paging_library.ts";
import { bitsOf, hardCubes, hash, inDirectory, plainMedian, writeCube } from "./plain.ts";

Deno.test("roundHalfAway() rounds as C does", () => {
  const cases = [[-0.5, -1], [0.5, 1], [1.5, 2], [2.5, 3], [-2.5, -3], [0.49999999999999994, 0], [-0.49999999999999994, 0], [3, 3], [
    -7.6,
    -8,
  ]];
  for (const [value, wanted] of cases) assert.equal(roundHalfAway(value) + 0, wanted, `${value}`);
  assert.equal(roundHalfAway(4503599627370497.5), 4503599627370498);
  assert.equal(roundHalfAway(-4503599627370497.5), -4503599627370498);
});

/** Along a vector, written once more: only what lies in the frame and is a value. */
function plainVector(
  layers: number[][],
  width: number,
  height: number,
  times: number[],
  vector: SkyVector,
): { median: number; count: number } {
  const found: number[] = [];
  layers.forEach((layer, index) => {
    const passed = times[index] - times[0];
    const [x, y] = [vector.xSlope * passed + vector.xIntercept, vector.ySlope * passed + vector.yIntercept].map((value) =>
      value < 0 ? Math.ceil(value - 0.5) : Math.floor(value + 0.5)
    );
    if (x < 0 || x >= width || y < 0 || y >= height) return;
    const value = layer[x + y * width];
    if (!Number.isNaN(value)) found.push(value);
  });
  return { median: plainMedian(found, 0), count: found.length };
}

for (const [name, made] of Object.entries(hardCubes)) {
  Deno.test(`VectorSampler through ${name} is what sorting the values on the way says, bit for bit`, () =>
    inDirectory((directory) => {
      const { paths, layers } = writeCube(directory, made);
      const { width, height } = made;
      using reader = new FileCubeReader(tilesOf(readCube(paths)));
      const times = layers.map((_, index) => 10 + 1.5 * index);
      const sampler = new VectorSampler(reader, { width, height, layerCount: layers.length }, times);
      const random = randomVectors(1, { width, height });
      for (let round = 0; round < 500; round++) {
        // Halves are frequent in these, and rounding them is where languages differ.
        const [a, b, c, d] = [0, 1, 2, 3].map((which) => hash(round, which));
        const vector = round % 2 === 0
          ? random.next().value
          : { xSlope: a % 9 / 3 - 1, xIntercept: b % (2 * width) / 2 - 1, ySlope: c % 9 / 3 - 1, yIntercept: d % (2 * height) / 2 - 1 };
        const wanted = plainVector(layers, width, height, times, vector);
        const found = sampler.median(vector);
        assert.equal(bitsOf(found.median), bitsOf(wanted.median), JSON.stringify(vector));
        assert.equal(found.count, wanted.count);
      }
    }));
}

Deno.test("VectorSampler with slopes of zero is the median of a pixel", () =>
  inDirectory((directory) => {
    const made = hardCubes["32-bit floats of 37 x 29"];
    const { paths, layers } = writeCube(directory, made);
    using reader = new FileCubeReader(tilesOf(readCube(paths)));
    const sampler = new VectorSampler(reader, { width: 37, height: 29, layerCount: 9 }, layers.map((_, index) => index));
    for (let pixel = 0; pixel < 37 * 29; pixel++) {
      const { median } = sampler.median({ xSlope: 0, xIntercept: pixel % 37, ySlope: 0, yIntercept: Math.floor(pixel / 37) });
      assert.equal(bitsOf(median), bitsOf(plainMedian(layers.map((layer) => layer[pixel]), 0)));
    }
  }));

Deno.test("VectorSampler counts a position that rounds to before the frame as outside, and 0 where there are no values", () => {
  const reader = { gather: (_: BigUint64Array, into: Float32Array) => void into.fill(5) };
  const sampler = new VectorSampler(reader, { width: 2, height: 2, layerCount: 1 }, [0]);
  const at = (x: number, y: number) => sampler.values({ xSlope: 0, xIntercept: x, ySlope: 0, yIntercept: y })[0];
  assert.deepEqual([at(-0.5, 0), at(-0.4, 0), at(1.4, 1), at(1.5, 1), at(0, 1.5), at(NaN, 0)], [null, 5, 5, null, null, null]);
  assert.deepEqual(sampler.median({ xSlope: 0, xIntercept: 9, ySlope: 0, yIntercept: 9 }).median, 0);
  assert.throws(() => new VectorSampler(reader, { width: 2, height: 2, layerCount: 1 }, [0, 1]), RangeError);
});

Deno.test("VectorSampler finds places beyond 4 GiB", () => {
  const seen: bigint[] = [];
  const reader = { gather: (offsets: BigUint64Array) => void seen.push(...offsets) };
  const shape = { width: 40_000, height: 40_000, layerCount: 3 };
  new VectorSampler(reader, shape, [0, 1, 2]).median({ xSlope: 1, xIntercept: 39_997, ySlope: 0, yIntercept: 39_999 });
  assert.deepEqual(seen, [0, 1, 2].map((layer) => 4n * (BigInt(39_997 + layer) + 40_000n * (39_999n + 40_000n * BigInt(layer)))));
});

Deno.test({
  name: `VectorSampler reads through a region what it reads from files${pagingNote}`,
  ignore: pagingNote !== "",
  fn: () =>
    inDirectory((directory) => {
      const made = hardCubes["missing epochs between files of all kinds"];
      const cube = readCube(writeCube(directory, made).paths);
      using files = new FileCubeReader(tilesOf(cube));
      using buffer = new PageBuffer(65536);
      using region = Region.mapSync(fitsStore(tilesOf(cube)), { buffer, readOnly: true });
      const shape = { ...made, layerCount: cube.layers.length };
      const [a, b] = [files, region].map((reader) => new VectorSampler(reader, shape, cube.layers.map((_, index) => index)));
      const random = randomVectors(5, made);
      for (let round = 0; round < 500; round++) {
        const vector = random.next().value;
        assert.deepEqual(a.median(vector), b.median(vector));
        assert.deepEqual(a.values(vector), b.values(vector));
      }
    }),
});

Deno.test("TopMedians keeps the greatest, the first of equal ones before the others, NaN at the end", () => {
  const vector = { xSlope: 0, xIntercept: 0, ySlope: 0, yIntercept: 0 };
  const top = (limit: number, ...medians: number[]) => {
    const top = new TopMedians(limit);
    medians.forEach((median, count) => top.add({ vector, median, count }));
    return top.best.map(({ median, count }) => [median, count]);
  };
  assert.deepEqual(top(3, 1, 5, NaN, 5, 2, 7), [[7, 5], [5, 1], [5, 3]]);
  assert.deepEqual(top(3, NaN, NaN, 1, -Infinity), [[1, 2], [NaN, 0], [NaN, 1]]);
  assert.deepEqual(top(0, 1, 2), []);
  for (let round = 0; round < 50; round++) {
    const values = Array.from({ length: 200 }, (_, index) => hash(round, index) % 50);
    const wanted = values.map((median, count) => [median, count]).sort((a, b) => b[0] - a[0] || a[1] - b[1]).slice(0, 10);
    assert.deepEqual(top(10, ...values), wanted);
  }
});
