import assert from "node:assert/strict";
import fc from "fast-check";
import { FitsError } from "../../../lib/fits/errors.ts";
import { readHdus } from "../../../lib/fits/hdu.ts";
import { chooseImage, decodeValues } from "../../../lib/fits/image.ts";
import { concat, imageCards, rawBlocks, rawCard, rawData, rawHeader, sourceOf } from "./raw_file.ts";

const refusal = (message: RegExp) => (error: unknown) => error instanceof FitsError && message.test(error.message);
const read = (...pieces: Uint8Array[]) => readHdus(sourceOf(concat(...pieces)));
const table = ["XTENSION= 'BINTABLE'", rawCard("BITPIX", 8), rawCard("NAXIS", 2), rawCard("NAXIS1", 8), rawCard("NAXIS2", 3)];
const image = (...more: string[]) => [
  "XTENSION= 'IMAGE   '",
  rawCard("BITPIX", 16),
  rawCard("NAXIS", 2),
  rawCard("NAXIS1", 3),
  rawCard("NAXIS2", 2),
  rawCard("PCOUNT", 0),
  rawCard("GCOUNT", 1),
  ...more,
];

Deno.test("readHdus() walks over all parts", () => {
  const hdus = read(
    rawHeader(...imageCards(8)),
    rawHeader(...table, rawCard("PCOUNT", 2877), rawCard("GCOUNT", 1)),
    new Uint8Array(2 * 2880),
    rawHeader(...image("EXTNAME = 'SCI     '", rawCard("EXTVER", 2))),
    rawData(16, [1, 2, 3, 4, 5, 6]),
  );
  assert.deepEqual(hdus.map(({ kind, dataOffsetBytes, dataBytes }) => [kind, dataOffsetBytes, dataBytes]), [
    ["image", 2880, 0],
    ["table", 5760, 24 + 2877],
    ["image", 14400, 12],
  ]);
  assert.deepEqual([hdus[2].name, hdus[2].version, hdus[2].axes], ["SCI", 2, [3, 2]]);
});

Deno.test("readHdus() leaves out what follows the last part, and needs no filled-up last block", () => {
  const bytes = concat(rawHeader(...imageCards(8, 3, 2)), rawData(8, [1, 2, 3, 4, 5, 6]), new TextEncoder().encode("special records"));
  assert.equal(readHdus(sourceOf(bytes)).length, 1);
  assert.equal(readHdus(sourceOf(bytes.subarray(0, 2880 + 6))).length, 1);
});

Deno.test("readHdus() knows random groups and compressed images", () => {
  const groups = read(
    rawHeader(...imageCards(-32, 0, 2, 3), rawCard("GROUPS", "T"), rawCard("PCOUNT", 4), rawCard("GCOUNT", 5)),
    new Uint8Array(2880),
  );
  assert.deepEqual([groups[0].kind, groups[0].dataBytes], ["groups", 4 * 5 * (4 + 6)]);
  const compressed = read(
    rawHeader(...imageCards(8)),
    rawHeader(...table, rawCard("ZIMAGE", "T"), "ZCMPTYPE= 'RICE_1'"),
    new Uint8Array(2880),
  );
  assert.equal(compressed[1].kind, "compressed");
});

const block = new Uint8Array(2880);
const broken: readonly (readonly [what: string, bytes: Uint8Array, message: RegExp])[] = [
  ["an empty file", new Uint8Array(0), /^Cannot read t\.fits: the file is empty$/],
  ["another file", new TextEncoder().encode("#!/bin/sh\n"), /card 1 is not SIMPLE, with which FITS files begin, but "#!\/bin\/s"$/],
  ["one byte", new Uint8Array(1), /card 1 is not SIMPLE/],
  ["SIMPLE = F", rawHeader(rawCard("SIMPLE", "F")), /card 1 \(SIMPLE\) says F/],
  ["SIMPLE = 1", rawHeader(rawCard("SIMPLE", 1)), /card 1 \(SIMPLE\) says neither T nor F$/],
  ["a file that gzip made", Uint8Array.of(0x1f, 0x8b, 8, 0), /is compressed by gzip$/],
  ["no END", rawBlocks(imageCards(8, 2, 2)), /the header has no END/],
  ["a header that is cut off", rawHeader(...imageCards(8, 2, 2)).subarray(0, 300), /no END: the file ends after 3 cards$/],
  ["no BITPIX", rawHeader(rawCard("SIMPLE", "T"), rawCard("NAXIS", 0)), /keyword BITPIX is missing$/],
  ["BITPIX 12", rawHeader(...imageCards(12, 2, 2)), /card 2 \(BITPIX\) says 12; it may be 8, 16, 32, 64, -32, -64$/],
  ["BITPIX abc", rawHeader(rawCard("SIMPLE", "T"), "BITPIX  = abc"), /card 2 \(BITPIX\) says "abc", which is no whole number$/],
  ["no NAXIS", rawHeader(rawCard("SIMPLE", "T"), rawCard("BITPIX", 8)), /keyword NAXIS is missing$/],
  ["NAXIS 1000", rawHeader(rawCard("SIMPLE", "T"), rawCard("BITPIX", 8), rawCard("NAXIS", 1000)), /says 1000, which is more than 999$/],
  ["a missing axis", rawHeader(rawCard("SIMPLE", "T"), rawCard("BITPIX", 8), rawCard("NAXIS", 1)), /keyword NAXIS1 is missing$/],
  ["a negative axis", rawHeader(...imageCards(8, -2, 2)), /card 4 \(NAXIS1\) says -2, which is less than 0$/],
  [
    "axes larger than a file",
    rawHeader(...imageCards(64, 2 ** 40, 2 ** 40)),
    /1099511627776 x 1099511627776 make \d+ bytes, more than a file can have$/,
  ],
  [
    "data that are cut off",
    concat(rawHeader(...imageCards(16, 100, 100)), block),
    /the file is truncated: 17120 of 20000 bytes of data are missing$/,
  ],
  [
    "an extension that is cut off",
    concat(rawHeader(...imageCards(8)), rawHeader(...image())),
    /: extension 1, the file is truncated: 12 of 12 bytes/,
  ],
  ["an extension without END", concat(rawHeader(...imageCards(8)), rawBlocks(image())), /the header of extension 1 has no END/],
  [
    "PCOUNT -1",
    concat(rawHeader(...imageCards(8)), rawHeader(...table, rawCard("PCOUNT", -1))),
    /: extension 1, card 6 \(PCOUNT\) says -1/,
  ],
];
for (const [what, bytes, message] of broken) {
  Deno.test(`readHdus() refuses ${what}, and says why`, () => assert.throws(() => readHdus(sourceOf(bytes)), refusal(message)));
}

/** Reads everything that can be read of a file. */
function readAll(bytes: Uint8Array): void {
  const source = sourceOf(bytes);
  const hdus = readHdus(source);
  const image = chooseImage(hdus, source.name);
  const into = new Float32Array(Math.min(100, image.width * image.height));
  decodeValues(image, source.read(image.hdu.dataOffsetBytes, into.length * 8).slice(), into);
}

function onlyFitsErrors(bytes: Uint8Array): void {
  try {
    readAll(bytes);
  } catch (error) {
    if (!(error instanceof FitsError)) throw error;
    assert.match(error.message, /^Cannot read /);
  }
}

Deno.test("a file of any bytes gives a result or a FitsError", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 6000 }), onlyFitsErrors));
  const begun = rawHeader(...imageCards(16, 3, 2));
  fc.assert(fc.property(fc.uint8Array({ maxLength: 6000 }), (rest) => onlyFitsErrors(concat(begun.subarray(0, 80), rest))));
});

Deno.test("a file of any cards gives a result or a FitsError", () => {
  const keyword = fc.constantFrom(
    "SIMPLE",
    "BITPIX",
    "NAXIS",
    "NAXIS1",
    "NAXIS2",
    "NAXIS3",
    "BSCALE",
    "BZERO",
    "BLANK",
    "PCOUNT",
    "GCOUNT",
    "GROUPS",
    "END",
  );
  const value = fc.oneof(
    fc.integer({ min: -70, max: 70 }).map(String),
    fc.constantFrom("T", "F", "'IMAGE'", "", "1E308", "1E-400", "99999999999999999999", "(1,2)", "abc", "'x", "-0", "8", "-32", "64"),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  );
  const card = fc.tuple(keyword, value).map(([keyword, value]) => keyword === "END" ? "END" : rawCard(keyword, value));
  const file = fc.array(card, { maxLength: 14 }).map((cards) =>
    concat(rawHeader(rawCard("SIMPLE", "T"), ...cards), new Uint8Array(20 * 2880))
  );
  fc.assert(fc.property(file, onlyFitsErrors), { numRuns: 2000 });
});

Deno.test("a good file with any byte changed or cut off anywhere gives a result or a FitsError", () => {
  const good = concat(
    rawHeader(...imageCards(-32, 5, 4), rawCard("EXTEND", "T"), rawCard("BSCALE", "2.0"), rawCard("BZERO", "1.0")),
    rawData(-32, Array.from({ length: 20 }, (_, index) => index)),
    rawHeader(...image(rawCard("BLANK", -1))),
    rawData(16, [1, 2, 3, 4, 5, 6]),
  );
  readAll(good);
  fc.assert(
    fc.property(fc.nat(800), fc.nat(255), (at, byte) => {
      const bytes = good.slice();
      bytes[at] = byte;
      onlyFitsErrors(bytes);
    }),
    { numRuns: 3000 },
  );
  for (let length = 0; length < good.length; length += 37) onlyFitsErrors(good.subarray(0, length));
});
