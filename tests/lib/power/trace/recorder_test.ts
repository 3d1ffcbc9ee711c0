import assert from "node:assert/strict";
import fc from "fast-check";
import { Recorder } from "../../../../lib/power/trace/recorder.ts";
import { cycles, energy, snapshot, temperature, throttledTime } from "./meters.ts";

const startedAt = new Date("2026-01-02T03:04:05.000Z");

Deno.test("Recorder makes power of energy, a share of time, a rate of counts, and leaves gauges as they are", () => {
  const recorder = new Recorder([energy, throttledTime, cycles, temperature], { periodSeconds: 0.5, startedAt });
  assert.deepEqual(recorder.columns.map(({ name, unit }) => [name, unit]), [
    ["package0/power", "W"],
    ["package0/throttled-share", "%"],
    ["cpu0/aperf-rate", "Hz"],
    ["package0/temperature", "degC"],
  ]);
  recorder.add(snapshot(0, 100, 0, 5, 40));
  recorder.add(snapshot(0.5, 160, 0.25, 1005, 41));
  assert.deepEqual(recorder.trace(), {
    startedAt: "2026-01-02T03:04:05.000Z",
    columns: recorder.columns,
    rows: [{ seconds: 0, values: [null, null, null, 40] }, { seconds: 0.5, values: [120, 50, 2000, 41] }],
    missed: 0,
  });
  assert.match(recorder.columns[0].doc, /^register 0x611 of CPU 0, per second/);
});

Deno.test("Recorder counts on when a counter begins again, and sums up", () => {
  const recorder = new Recorder([energy, temperature], { periodSeconds: 1 });
  for (const [second, joules, celsius] of [[0, 1000, 40], [1, 1020, 50], [2, 16, 60]]) recorder.add(snapshot(second, joules, celsius));
  const [power, heat] = recorder.summaries();
  assert.deepEqual([power.total, power.mean, power.low, power.high], [40, 20, 20, 20]);
  assert.equal(heat.total, null);
  assert.deepEqual([heat.low, heat.high, Math.round(heat.mean!)], [40, 60, 55]);
  assert.equal(recorder.seconds, 2);
});

Deno.test("Recorder keeps the sum of a counter when readings are missing or come too soon for a row", () => {
  const recorder = new Recorder([energy], { periodSeconds: 1 });
  assert.deepEqual(recorder.add(snapshot(0, 0)), { seconds: 0, values: [null] });
  assert.deepEqual(recorder.add(snapshot(1, null)), { seconds: 1, values: [null] });
  assert.deepEqual(recorder.add(snapshot(2, 200)), { seconds: 2, values: [100] });
  assert.equal(recorder.add(snapshot(2.1, 215)), null);
  assert.deepEqual([recorder.summaries()[0].total, recorder.trace().rows.length], [215, 3]);
});

Deno.test("Recorder says which counter came to an end, whose mean is that of the time before", () => {
  const recorder = new Recorder([energy, cycles], { periodSeconds: 1 });
  for (const [second, joules, counts] of [[0, 0, 0], [1, 100, 7], [2, 200, null], [3, 300, null]] as const) {
    recorder.add(snapshot(second, joules, counts));
  }
  assert.deepEqual(recorder.warnings, ["cpu0/aperf has no value any more since 1.0 s"]);
  assert.deepEqual(recorder.summaries().map(({ total, mean }) => [total, mean]), [[300, 100], [7, 7]]);
});

Deno.test("Recorder has no mean beside the least and the highest value", () => {
  const recorder = new Recorder([energy, temperature], { periodSeconds: 1 });
  // The last one comes too soon for a row.
  for (const [second, joules] of [[0, 0], [1, 100], [1.3, 190]]) recorder.add(snapshot(second, joules, 205.1));
  const [power, heat] = recorder.summaries();
  assert.deepEqual([power.low, power.mean, power.high], [100, 190 / 1.3, 190 / 1.3]);
  assert.deepEqual([heat.low, heat.mean, heat.high], [205.1, 205.1, 205.1]);
});

Deno.test("Recorder makes rates since the last value of each counter, which begins when its first one comes", () => {
  const recorder = new Recorder([energy, cycles], { periodSeconds: 1 });
  for (const [second, joules, counts] of [[0, 0, null], [1, 10, null], [2, 20, 500], [3, null, null], [4, 80, 900]] as const) {
    recorder.add(snapshot(second, joules, counts));
  }
  assert.deepEqual(recorder.trace().rows.map(({ values }) => values), [[null, null], [10, null], [10, null], [null, null], [30, 200]]);
  assert.deepEqual(recorder.summaries().map(({ total }) => total), [80, 400]);
});

Deno.test("Recorder takes what is counted before a row is due into the next row", () => {
  const recorder = new Recorder([cycles], { periodSeconds: 1 });
  recorder.add(snapshot(0, null));
  assert.equal(recorder.add(snapshot(0.1, 7)), null);
  assert.deepEqual(recorder.add(snapshot(1.1, 107))?.values, [100]);
  assert.equal(recorder.summaries()[0].total, 100);
});

Deno.test("Recorder counts periods without a row, and passes on the first that accumulators warn of", () => {
  const recorder = new Recorder([energy], { periodSeconds: 1 });
  for (const second of [0, 1, 4.9, 6, 10.5]) recorder.add(snapshot(second, second));
  assert.deepEqual([recorder.missed, recorder.trace().missed, [...recorder.warnings]], [7, 7, [
    "package0/energy was read after 3.9 s, and may wrap every 5.1 s",
  ]]);
});

Deno.test("Recorder says that a share is 100 % at most: two clocks do not tick together", () => {
  const recorder = new Recorder([throttledTime], { periodSeconds: 1 });
  recorder.add(snapshot(0, 0));
  assert.deepEqual(recorder.add(snapshot(1, 1.001))?.values, [100]);
  assert.equal(recorder.summaries()[0].mean, 100);
});

Deno.test("Recorder tells the power of a card from the mean of its energy", () => {
  const gauge = { ...temperature, name: "gpu0/power", unit: "W" } as const;
  const recorder = new Recorder([gauge, { ...energy, name: "gpu0/energy" }], { periodSeconds: 1 });
  assert.deepEqual(recorder.columns.map(({ name }) => name), ["gpu0/power", "gpu0/mean-power"]);
  const parts = new Recorder([{ ...energy, name: "package0/cores-energy" }], { periodSeconds: 1 });
  assert.equal(parts.columns[0].name, "package0/cores-power");
});

Deno.test("Recorder without rows has sums only, and nothing at all has none", () => {
  const recorder = new Recorder([energy, temperature], { periodSeconds: 1, keepsRows: false });
  assert.deepEqual(recorder.summaries().map(({ mean, low, high }) => [mean, low, high]), [[null, null, null], [null, null, null]]);
  recorder.add(snapshot(0, 1, 44));
  assert.deepEqual(recorder.summaries()[1].mean, 44);
  recorder.add(snapshot(1, 3, 44));
  assert.deepEqual([recorder.trace().rows, recorder.summaries()[0].total], [[], 2]);
});

Deno.test("rows of Recorder hold exactly the energy of its total, whenever they were read", () => {
  const steps = fc.array(fc.record({ seconds: fc.integer({ min: 1, max: 3000 }), counts: fc.nat(2 ** 20) }), {
    minLength: 1,
    maxLength: 30,
  });
  fc.assert(fc.property(steps, (steps) => {
    const recorder = new Recorder([energy], { periodSeconds: 0.001 });
    let [seconds, counts, rows, before] = [0, 0, 0, 0];
    recorder.add(snapshot(0, 0));
    for (const step of steps) {
      seconds += step.seconds / 1000;
      counts += step.counts;
      const row = recorder.add(snapshot(seconds, counts * energy.resolution % energy.wrap!))!;
      rows += row.values[0]! * (row.seconds - before);
      before = row.seconds;
    }
    assert.ok(Math.abs(rows - recorder.summaries()[0].total!) < 1e-6);
    assert.ok(Math.abs(counts * energy.resolution - rows) < 1e-6);
  }));
});
