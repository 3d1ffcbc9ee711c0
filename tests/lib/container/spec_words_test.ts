import assert from "node:assert/strict";
import { describe, expected, words, yamlRemedy } from "../../../lib/container/spec_words.ts";

Deno.test("describe() says what a value is, without what is in it", () => {
  const cases: [unknown, string][] = [
    [undefined, "missing"],
    [null, "empty"],
    ["", "empty"],
    [[1], "a list"],
    [{ a: 1 }, "a map"],
    ["text", '"text"'],
    [-1.5, "-1.5"],
    [NaN, "NaN"],
    [true, "true"],
  ];
  for (const [value, text] of cases) assert.equal(describe(value), text);
});

Deno.test("words() and expected() keep what is wrong and what would be right apart", () => {
  assert.equal(words("it is wrong", "do it right"), "it is wrong\ndo it right");
  assert.equal(expected("cpus", "Write numbers").error({ input: null }), "cpus is empty\nWrite numbers");
  assert.equal(expected("name", "Write a word").error({}), "name is missing\nWrite a word");
});

Deno.test("yamlRemedy() has an answer to every error", () => {
  assert.match(yamlRemedy("TAB_AS_INDENT"), /spaces/);
  assert.match(yamlRemedy("SOMETHING_NEW"), /YAML 1\.2/);
});
