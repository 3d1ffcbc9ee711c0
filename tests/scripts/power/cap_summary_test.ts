import assert from "node:assert/strict";
import type { GovernorRecord } from "../../../lib/power/governor/governor.ts";
import { CapTally } from "../../../scripts/power/cap_summary.ts";

const record: GovernorRecord = {
  package: 1,
  seconds: 0,
  powerWatts: null,
  capWatts: 100,
  by: "hardware",
  limitWatts: 100,
  frequencyHz: 3e9,
  dutySixteenths: 16,
  hottestCelsius: null,
  wantedCores: 16,
  activeCores: 16,
  thermal: null,
};

/** Steps of a tenth of a second: the power of each. */
function tally(watts: readonly (number | null)[], change: (step: number) => Partial<GovernorRecord> = () => ({})) {
  const tally = new CapTally(1);
  [null, ...watts].forEach((powerWatts, step) => tally.add({ ...record, seconds: step / 10, powerWatts, ...change(step) }));
  return tally.summary(null)!;
}

const times = (count: number, watts: number | null) => Array<number | null>(count).fill(watts);

Deno.test("CapTally has the mean of all, and of the worst window after three windows to settle", () => {
  const { meanWatts, worstWindowWatts, aboveSeconds, isOutOfReach, package: id } = tally([
    ...times(20, 200),
    ...times(20, 100),
    ...times(10, 101),
  ]);
  assert.equal(id, 1);
  assert.ok(Math.abs(meanWatts! - (200 * 20 + 100 * 20 + 101 * 10) / 50) < 1e-9);
  assert.ok(Math.abs(worstWindowWatts! - 101) < 1e-9);
  assert.deepEqual([aboveSeconds, isOutOfReach], [0, false]);
});

Deno.test("CapTally counts how long windows are above the cap, and tells a spike from a cap out of reach", () => {
  const spike = tally([...times(50, 99), ...times(2, 140), ...times(50, 99)]);
  assert.ok(spike.aboveSeconds > 0.8 && spike.aboveSeconds < 1.2, `${spike.aboveSeconds}`);
  assert.ok(Math.abs(spike.worstWindowWatts! - 107.2) < 0.01);
  assert.equal(spike.isOutOfReach, false);
  const unreachable = tally(times(60, 130));
  assert.deepEqual([unreachable.isOutOfReach, Math.round(unreachable.lastWindowWatts)], [true, 130]);
});

Deno.test("CapTally goes on with the power that was, when one could not be read, and knows none when none was", () => {
  const { meanWatts } = tally([...times(20, 80), ...times(5, null), ...times(20, 80)]);
  assert.ok(Math.abs(meanWatts! - 80) < 1e-9, `${meanWatts}`);
  const none = tally(times(40, null));
  assert.deepEqual([none.meanWatts, none.worstWindowWatts], [null, null]);
  assert.equal(new CapTally(1).summary(null), null);
});

Deno.test("CapTally keeps extremes of what was set, and who capped", () => {
  const summary = tally(
    times(40, 100),
    (step) =>
      step < 20 ? { hottestCelsius: 60 } : {
        by: "software",
        frequencyHz: 1e9,
        dutySixteenths: 8,
        activeCores: step === 30 ? 4 : 12,
        hottestCelsius: step === 25 ? 71 : null,
      },
  );
  const { hardwareShare, frequencyMinHz, dutyMinShare, activeCoresMin, activeCoresMax, hottestCelsius } = summary;
  assert.deepEqual([frequencyMinHz, dutyMinShare, activeCoresMin, activeCoresMax, hottestCelsius], [1e9, 0.5, 4, 16, 71]);
  assert.ok(Math.abs(hardwareShare - 0.475) < 0.01, `${hardwareShare}`);
});

Deno.test("CapTally takes the mean of a counter when there is one, and has no worst window before three have passed", () => {
  const tally = new CapTally(1);
  for (let step = 0; step <= 20; step++) tally.add({ ...record, seconds: step / 10, powerWatts: 120 });
  const summary = tally.summary(99)!;
  assert.deepEqual([summary.meanWatts, summary.worstWindowWatts, summary.isOutOfReach], [99, null, false]);
});
