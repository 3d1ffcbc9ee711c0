import assert from "node:assert/strict";
import fc from "fast-check";
import { continuation, parseCard } from "../../../lib/fits/card.ts";

const value = (text: string) => parseCard(`KEY     = ${text}`.padEnd(80), 1).value;

for (
  const [text, expected] of [
    ["                   T / yes", true],
    ["F", false],
    ["                  42", 42],
    ["-0", 0],
    ["+17", 17],
    ["  9007199254740993", 9007199254740993n],
    ["-9223372036854775808", -9223372036854775808n],
    ["1.5", 1.5],
    [".5", 0.5],
    ["5.", 5],
    ["1.25D-3", 1.25e-3],
    ["1e4", 1e4],
    ["-3.E+02/c", -300],
    ["'it''s'    / quote", "it's"],
    ["'a / b   '", "a / b"],
    ["''", ""],
    ["'  lead'", "  lead"],
    ["(1.0, -2.5)", [1, -2.5]],
    ["", null],
    ["      / no value", null],
  ] as const
) {
  Deno.test(`parseCard() reads ${JSON.stringify(text)}`, () => assert.deepEqual(value(text), expected));
}

for (const text of ["'open", "abc", "1.2.3", "0x10", "TRUE", "--1", "(1,2,3)", "(a, b)", "1 2", "NaN", "Infinity"]) {
  Deno.test(`parseCard() calls ${JSON.stringify(text)} malformed`, () => {
    const card = parseCard(`KEY     = ${text}`.padEnd(80), 7);
    assert.equal(card.value, undefined);
    assert.equal(card.malformed, text);
    assert.equal(card.number, 7);
  });
}

Deno.test("parseCard() keeps comments, and the words of cards without a value", () => {
  assert.equal(parseCard("BITPIX  =                   16 / bits / stored".padEnd(80), 1).comment, "bits / stored");
  assert.deepEqual(parseCard("HISTORY   = not a value / at all".padEnd(80), 2), {
    number: 2,
    keyword: "HISTORY",
    comment: "= not a value / at all",
  });
  assert.equal(parseCard("".padEnd(80), 3).keyword, "");
  assert.equal(parseCard("NOVALUE words".padEnd(80), 3).value, undefined);
});

Deno.test("parseCard() reads the long keywords of ESO", () => {
  const card = parseCard("HIERARCH ESO DET  CHIP1 NX = 2048 / pixels".padEnd(80), 1);
  assert.deepEqual([card.keyword, card.value, card.comment], ["HIERARCH ESO DET CHIP1 NX", 2048, "pixels"]);
});

Deno.test("continuation() reads the string of a CONTINUE card, and nothing else", () => {
  assert.deepEqual(continuation("'more&' / words"), { value: "more&", comment: "words" });
  assert.equal(continuation("no string"), null);
});

Deno.test("parseCard() never throws, whatever the 80 characters are", () => {
  const character = fc.integer({ min: 32, max: 126 }).map((code) => String.fromCharCode(code));
  const text = fc.array(character, { minLength: 80, maxLength: 80 }).map((all) => all.join(""));
  fc.assert(fc.property(text, (text) => void parseCard(text, 1)));
  fc.assert(fc.property(text, (text) => void parseCard(`KEY     = ${text}`.slice(0, 80), 1)));
});
