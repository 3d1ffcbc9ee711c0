import assert from "node:assert/strict";
import { escapeControls, quote } from "../../../lib/syscall/quote.ts";

Deno.test("quote() keeps text on one line, short, and harmless", () => {
  assert.equal(quote("openat"), '"openat"');
  assert.equal(quote("a\nb\u001b[2J\u202ec"), '"a\\nb\\u001b[2J\\u{202e}c"');
  assert.equal(quote("x".repeat(1000)).length, 62);
});

Deno.test("escapeControls() leaves letters alone", () => {
  assert.equal(escapeControls("größe 漢 \u009b"), "größe 漢 \\u{9b}");
});
