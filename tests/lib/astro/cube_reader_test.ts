import assert from "node:assert/strict";
import { readCube, tilesOf } from "../../../lib/astro/cube.ts";
import { FileCubeReader } from "../../../lib/astro/cube_reader.ts";
import { NoSuchObjectError } from "../../../lib/errors.ts";
import { FitsError } from "../../../lib/fits/errors.ts";
import { assertSameBits, hardCubes, hash, inDirectory, writeCube } from "./plain.ts";

for (const [name, made] of Object.entries(hardCubes)) {
  Deno.test(`FileCubeReader reads a cube of ${name}, bit for bit, from anywhere`, () =>
    inDirectory((directory) => {
      const { paths, layers } = writeCube(directory, made);
      using reader = new FileCubeReader(tilesOf(readCube(paths)));
      const wanted = layers.flat();
      const whole = new Float32Array(wanted.length);
      reader.read(0, whole);
      assertSameBits(whole, wanted, "the whole");
      for (let round = 0; round < 200; round++) {
        const first = hash(round) % wanted.length;
        const part = new Float32Array(hash(round, 1) % (wanted.length - first + 1));
        reader.read(first * 4, part);
        assertSameBits(part, wanted.slice(first, first + part.length), `from ${first} on`);
      }
    }));
}

Deno.test("FileCubeReader has more files than may be open at once", () =>
  inDirectory((directory) => {
    const files = Array.from({ length: 150 }, () => ({ bitpix: 16 as const }));
    const { paths, layers } = writeCube(directory, { width: 3, height: 2, files });
    using reader = new FileCubeReader(tilesOf(readCube(paths)));
    const one = new Float32Array(1);
    for (let round = 0; round < 1000; round++) {
      const at = hash(round) % (6 * 150);
      reader.read(at * 4, one);
      assert.equal(one[0], layers.flat()[at]);
    }
  }));

Deno.test("FileCubeReader refuses what is outside the cube, and says which file became shorter or is gone", () =>
  inDirectory((directory) => {
    const { paths } = writeCube(directory, { width: 100, height: 100, files: [{ bitpix: -32 }, { bitpix: -32 }] });
    using reader = new FileCubeReader(tilesOf(readCube(paths)));
    const one = new Float32Array(1);
    for (const offset of [-4, 2, 20_000 * 4]) assert.throws(() => reader.read(offset, one), RangeError);
    assert.throws(() => reader.read(0, new Float32Array(20_001)), RangeError);
    Deno.truncateSync(paths[0]!, 2880 + 1000);
    reader.read(996, one);
    assert.throws(
      () => reader.read(1000, one),
      (error) =>
        error instanceof FitsError && /cube1\.fits: the file became shorter, 4 bytes of its image are missing$/.test(error.message),
    );
    Deno.removeSync(paths[1]!);
    assert.throws(() => reader.read(10_000 * 4, one), NoSuchObjectError);
  }));
