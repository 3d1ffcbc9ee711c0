import assert from "node:assert/strict";
import { compareNatural, findFitsFiles } from "../../../lib/astro/files.ts";
import { NoSuchObjectError } from "../../../lib/errors.ts";
import { inDirectory } from "./plain.ts";

const touch = (directory: string, ...names: string[]) => names.forEach((name) => Deno.writeTextFileSync(`${directory}/${name}`, ""));
const refusal = (message: RegExp) => (error: unknown) => error instanceof NoSuchObjectError && message.test(error.message);

Deno.test("findFitsFiles() takes the FITS files of a directory in natural order", () =>
  inDirectory((directory) => {
    touch(directory, "e10.fits", "e2.FIT", "e1.fts", "notes.txt", "b.fits", "e02b.fits");
    Deno.mkdirSync(`${directory}/folder.fits`);
    const names = ["b.fits", "e1.fts", "e2.FIT", "e02b.fits", "e10.fits"].map((name) => `${directory}/${name}`);
    assert.deepEqual(findFitsFiles([directory]).toSorted(), names.toSorted());
    assert.deepEqual(findFitsFiles([`${directory}/`]).map((path) => path!.match(/\d+/)), names.map((path) => path.match(/\d+/)));
    assert.deepEqual(findFitsFiles([`${directory}/e10.fits`, `${directory}/b.fits`]), [`${directory}/e10.fits`, `${directory}/b.fits`]);
    assert.throws(() => findFitsFiles([`${directory}/folder.fits`]), refusal(/it has no \.fits, \.fit or \.fts files$/));
  }));

Deno.test("findFitsFiles() says how compressed files of a directory become images", () =>
  inDirectory((directory) => {
    touch(directory, "a.fits.gz");
    const remedy = (text: string) => (error: unknown) => error instanceof NoSuchObjectError && error.remedy === text;
    assert.throws(() => findFitsFiles([directory]), remedy("Decompress those in it: gunzip *.gz"));
    touch(directory, "b.fits.fz");
    assert.throws(() => findFitsFiles([directory]), remedy("Decompress those in it: funpack *.fz"));
  }));

Deno.test("findFitsFiles() counts on from a prefix, up to the first number that is not there", () =>
  inDirectory((directory) => {
    touch(directory, "n1.fits", "n2.fits", "n4.fits", "n10.fits", "n01.fits", "nx.fits", "m3.fits", "m5.fits");
    const paths = (prefix: string, numbers: (number | null)[]) => numbers.map((number) => number && `${directory}/${prefix}${number}.fits`);
    assert.deepEqual(findFitsFiles([`${directory}/n`]), paths("n", [1, 2]));
    assert.deepEqual(findFitsFiles([`${directory}/n`], true), paths("n", [1, 2, null, 4, null, null, null, null, null, 10]));
    assert.deepEqual(findFitsFiles([`${directory}/m`], true), paths("m", [3, null, 5]));
    assert.throws(
      () => findFitsFiles([`${directory}/m`]),
      refusal(/^Cannot find images at .*\/m: there is no such directory or file, and no .*\/m1\.fits$/),
    );
    assert.throws(() => findFitsFiles([`${directory}/q`], true), refusal(/no such directory or file/));
    assert.throws(() => findFitsFiles(["/nonexistent/n"]), refusal(/no such directory or file/));
  }));

Deno.test("findFitsFiles() reads lists, with epochs that are missing", () =>
  inDirectory((directory) => {
    Deno.writeTextFileSync(`${directory}/list`, "# night 1\na.fits\n\n-\n/data/b.fits  # the best\nsub/c#1.fits\r\n");
    assert.deepEqual(findFitsFiles([`@${directory}/list`]), [`${directory}/a.fits`, null, "/data/b.fits", `${directory}/sub/c#1.fits`]);
    assert.throws(() => findFitsFiles([`@${directory}/none`]), refusal(/none: there is no such file$/));
  }));

Deno.test("compareNatural() is an order", () => {
  const names = [
    "a",
    "a1",
    "a01",
    "a1b",
    "a2",
    "a10",
    "a10b2",
    "a10b10",
    "b",
    "",
    "1",
    "01",
    "1a",
    "99999999999999999999",
    "100000000000000000000",
  ];
  for (const a of names) {
    assert.equal(compareNatural(a, a), 0);
    for (const b of names) {
      assert.equal(Math.sign(compareNatural(a, b)), -Math.sign(compareNatural(b, a)) + 0, `${a} ${b}`);
      for (const c of names) {
        if (compareNatural(a, b) < 0 && compareNatural(b, c) < 0) assert.ok(compareNatural(a, c) < 0, `${a} ${b} ${c}`);
      }
    }
  }
  assert.ok(compareNatural("99999999999999999999", "100000000000000000000") < 0);
});
