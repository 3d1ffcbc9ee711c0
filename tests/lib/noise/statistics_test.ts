import assert from "node:assert/strict";
import fc from "fast-check";
import type { NoiseSamples } from "../../../lib/noise/sample.ts";
import { logHistogram, noiseStatistics, reduceTimeline } from "../../../lib/noise/statistics.ts";

function samplesOf(lengthsNs: readonly number[], more: Partial<NoiseSamples> = {}): NoiseSamples {
  return {
    mode: "detour",
    durationNs: 1e9,
    quantumNs: 1e5,
    thresholdNs: 1000,
    lostNs: lengthsNs.reduce((a, b) => a + b, 0),
    minimumNs: 10,
    truncatedCount: 0,
    startNs: 0,
    voluntarySwitches: 0,
    involuntarySwitches: 0,
    clock: "tsc",
    locked: true,
    offsetsNs: Float64Array.from(lengthsNs, (_, index) => index * 1e6),
    lengthsNs: Float64Array.from(lengthsNs),
    ...more,
  };
}

const lengths = fc.array(fc.integer({ min: 1, max: 1e9 }), { maxLength: 300 });

Deno.test("noiseStatistics() of 1 to 10,000 has the percentiles that one can count", () => {
  const shuffled = Array.from({ length: 10_000 }, (_, index) => (index * 7919) % 10_000 + 1);
  const { percentilesNs } = noiseStatistics(samplesOf(shuffled));
  assert.deepEqual(percentilesNs, { p50: 5000, p90: 9000, p99: 9900, p99_9: 9990, p99_99: 9999, max: 10_000 });
});

Deno.test("noiseStatistics() of few samples takes the nearest rank", () => {
  assert.deepEqual(noiseStatistics(samplesOf([3, 1, 2])).percentilesNs, { p50: 2, p90: 3, p99: 3, p99_9: 3, p99_99: 3, max: 3 });
  assert.deepEqual(noiseStatistics(samplesOf([4])).percentilesNs, { p50: 4, p90: 4, p99: 4, p99_9: 4, p99_99: 4, max: 4 });
});

Deno.test("noiseStatistics() of detours: share lost, rate, worst", () => {
  const statistics = noiseStatistics(samplesOf([1000, 3000, 6000], { durationNs: 2e6 }));
  assert.equal(statistics.lostNs, 10_000);
  assert.equal(statistics.lostPercent, 0.5);
  assert.equal(statistics.detoursPerSecond, 1500);
  assert.equal(statistics.worstNs, 6000);
});

Deno.test("noiseStatistics() of quanta measures from the shortest one, and leaves small differences out", () => {
  const statistics = noiseStatistics(samplesOf([100_000, 104_999, 105_000, 160_000], { mode: "fwq", minimumNs: 100_000, lostNs: 69_999 }));
  assert.equal(statistics.worstNs, 60_000);
  assert.equal(statistics.detoursPerSecond, 2, "those of 5 % and more");
  assert.equal(statistics.percentilesNs.max, 160_000);
});

Deno.test("noiseStatistics() of quanta heeds a threshold above a twentieth", () => {
  const statistics = noiseStatistics(samplesOf([100_000, 119_999, 120_000], { mode: "fwq", minimumNs: 100_000, thresholdNs: 20_000 }));
  assert.equal(statistics.detoursPerSecond, 1);
});

Deno.test("noiseStatistics() of nothing is all 0", () => {
  const statistics = noiseStatistics(samplesOf([]));
  assert.deepEqual(statistics.percentilesNs, { p50: 0, p90: 0, p99: 0, p99_9: 0, p99_99: 0, max: 0 });
  assert.deepEqual([statistics.count, statistics.worstNs, statistics.lostPercent, statistics.detoursPerSecond], [0, 0, 0, 0]);
});

Deno.test("noiseStatistics() counts samples that found no room", () => {
  const statistics = noiseStatistics(samplesOf([2000], { truncatedCount: 9 }));
  assert.equal(statistics.count, 10);
  assert.equal(statistics.detoursPerSecond, 10);
});

Deno.test("noiseStatistics() orders its percentiles, each of them a sample", () => {
  fc.assert(fc.property(lengths, (all) => {
    const { percentilesNs } = noiseStatistics(samplesOf(all));
    const values = Object.values(percentilesNs);
    assert.deepEqual(values, values.toSorted((a, b) => a - b));
    if (all.length === 0) return;
    for (const value of values) assert.ok(all.includes(value));
    assert.equal(percentilesNs.max, Math.max(...all));
    assert.ok(all.filter((length) => length <= percentilesNs.p90).length >= 0.9 * all.length);
  }));
});

Deno.test("logHistogram() cuts a decade into bins of equal ratio", () => {
  assert.deepEqual(logHistogram([1, 10, 10, 100, 999], 1), [
    { fromNs: 1, toNs: 10, count: 1 },
    { fromNs: 10, toNs: 100, count: 2 },
    { fromNs: 100, toNs: 1000, count: 2 },
  ]);
});

Deno.test("logHistogram() puts an edge into the bin that begins there", () => {
  for (let exponent = 0; exponent <= 9; exponent++) {
    const [bin] = logHistogram([10 ** exponent], 10);
    assert.ok(Math.abs(bin.fromNs / 10 ** exponent - 1) < 1e-9, `10^${exponent} is in the bin from ${bin.fromNs}`);
  }
});

Deno.test("logHistogram() takes what is below 1 ns as 1 ns", () => {
  assert.deepEqual(logHistogram([0], 1), [{ fromNs: 1, toNs: 10, count: 1 }]);
});

Deno.test("logHistogram() of nothing is empty", () => {
  assert.deepEqual(logHistogram([]), []);
});

Deno.test("logHistogram() loses none, and leaves no gap", () => {
  fc.assert(fc.property(lengths, fc.integer({ min: 1, max: 200 }), (all, binsPerDecade) => {
    const bins = logHistogram(all, binsPerDecade);
    assert.equal(bins.reduce((sum, { count }) => sum + count, 0), all.length);
    bins.forEach(({ fromNs, toNs, count }, index) => {
      assert.ok(fromNs < toNs);
      if (index > 0) assert.equal(fromNs, bins[index - 1].toNs);
      assert.equal(count, all.filter((length) => length >= fromNs && length < toNs).length);
    });
    if (bins.length > 0) assert.ok(bins[0].count > 0 && bins.at(-1)!.count > 0, "begins and ends with a sample");
  }));
});

Deno.test("reduceTimeline() leaves few samples as they are", () => {
  assert.deepEqual(reduceTimeline(samplesOf([5, 6]), 2), [{ timeNs: 0, lengthNs: 5 }, { timeNs: 1e6, lengthNs: 6 }]);
});

Deno.test("reduceTimeline() keeps the worst, the order and the limit", () => {
  const gaps = fc.array(fc.tuple(fc.nat(1e6), fc.integer({ min: 1, max: 1e9 })), { minLength: 1, maxLength: 400 });
  fc.assert(fc.property(gaps, fc.integer({ min: 1, max: 50 }), (pairs, pointsMax) => {
    let timeNs = 0;
    const all = pairs.map(([gapNs, lengthNs]) => ({ timeNs: timeNs += gapNs, lengthNs }));
    const samples = { offsetsNs: Float64Array.from(all, (one) => one.timeNs), lengthsNs: Float64Array.from(all, (one) => one.lengthNs) };
    const points = reduceTimeline(samples, pointsMax);
    assert.ok(points.length <= pointsMax && points.length >= 1);
    assert.equal(Math.max(...points.map(({ lengthNs }) => lengthNs)), Math.max(...all.map(({ lengthNs }) => lengthNs)));
    assert.deepEqual(points, points.toSorted((a, b) => a.timeNs - b.timeNs));
    for (const point of points) assert.ok(all.some((one) => one.timeNs === point.timeNs && one.lengthNs === point.lengthNs));
  }));
});

Deno.test("reduceTimeline() of nothing is empty", () => {
  assert.deepEqual(reduceTimeline(samplesOf([]), 10), []);
});
