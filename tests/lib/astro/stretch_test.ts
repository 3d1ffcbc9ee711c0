import assert from "node:assert/strict";
import { brightness, chooseStretch } from "../../../lib/astro/stretch.ts";

Deno.test("chooseStretch() takes percentiles of what is finite", () => {
  const values = Float32Array.from({ length: 1001 }, (_, index) => (index * 8) % 1001);
  assert.deepEqual(chooseStretch(values, "linear", [10, 90]), { low: 100, high: 900, curve: "linear" });
  const mixed = Float32Array.of(NaN, ...values, Infinity, -Infinity, NaN);
  assert.deepEqual(chooseStretch(mixed, "linear", [10, 90]), { low: 100, high: 900, curve: "linear" });
  assert.deepEqual([values[0], values[1]], [0, 8]);
});

Deno.test("chooseStretch() of one value, or of none, is a range all the same", () => {
  for (const values of [Float32Array.of(5, 5, 5), Float32Array.of(), Float32Array.of(NaN, Infinity)]) {
    const { low, high } = chooseStretch(values, "asinh");
    assert.ok(high > low);
  }
});

for (const curve of ["linear", "asinh"] as const) {
  Deno.test(`brightness() with ${curve} goes up from 0 to 1, and is NaN for NaN`, () => {
    const stretch = { low: -10, high: 30, curve };
    assert.equal(brightness(stretch, -10), 0);
    assert.equal(brightness(stretch, 30), 1);
    assert.deepEqual([-Infinity, -99, 99, Infinity].map((value) => brightness(stretch, value)), [0, 0, 1, 1]);
    assert.ok(Number.isNaN(brightness(stretch, NaN)));
    let last = -1;
    for (let value = -10; value <= 30; value++) {
      assert.ok(brightness(stretch, value) > last);
      last = brightness(stretch, value);
    }
  });
}

Deno.test("brightness() with asinh lifts what is faint", () => {
  assert.equal(brightness({ low: 0, high: 1, curve: "linear" }, 0.1), 0.1);
  assert.ok(brightness({ low: 0, high: 1, curve: "asinh" }, 0.1) > 0.2);
});
