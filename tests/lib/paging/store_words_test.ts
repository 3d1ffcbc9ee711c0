import assert from "node:assert/strict";
import { StoreWords } from "../../../lib/paging/store_words.ts";

Deno.test("StoreWords.at() gives the last words about a byte, in every thread that has the memory", () => {
  const words = new StoreWords();
  const other = new StoreWords(words.memory);
  assert.equal(other.at(0), null);
  words.put(4096, 8192, "first");
  words.put(8192, 4096, "second");
  assert.deepEqual([0, 4095, 4096, 8191, 8192, 12_287, 12_288].map((offset) => other.at(offset)), [
    null,
    null,
    "first",
    "first",
    "second",
    "second",
    null,
  ]);
});

Deno.test("StoreWords keeps the last 32 errors, cut to what there is room for", () => {
  const words = new StoreWords();
  for (let index = 0; index < 40; index++) words.put(index * 10, 10, `error ${index} ${"é".repeat(500)}`);
  assert.equal(words.at(75), null);
  assert.match(words.at(85)!, /^error 8 é{200,}/);
  assert.match(words.at(399)!, /^error 39 /);
  words.put(0, Infinity, "the medium is gone");
  assert.equal(words.at(2 ** 40), "the medium is gone");
});
