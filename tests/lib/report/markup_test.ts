import assert from "node:assert/strict";
import fc from "fast-check";
import { escapeMarkup } from "../../../lib/report/markup.ts";

Deno.test("escapeMarkup() escapes what has a meaning in markup", () => {
  assert.equal(escapeMarkup(`<a href="x" b='y'>&amp;`), "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;amp;");
});

Deno.test("escapeMarkup() replaces what XML forbids, and keeps lines and other letters", () => {
  assert.equal(escapeMarkup("a\0b\x1bc\n\td µ 😀 \ud800"), "a\ufffdb\ufffdc\n\td µ 😀 \ufffd");
});

Deno.test("escapeMarkup() leaves nothing that could begin a tag or end an attribute", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    assert.doesNotMatch(escapeMarkup(text), /[<>"']|&(?!(?:amp|lt|gt|quot|#39);)/);
  }));
});
