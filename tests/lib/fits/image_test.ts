import assert from "node:assert/strict";
import { FitsError } from "../../../lib/fits/errors.ts";
import { readHdus } from "../../../lib/fits/hdu.ts";
import { chooseImage, decodeValues } from "../../../lib/fits/image.ts";
import { type Bitpix, bitpixes } from "../../../lib/fits/tile.ts";
import { concat, imageCards, rawCard, rawData, rawHeader, sourceOf } from "./raw_file.ts";

const refusal = (message: RegExp, remedy?: string) => (error: unknown) =>
  error instanceof FitsError && message.test(error.message) && (remedy === undefined || error.remedy === remedy);
const extension = (name: string, bitpix: number, axes: readonly number[], ...more: string[]) =>
  rawHeader(
    "XTENSION= 'IMAGE   '",
    ...imageCards(bitpix, ...axes).slice(1),
    rawCard("PCOUNT", 0),
    rawCard("GCOUNT", 1),
    `EXTNAME = '${name}'`,
    ...more,
  );

function decode(bitpix: Bitpix, stored: (number | bigint)[], cards: string[] = []): Float32Array {
  const source = sourceOf(concat(rawHeader(...imageCards(bitpix, stored.length, 1), ...cards), rawData(bitpix, stored)));
  const image = chooseImage(readHdus(source), source.name);
  const into = new Float32Array(stored.length);
  decodeValues(image, source.read(image.hdu.dataOffsetBytes, stored.length * 8), into);
  return into;
}

const stored: Readonly<Record<Bitpix, (number | bigint)[]>> = {
  8: [0, 1, 127, 128, 255],
  16: [0, 1, -1, 32767, -32768],
  32: [0, 1, -1, 2 ** 31 - 1, -(2 ** 31)],
  64: [0n, 1n, -1n, 2n ** 63n - 1n, -(2n ** 63n)],
  [-32]: [0, -0, 1.5, -3.4e38, 1e-45],
  [-64]: [0, -0, 0.1, 1e300, -1e-300],
};
for (const bitpix of bitpixes) {
  Deno.test(`decodeValues() reads BITPIX ${bitpix}, scaled or not`, () => {
    const values = stored[bitpix];
    // Only floats of 32 bits keep their bits: adding BZERO 0 takes the sign of a zero.
    assert.deepEqual(decode(bitpix, values), Float32Array.from(values, (value) => bitpix === -32 ? Number(value) : 0 + Number(value)));
    const scaled = Float32Array.from(values, (value) => 32768 + 0.1 * Number(value));
    assert.deepEqual(decode(bitpix, values, [rawCard("BSCALE", "0.1"), rawCard("BZERO", "32768.0")]), scaled);
  });
}

for (const bitpix of [8, 16, 32, 64] as const) {
  Deno.test(`decodeValues() makes NaN of BLANK in BITPIX ${bitpix}, before scaling`, () => {
    const values = decode(bitpix, [1, 7, 2], [rawCard("BLANK", 7), rawCard("BZERO", 6)]);
    assert.deepEqual([...values], [7, NaN, 8]);
    assert.deepEqual([...decode(bitpix, [1, 7, 2], [rawCard("BLANK", 99999)])], [1, 7, 2]);
  });
}

Deno.test("decodeValues() takes BLANK of 64 bits exactly", () => {
  const values = decode(64, [2n ** 62n, 2n ** 62n + 1n], [rawCard("BLANK", 2n ** 62n + 1n)]);
  assert.deepEqual([...values], [2 ** 62, NaN]);
});

Deno.test("decodeValues() reads unsigned integers by their BZERO", () => {
  assert.deepEqual([...decode(16, [-32768, 0, 32767], [rawCard("BZERO", 32768)])], [0, 32768, 65535]);
  assert.deepEqual([...decode(8, [0, 255], [rawCard("BZERO", -128)])], [-128, 127]);
});

Deno.test("decodeValues() keeps the bits of floats that are not scaled, those of NaN too, and has no BLANK for them", () => {
  const bits = [0x7fc00001, 0xffffffff, 0x7f800001, 0x80000000, 0x7f800000];
  const bytes = new Uint8Array(20);
  bits.forEach((one, index) => new DataView(bytes.buffer).setUint32(index * 4, one));
  const into = new Float32Array(5);
  decodeValues({ bitpix: -32, scale: 1, zero: 0, blank: null }, bytes, into);
  assert.deepEqual([...new Uint32Array(into.buffer)], bits);
  assert.deepEqual([...decode(-32, [3, 4], [rawCard("BLANK", 3)])], [3, 4]);
});

Deno.test("decodeValues() reads from anywhere in memory, and makes infinite what is beyond 32 bits", () => {
  const into = new Float32Array(2);
  decodeValues({ bitpix: 16, scale: 1, zero: 0, blank: null }, Uint8Array.of(9, 9, 9, 1, 2, 3, 4).subarray(3), into);
  assert.deepEqual([...into], [0x0102, 0x0304]);
  assert.deepEqual([...decode(-64, [1e39, -1e39])], [Infinity, -Infinity]);
});

Deno.test("chooseImage() takes the first image, or the one that is named", () => {
  const source = sourceOf(concat(
    rawHeader(...imageCards(8)),
    extension("SCI", 16, [4, 3]),
    rawData(16, Array(12).fill(1)),
    extension("Err", -32, [2, 2, 2], rawCard("EXTVER", 1)),
    rawData(-32, Array(8).fill(1)),
    extension("ERR", -32, [7, 2], rawCard("EXTVER", 2)),
    rawData(-32, Array(14).fill(1)),
  ));
  const hdus = readHdus(source);
  const shape = (which?: string) => {
    const { width, height, planes, hdu } = chooseImage(hdus, "t.fits", which);
    return [hdu.number, width, height, planes];
  };
  assert.deepEqual(shape(), [1, 4, 3, 1]);
  assert.deepEqual(shape("2"), [2, 2, 2, 2]);
  assert.deepEqual(shape("err"), [2, 2, 2, 2]);
  assert.deepEqual(shape("ERR,2"), [3, 7, 2, 1]);
  assert.throws(() => shape("0"), refusal(/^Cannot read t\.fits: it has no axes; images have two, cubes three$/));
  assert.throws(() => shape("9"), refusal(/^Cannot read extension "9" of t\.fits: the file has 0, 1 \("SCI"\), 2 \("Err"\), 3 \("ERR"\)$/));
  assert.throws(() => shape("sci,2"), refusal(/extension "sci,2"/));
});

Deno.test("chooseImage() takes further axes of length 1 for what they are", () => {
  const read = (...axes: number[]) => {
    const source = sourceOf(concat(rawHeader(...imageCards(8, ...axes)), new Uint8Array(2880)));
    return chooseImage(readHdus(source), "t.fits");
  };
  assert.equal(read(5, 4, 3, 1, 1).planes, 3);
  assert.equal(read(5, 4, 1, 1).planes, 1);
  assert.throws(() => read(5, 4, 3, 2), refusal(/it has 4 axes \(5 x 4 x 3 x 2\); images have two/));
  assert.throws(() => read(5), refusal(/it has one axis; images have two/));
  assert.throws(() => read(5, 0), refusal(/it has no pixels \(5 x 0\)$/));
});

Deno.test("chooseImage() says what to do with compressed images, and what a file without images holds", () => {
  const table = ["XTENSION= 'BINTABLE'", rawCard("BITPIX", 8), rawCard("NAXIS", 2), rawCard("NAXIS1", 8), rawCard("NAXIS2", 3)];
  const choose = (...pieces: Uint8Array[]) => chooseImage(readHdus(sourceOf(concat(...pieces))), "t.fits");
  const primary = rawHeader(...imageCards(8));
  assert.throws(
    () => choose(primary, rawHeader(...table, rawCard("ZIMAGE", "T"), "ZCMPTYPE= 'RICE_1'"), new Uint8Array(2880)),
    refusal(/^Cannot read extension 1 of t\.fits: its image is compressed \(RICE_1\)$/, "Uncompress it: funpack t.fits"),
  );
  assert.throws(
    () => choose(primary, rawHeader(...table), new Uint8Array(2880)),
    refusal(/holds no image, but an empty primary part, a table$/),
  );
  assert.throws(
    () => choose(rawHeader(...imageCards(-32, 0, 2), rawCard("GROUPS", "T"), rawCard("GCOUNT", 2)), new Uint8Array(2880)),
    refusal(/holds no image, but random groups$/),
  );
});

Deno.test("chooseImage() refuses scales that are none", () => {
  const source = (card: string) => sourceOf(concat(rawHeader(...imageCards(8, 2, 2), card), new Uint8Array(2880)));
  assert.throws(() => chooseImage(readHdus(source("BSCALE  = 'a'")), "t.fits"), refusal(/card 6 \(BSCALE\) says "a", which is no number$/));
  assert.throws(
    () => chooseImage(readHdus(source("BLANK   = 1.5")), "t.fits"),
    refusal(/card 6 \(BLANK\) says 1.5, which is no whole number$/),
  );
});
