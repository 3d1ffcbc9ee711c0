import assert from "node:assert/strict";
import fc from "fast-check";
import { escapeControls, quote } from "../../lib/quote.ts";

Deno.test("quote() puts a text in quotes, and cuts it after 60 characters", () => {
  assert.equal(quote("sim"), '"sim"');
  assert.equal(quote('a"b\n\0'), '"a\\"b\\n\\u0000"');
  assert.equal(quote("x".repeat(60)), `"${"x".repeat(60)}"`);
  assert.equal(quote("x".repeat(61)), `"${"x".repeat(57)}..."`);
});

Deno.test("escapeControls() shows what a terminal would obey or turn around", () => {
  assert.equal(escapeControls("a\x1b[2Jb"), "a\\u{1b}[2Jb");
  assert.equal(escapeControls("\x9b\u202e\u2028"), "\\u{9b}\\u{202e}\\u{2028}");
  assert.equal(escapeControls("größe 温度"), "größe 温度");
});

Deno.test("quote() of any text is one short line that prints", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
    const quoted = quote(text);
    assert.match(quoted, /^"[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]*"$/u);
    assert.ok(quoted.length <= 2 + 60 * 10);
  }));
});
