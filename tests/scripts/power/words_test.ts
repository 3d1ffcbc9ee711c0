import assert from "node:assert/strict";
import { show, showSeconds, showWhole } from "../../../scripts/power/words.ts";

Deno.test("show() has as many digits as mean something, and a prefix for frequencies", () => {
  assert.deepEqual(show(119.84, "W"), ["119.8", "W"]);
  assert.deepEqual(show(2.4e9, "Hz"), ["2.40", "GHz"]);
  assert.deepEqual(show(100, "Hz"), ["100", "Hz"]);
  assert.deepEqual(show(48, "degC"), ["48.0", "°C"]);
  assert.deepEqual(show(787200000, "count"), ["787200000", ""]);
  assert.deepEqual(show(0.00244140625, "s"), ["0.00244", "s"]);
  assert.deepEqual(show(0, "s"), ["0.000", "s"]);
});

Deno.test("showWhole() says that there is no value", () => {
  assert.equal(showWhole(null, "W"), "- W");
  assert.equal(showWhole(null, "count"), "-");
  assert.equal(showWhole(3, "count"), "3");
});

Deno.test("showSeconds() has about four digits", () => {
  assert.deepEqual([1.2345, 12.345, 123.45].map(showSeconds), ["1.234 s", "12.35 s", "123.5 s"]);
});
