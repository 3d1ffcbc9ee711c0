import assert from "node:assert/strict";
import { cubeBytes, readCube, tilesOf } from "../../../lib/astro/cube.ts";
import { FileCubeReader } from "../../../lib/astro/cube_reader.ts";
import { blockPixelsOf, medianBlocks } from "../../../lib/astro/stack.ts";
import { PageBuffer } from "../../../lib/paging/buffer.ts";
import { Region } from "../../../lib/paging/region.ts";
import { fitsStore } from "../../../lib/paging/stores.ts";
import { pagingNote } from "./paging_library.ts";
import { assertSameBits, hardCubes, inDirectory, plainMedian, writeCube } from "./plain.ts";

for (const [name, made] of Object.entries(hardCubes)) {
  Deno.test(`medianBlocks() of ${name} is what sorting each pixel says, bit for bit, with any buffer`, () =>
    inDirectory((directory) => {
      const { paths, layers } = writeCube(directory, made);
      const cube = readCube(paths);
      using reader = new FileCubeReader(tilesOf(cube));
      const shape = { width: cube.width, height: cube.height, layerCount: cube.layers.length };
      assert.equal(layers.length, shape.layerCount);
      const columns = layers[0].map((_, pixel) => layers.map((layer) => layer[pixel]));
      const wantedCounts = columns.map((column) => column.filter((value) => !Number.isNaN(value)).length);
      for (const blockBytes of [made.width * made.height < 500 ? 1 : 400, 4 * shape.layerCount * 7, 20_000, cubeBytes(cube)]) {
        for (const empty of [NaN, 0]) {
          const wanted = columns.map((column) => plainMedian(column, empty));
          let next = 0;
          for (const { firstPixel, medians, counts } of medianBlocks(reader, shape, { blockBytes, empty })) {
            assert.equal(firstPixel, next);
            next += medians.length;
            assert.ok(medians.length === 1 || medians.length * shape.layerCount * 4 <= blockBytes);
            assertSameBits(medians, wanted.slice(firstPixel, next), `medians from ${firstPixel} on`);
            assertSameBits(counts, wantedCounts.slice(firstPixel, next), `counts from ${firstPixel} on`);
          }
          assert.equal(next, cube.width * cube.height);
        }
      }
    }));
}

for (const [name, made] of Object.entries(hardCubes)) {
  for (const mode of ["signal", "thread"] as const) {
    const note = pagingNote || (mode === "thread" && Deno.uid() !== 0 ? " [needs root]" : "");
    Deno.test({
      name: `medianBlocks() of ${name} through a region of mode ${mode} with 64 KiB is the same${note}`,
      ignore: note !== "",
      fn: () =>
        inDirectory((directory) => {
          const { paths, layers } = writeCube(directory, made);
          const cube = readCube(paths);
          const shape = { width: cube.width, height: cube.height, layerCount: cube.layers.length };
          using buffer = new PageBuffer(65536);
          using region = Region.mapSync(fitsStore(tilesOf(cube)), { buffer, mode, readOnly: true });
          const values = new Float32Array(region.bytes / 4);
          region.read(0, values);
          assertSameBits(values, layers.flat(), "the cube");
          const wanted = layers[0].map((_, pixel) => plainMedian(layers.map((layer) => layer[pixel]), NaN));
          for (const blockBytes of [4 * shape.layerCount * 7, 20_000]) {
            for (const { firstPixel, medians } of medianBlocks(region, shape, { blockBytes, empty: NaN })) {
              assertSameBits(medians, wanted.slice(firstPixel, firstPixel + medians.length), `medians from ${firstPixel} on`);
            }
          }
        }),
    });
  }
}

Deno.test("medianBlocks() says what it is told of pixels without any value", () => {
  const reader = { read: (_: number, into: Float32Array) => void into.fill(NaN) };
  const shape = { width: 20, height: 2, layerCount: 3 };
  const [zero] = medianBlocks(reader, shape, { blockBytes: 1000, empty: 0 });
  const [nan] = medianBlocks(reader, shape, { blockBytes: 1000, empty: NaN });
  assert.deepEqual([...zero.medians, ...zero.counts], Array(80).fill(0));
  assert.ok(nan.medians.every(Number.isNaN));
});

Deno.test("medianBlocks() reads every value of the cube once", () => {
  const shape = { width: 100, height: 77, layerCount: 5 };
  const seen = new Uint8Array(100 * 77 * 5);
  const reader = {
    read(offsetBytes: number, into: Float32Array) {
      for (let i = 0; i < into.length; i++) seen[offsetBytes / 4 + i]++;
    },
  };
  for (const _ of medianBlocks(reader, shape, { blockBytes: 50_000, empty: 0 }));
  assert.ok(seen.every((count) => count === 1));
});

Deno.test("blockPixelsOf() keeps to the buffer, and to whole pages of a layer where it can", () => {
  const shape = { width: 4096, height: 4096, layerCount: 10 };
  assert.equal(blockPixelsOf(shape, 1), 1);
  assert.equal(blockPixelsOf(shape, 400), 10);
  assert.equal(blockPixelsOf(shape, 1_000_000), 24 * 1024);
  assert.equal(blockPixelsOf(shape, 2 ** 40), 4096 * 4096);
});
