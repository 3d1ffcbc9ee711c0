import assert from "node:assert/strict";
import { FitsError } from "../../../lib/fits/errors.ts";
import { readHeader } from "../../../lib/fits/header.ts";
import { concat, rawBlocks, rawCard, rawHeader, sourceOf } from "./raw_file.ts";

const header = (...cards: string[]) => readHeader(sourceOf(rawHeader(...cards)), 0, 0);
const range = { min: 0, max: 100 };
const refusal = (message: RegExp) => (error: unknown) => error instanceof FitsError && message.test(error.message);

Deno.test("readHeader() reads blocks up to END, wherever END is", () => {
  for (const count of [0, 1, 35, 36, 71, 72, 200]) {
    const cards = Array.from({ length: count }, (_, index) => rawCard(`K${index}`, index));
    const one = header(...cards);
    assert.equal(one.cards.length, count);
    assert.equal(one.bytes, Math.ceil((count + 1) / 36) * 2880);
    if (count > 0) assert.equal(one.integer(`K${count - 1}`, { min: 0, max: 1000 }), count - 1);
  }
});

Deno.test("readHeader() begins where it is told", () => {
  const source = sourceOf(concat(new Uint8Array(2880), rawHeader(rawCard("A", 7))));
  assert.equal(readHeader(source, 2880, 1).integer("A", range), 7);
});

Deno.test("readHeader() joins long strings over CONTINUE cards", () => {
  const one = header("LONG    = 'one &' / a", "CONTINUE  'two&'", "CONTINUE  '' / b", rawCard("NEXT", 3));
  assert.equal(one.text("LONG"), "one two");
  assert.equal(one.card("LONG")?.comment, "a b");
  assert.equal(one.card("NEXT")?.number, 4);
  // Without a card that goes on, the sign belongs to the string.
  assert.equal(header("AMP     = 'this &'", rawCard("B", 1)).text("AMP"), "this &");
});

Deno.test("readHeader() says where a header without END stops", () => {
  const bytes = rawBlocks([rawCard("SIMPLE", "T")]);
  assert.throws(
    () => readHeader(sourceOf(bytes), 0, 0),
    refusal(/^Cannot read t\.fits: the header has no END: the file ends after 36 cards$/),
  );
  assert.throws(
    () => readHeader(sourceOf(bytes.subarray(0, 100)), 0, 2),
    refusal(/the header of extension 2 has no END: .* after 1 cards$/),
  );
});

Deno.test("readHeader() gives a header up that has no END in a large file", () => {
  const block = rawBlocks([rawCard("A", 1)]);
  const endless = { name: "t.fits", bytes: 2 ** 40, read: () => block };
  assert.throws(() => readHeader(endless, 0, 0), refusal(/no END within 10000 blocks/));
});

for (
  const [card, message] of [
    ["N       = abc", /card 1 \(N\) says "abc", which is no whole number$/],
    ["N       = 'two'", /card 1 \(N\) says "two", which is no whole number$/],
    ["N       = 1.5", /card 1 \(N\) says 1.5, which is no whole number$/],
    ["N       = T", /says T, which is no whole number$/],
    ["N       = -1", /says -1, which is less than 0$/],
    ["N       = 101", /says 101, which is more than 100$/],
    ["N       = 99999999999999999999", /says 99999999999999999999, which is more than 100$/],
    ["N         5", /card 1 \(N\) has no value, which is no whole number$/],
    ["N       =", /keyword N is missing$/],
    ["M       = 1", /keyword N is missing$/],
  ] as const
) {
  Deno.test(`Header.integer() refuses ${JSON.stringify(card)}`, () => {
    assert.throws(() => header(card).integer("N", range), refusal(message));
  });
}

Deno.test("Header reads numbers, and what it says when there are none", () => {
  const one = header("A       = 2", "B       = 2.5D1", "C       = 'x'", "D       = 1E999", "E       = T", "F       = 3.0", "A       = 5");
  assert.equal(one.number("A", 0), 2);
  assert.equal(one.number("B", 0), 25);
  assert.equal(one.number("Z", 7), 7);
  assert.equal(one.integer("Z", range, 8), 8);
  assert.equal(one.integer("F", range), 3);
  assert.equal(one.bigInteger("A"), 2n);
  assert.equal(one.bigInteger("Z"), null);
  assert.equal(one.flag("E"), true);
  assert.equal(one.flag("A"), false);
  assert.equal(one.text("A"), null);
  assert.throws(() => one.number("C", 0), refusal(/card 3 \(C\) says "x", which is no number$/));
  assert.throws(() => one.number("D", 0), refusal(/more than a number can be$/));
  assert.throws(() => one.bigInteger("B") !== 25n || one.bigInteger("C"), refusal(/card 3/));
});

Deno.test("Header shows nothing that a terminal would obey", () => {
  const bytes = rawHeader("N       = abc");
  bytes.set([0x1b, 0x5b], 10);
  assert.throws(() => readHeader(sourceOf(bytes), 0, 0).integer("N", range), refusal(/says "\?\[c", which/));
});
