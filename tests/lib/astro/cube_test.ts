import assert from "node:assert/strict";
import { cubeBytes, readCube, tilesOf } from "../../../lib/astro/cube.ts";
import { FitsError } from "../../../lib/fits/errors.ts";
import { inDirectory, type MadeFile, writeCube } from "./plain.ts";

const float: MadeFile = { bitpix: -32 };
const refusal = (message: RegExp) => (error: unknown) => error instanceof FitsError && message.test(error.message);

Deno.test("readCube() makes a layer of every plane, and of every missing epoch", () =>
  inDirectory((directory) => {
    const files = [float, null, { ...float, planes: 3 }, { bitpix: 16, scale: 0.5, zero: 2, blank: -1, fillerCards: 40 } as const];
    const { paths } = writeCube(directory, { width: 4, height: 3, files });
    const cube = readCube(paths);
    assert.deepEqual([cube.width, cube.height, cube.layers.length, cubeBytes(cube)], [4, 3, 6, 4 * 3 * 4 * 6]);
    assert.deepEqual(cube.layers.map(({ path, plane }) => [path, plane]), [
      [paths[0], 0],
      [null, 0],
      [paths[2], 0],
      [paths[2], 1],
      [paths[2], 2],
      [paths[3], 0],
    ]);
    const tiles = tilesOf(cube);
    assert.deepEqual(tiles.map(({ fileOffsetBytes, count }) => [fileOffsetBytes, count]), [
      [2880, 12],
      [0, 12],
      [2880, 12],
      [2880 + 48, 12],
      [2880 + 96, 12],
      [5760, 12],
    ]);
    assert.deepEqual(tiles[5], { path: paths[3], fileOffsetBytes: 5760, count: 12, bitpix: 16, scale: 0.5, zero: 2, blank: -1n });
  }));

Deno.test("readCube() names both files when sizes differ", () =>
  inDirectory((directory) => {
    Deno.mkdirSync(`${directory}/a`);
    Deno.mkdirSync(`${directory}/b`);
    const [a, b] = [["a", 4, 3], ["b", 3, 4]].map(([name, width, height]) =>
      writeCube(`${directory}/${name}`, { width: Number(width), height: Number(height), files: [float] }).paths[0]
    );
    assert.throws(() => readCube([null, a, b]), (error) => {
      assert.ok(error instanceof FitsError);
      assert.equal(error.message, `Cannot put ${b} behind ${a}: its image is 3 x 4, that of the first 4 x 3`);
      return true;
    });
  }));

Deno.test("readCube() orders by time, and leaves out epochs that are missing", () =>
  inDirectory((directory) => {
    const files = [{ ...float, mjd: 60002.5 }, null, { ...float, mjd: 60001 }, { ...float, mjd: 60003 }, { ...float, mjd: 60001 }];
    const { paths } = writeCube(directory, { width: 2, height: 2, files });
    const cube = readCube(paths, { order: "time" });
    assert.deepEqual(cube.layers.map(({ path }) => path), [paths[2], paths[4], paths[0], paths[3]]);
    assert.deepEqual(readCube(paths).layers.map(({ timeMjd }) => timeMjd), [60002.5, null, 60001, 60003, 60001]);
  }));

Deno.test("readCube() says which file has no time", () =>
  inDirectory((directory) => {
    const { paths } = writeCube(directory, { width: 2, height: 2, files: [{ ...float, mjd: 1 }, float] });
    assert.throws(
      () => readCube(paths, { order: "time" }),
      refusal(/^Cannot order by time: .*cube2\.fits has neither MJD-OBS nor DATE-OBS/),
    );
  }));

Deno.test("readCube() takes the extension that is named", () =>
  inDirectory((directory) => {
    const { paths } = writeCube(directory, { width: 2, height: 2, files: [{ ...float, extension: "SCI" }] });
    for (const extension of [undefined, "1", "sci"]) assert.equal(readCube(paths, { extension }).layers[0].tile.fileOffsetBytes, 2 * 2880);
    assert.throws(
      () => readCube(paths, { extension: "ERR" }),
      refusal(/^Cannot read extension "ERR" of .*cube1\.fits: the file has 0, 1 \("SCI"\)$/),
    );
  }));

Deno.test("readCube() refuses a cube of nothing", () => {
  for (const paths of [[], [null, null]]) assert.throws(() => readCube(paths), refusal(/^Cannot make a cube of no images$/));
});
