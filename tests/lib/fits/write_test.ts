import assert from "node:assert/strict";
import fc from "fast-check";
import { readHdus } from "../../../lib/fits/hdu.ts";
import { readHeader } from "../../../lib/fits/header.ts";
import { chooseImage, decodeValues } from "../../../lib/fits/image.ts";
import { bitpixes } from "../../../lib/fits/tile.ts";
import { fitsImage, fitsStored, formatCard, imageHeader, paddingBytes } from "../../../lib/fits/write.ts";
import { concat, sourceOf } from "./raw_file.ts";

function values(bytes: Uint8Array): number[] {
  const source = sourceOf(bytes);
  const image = chooseImage(readHdus(source), source.name);
  const into = new Float32Array(image.width * image.height * image.planes);
  decodeValues(image, source.read(image.hdu.dataOffsetBytes, image.hdu.dataBytes), into);
  return [...into];
}

for (const bitpix of bitpixes) {
  Deno.test(`fitsImage() writes BITPIX ${bitpix} as it is read`, () => {
    const some = [0, 1, 2, 100, 77, 3];
    assert.deepEqual(values(fitsImage({ bitpix, axes: [3, 2] }, some)), some);
    const scaled = [-2.5, -2, 0, 1.5, 10, 20];
    assert.deepEqual(values(fitsImage({ bitpix, axes: [3, 2], scale: 0.5, zero: -2.5 }, scaled)), scaled);
    assert.equal(fitsImage({ bitpix, axes: [3, 2] }, some).length, 2 * 2880);
  });
}

Deno.test("fitsImage() stores NaN as BLANK, and refuses it where there is none", () => {
  assert.deepEqual(values(fitsImage({ bitpix: 16, axes: [2, 2], blank: -32768n }, [1, NaN, 3, 4])), [1, NaN, 3, 4]);
  assert.deepEqual(values(fitsImage({ bitpix: -32, axes: [2, 1] }, [NaN, 1])), [NaN, 1]);
  assert.throws(() => fitsImage({ bitpix: 16, axes: [1, 1] }, [NaN]), /^RangeError: Cannot store NaN as an integer of 16 bits$/);
});

Deno.test("fitsImage() refuses what does not fit", () => {
  for (const [bitpix, value] of [[8, -1], [8, 256], [16, 32768], [32, 2 ** 31], [64, 2 ** 63]] as const) {
    assert.throws(() => fitsImage({ bitpix, axes: [1, 1] }, [value]), /Cannot store/);
  }
  assert.throws(() => fitsImage({ bitpix: 8, axes: [2, 2] }, [1, 2, 3]), /3 bytes are not 4/);
});

Deno.test("fitsStored() writes integers of 64 bits exactly, and extensions", () => {
  const bytes = concat(
    fitsImage({ bitpix: 8, axes: [] }, []),
    fitsStored({ bitpix: 64, axes: [2, 1], extension: "BIG" }, [2n ** 63n - 1n, -(2n ** 63n)]),
  );
  const [primary, big] = readHdus(sourceOf(bytes));
  assert.equal(primary.dataBytes, 0);
  assert.equal(big.name, "BIG");
  const view = new DataView(bytes.buffer, big.dataOffsetBytes);
  assert.deepEqual([view.getBigInt64(0), view.getBigInt64(8)], [2n ** 63n - 1n, -(2n ** 63n)]);
});

Deno.test("a header comes back as it was written", () => {
  const character = fc.integer({ min: 32, max: 126 }).map((code) => String.fromCharCode(code));
  const text = fc.array(character, { maxLength: 300 }).map((all) => all.join("").trimEnd()).filter((text) => !text.endsWith("&"));
  const value = fc.oneof(
    fc.boolean(),
    fc.integer(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n }),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
    text,
  );
  fc.assert(fc.property(fc.array(value, { maxLength: 50 }), (list) => {
    const cards = list.map((value, index) => ({ keyword: `KEY${index}`, value, comment: "why" }));
    const header = readHeader(sourceOf(imageHeader({ bitpix: 8, axes: [], cards })), 0, 0);
    list.forEach((value, index) => {
      const found = header.card(`KEY${index}`)!.value;
      assert.equal(String(found), String(value));
      assert.equal(typeof found === "string", typeof value === "string");
    });
  }));
});

Deno.test("formatCard() cuts comments into cards, shows no other characters than ASCII, and refuses keywords that are none", () => {
  const history = formatCard({ keyword: "HISTORY", comment: "x".repeat(100) });
  assert.equal(history.length, 160);
  assert.equal(history.slice(80, 120).trimEnd(), `HISTORY ${"x".repeat(28)}`);
  assert.match(formatCard({ keyword: "OBJECT", value: "M\u00fcller\n" }), /^OBJECT {2}= 'M\?ller\? ' +$/);
  assert.equal(formatCard({ keyword: "A", value: 1e-7 }).slice(10, 30).trim(), "1.0E-7");
  for (const keyword of ["lower", "TOOLONGKEY", "A B"]) assert.throws(() => formatCard({ keyword, value: 1 }), /Cannot write the keyword/);
  assert.throws(() => formatCard({ keyword: "A", value: NaN }), /Cannot write NaN/);
});

Deno.test("paddingBytes() fills the last block", () => {
  assert.deepEqual([0, 1, 2879, 2880, 2881].map(paddingBytes), [0, 2879, 1, 0, 2879]);
});
