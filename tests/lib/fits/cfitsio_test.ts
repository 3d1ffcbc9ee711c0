import assert from "node:assert/strict";
import { readCube, tilesOf } from "../../../lib/astro/cube.ts";
import { FileCubeReader } from "../../../lib/astro/cube_reader.ts";
import { FitsError } from "../../../lib/fits/errors.ts";
import { FitsFile } from "../../../lib/fits/file.ts";
import { readHdus } from "../../../lib/fits/hdu.ts";
import { bitpixes } from "../../../lib/fits/tile.ts";
import { fitsImage } from "../../../lib/fits/write.ts";
import { bitsOf, hardCubes, inDirectory, writeCube } from "../astro/plain.ts";

/** Programs of Debian's libcfitsio-bin that are not here. */
const missing = ["fitscopy", "fpack", "funpack"].filter((name) =>
  !(Deno.env.get("PATH") ?? "").split(":").some((folder) => {
    try {
      return Deno.statSync(`${folder}/${name}`).isFile;
    } catch {
      return false;
    }
  })
);
const note = missing.length === 0 ? "" : ` [needs ${missing[0]}]`;

function test(name: string, fn: (directory: string) => Promise<void>): void {
  Deno.test({ name: `${name}${note}`, ignore: missing.length > 0, fn: () => inDirectory(fn) });
}

async function run(program: string, ...args: string[]): Promise<void> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args }).output();
  assert.ok(success, `${program} ${args.join(" ")}: ${new TextDecoder().decode(stdout)}${new TextDecoder().decode(stderr)}`);
}

function valuesOf(path: string): Float32Array {
  const cube = readCube([path]);
  using reader = new FileCubeReader(tilesOf(cube));
  const values = new Float32Array(cube.width * cube.height * cube.layers.length);
  reader.read(0, values);
  return values;
}

for (const [name, made] of Object.entries(hardCubes)) {
  test(`values of ${name} are those that cfitsio makes of them`, async (directory) => {
    for (const path of writeCube(directory, made).paths) {
      if (path === null) continue;
      await run("fitscopy", `${path}[pixr X]`, `${directory}/copy.fits`);
      const [ours, theirs] = [valuesOf(path), valuesOf(`${directory}/copy.fits`)];
      assert.equal(ours.length, theirs.length);
      ours.forEach((value, index) => {
        // A zero has no sign there, and what a 32-bit float cannot be is the largest one or NaN.
        const isSame = value === theirs[index] || bitsOf(value) === bitsOf(theirs[index]) || !Number.isFinite(value);
        assert.ok(isSame, `${path} value ${index}: ${value}, cfitsio ${theirs[index]}`);
      });
      Deno.removeSync(`${directory}/copy.fits`);
    }
  });
}

test("cfitsio reads what we write, in every kind of values", async (directory) => {
  for (const bitpix of bitpixes) {
    const values = Array.from({ length: 35 }, (_, index) => index * 3);
    const cards = [{ keyword: "LONG", value: "it's ".repeat(40).trim() }, { keyword: "HISTORY", comment: "x".repeat(100) }];
    const path = `${directory}/ours${bitpix}.fits`;
    Deno.writeFileSync(
      path,
      fitsImage({ bitpix, axes: [7, 5], scale: 0.5, zero: bitpix > 0 ? 10 : 0, cards }, values.map((value) => value / 2 + 10)),
    );
    await run("fitscopy", path, `${directory}/theirs${bitpix}.fits`);
    assert.deepEqual([...valuesOf(`${directory}/theirs${bitpix}.fits`)], values.map((value) => value / 2 + 10));
    using file = new FitsFile(`${directory}/theirs${bitpix}.fits`);
    assert.equal(readHdus(file)[0].header.text("LONG"), "it's ".repeat(40).trim());
  }
});

test("an image that fpack compressed is refused, and read after what the refusal says", async (directory) => {
  const path = `${directory}/a.fits`;
  Deno.writeFileSync(path, fitsImage({ bitpix: 16, axes: [64, 64] }, Array.from({ length: 4096 }, (_, index) => index % 500)));
  const before = valuesOf(path);
  await run("fpack", path);
  let remedy = "";
  assert.throws(() => readCube([`${path}.fz`]), (error) => {
    assert.ok(error instanceof FitsError);
    assert.equal(error.message, `Cannot read extension 1 of ${path}.fz: its image is compressed (RICE_1)`);
    remedy = error.remedy!;
    return true;
  });
  Deno.removeSync(path);
  const [program, ...args] = remedy.replace("Uncompress it: ", "").split(" ");
  await run(program, ...args);
  assert.deepEqual(valuesOf(path), before);
});
