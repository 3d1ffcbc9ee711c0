import assert from "node:assert/strict";
import fc from "fast-check";
import { countLabel, linearScale, linearTicks, logScale, logTicks, niceLogDomain, timeLabel } from "../../../lib/report/axis.ts";

const positive = fc.double({ min: 1, max: 1e12, noNaN: true });

Deno.test("linearScale() and logScale() put the ends at the ends, and the middle in the middle", () => {
  const linear = linearScale([0, 10], [100, 200]);
  assert.deepEqual([linear.at(0), linear.at(5), linear.at(10)], [100, 150, 200]);
  const logarithmic = logScale([1, 100], [300, 100]);
  assert.deepEqual([logarithmic.at(1), logarithmic.at(10), logarithmic.at(100)], [300, 200, 100]);
});

Deno.test("scales never leave the paper", () => {
  assert.equal(linearScale([0, 1], [0, 10]).at(7), 10);
  assert.equal(linearScale([0, 1], [0, 10]).at(-7), 0);
  assert.equal(logScale([1, 10], [0, 10]).at(0), 0);
  assert.equal(logScale([1, 10], [0, 10]).at(-5), 0);
});

Deno.test("a scale of one value puts it at its beginning", () => {
  assert.equal(linearScale([5, 5], [0, 10]).at(5), 0);
});

Deno.test("niceLogDomain() ends at 1, 2 or 5 of a decade, or at round values within one", () => {
  assert.deepEqual(niceLogDomain(1300, 12_000_000), [1000, 20_000_000]);
  assert.deepEqual(niceLogDomain(99_000, 297_000), [50_000, 300_000]);
  assert.deepEqual(niceLogDomain(1000, 1000), [1000, 1500]);
  assert.deepEqual(niceLogDomain(999_999_999_999.999, 999_999_999_999.9991), [5e11, 1.5e12]);
});

Deno.test("niceLogDomain() holds what it is made for, above 0", () => {
  fc.assert(fc.property(positive, positive, (a, b) => {
    const [low, high] = [Math.min(a, b), Math.max(a, b)];
    const [from, to] = niceLogDomain(low, high);
    assert.ok(from > 0 && from <= low * (1 + 1e-8) && to >= high * (1 - 1e-8) && to > from, `${low}..${high} in ${from}..${to}`);
  }));
});

Deno.test("linearTicks() are round", () => {
  assert.deepEqual(linearTicks([0, 2], 4, String).map(({ label }) => label), ["0", "0.5", "1", "1.5", "2"]);
  assert.deepEqual(linearTicks([0, 0.3], 3, String).map(({ label }) => label), ["0", "0.1", "0.2", "0.3"]);
});

Deno.test("logTicks() labels decades, and 2 and 5 where there are few", () => {
  const labels = (low: number, high: number) => logTicks([low, high], 2, String).map(({ label }) => label).filter(Boolean);
  assert.deepEqual(labels(1, 1e4), ["1", "10", "100", "1000", "10000"]);
  assert.deepEqual(labels(1, 100), ["1", "2", "5", "10", "20", "50", "100"]);
  assert.deepEqual(labels(50, 300), ["50", "100", "150", "200", "250", "300"]);
});

Deno.test("ticks lie on the axis, ascending, and two of them have words", () => {
  fc.assert(fc.property(positive, fc.double({ min: 1.01, max: 1e9, noNaN: true }), (low, ratio) => {
    const domain = niceLogDomain(low, low * ratio);
    const ticks = logTicks(domain, 2, timeLabel);
    assert.ok(ticks.filter(({ label }) => label !== "").length >= 2, `${domain}: ${JSON.stringify(ticks)}`);
    ticks.forEach(({ value }, index) => {
      assert.ok(value >= domain[0] * (1 - 1e-6) && value <= domain[1] * (1 + 1e-6));
      if (index > 0) assert.ok(value > ticks[index - 1].value);
    });
    assert.ok(ticks.length <= 120);
  }));
});

Deno.test("labels are for people", () => {
  assert.deepEqual([1e3, 5e5, 2e9, 100].map(timeLabel), ["1 µs", "500 µs", "2 s", "100 ns"]);
  assert.deepEqual([1, 5000, 2e6].map(countLabel), ["1", "5,000", "2M"]);
});
