import assert from "node:assert/strict";
import fc from "fast-check";
import { trimming } from "../../../../lib/power/control/trim.ts";

/** Hardware that draws `slope * limit + offset` at once. */
function run(slope: number, offset: number, targetWatts: number, options: { isLimiting?: boolean; most?: number; seconds?: number } = {}) {
  const { isLimiting = true, most = Infinity, seconds = 3 } = options;
  let state = trimming.start();
  let [limit, power] = [targetWatts, Math.min(most, slope * targetWatts + offset)];
  for (let step = 0; step < seconds / 0.01; step++) {
    const answer = trimming.step(state, { powerWatts: power, isLimiting }, { targetWatts, windowSeconds: 0.25 }, 0.01);
    [state, limit] = [answer.state, answer.setting];
    power = Math.min(most, slope * limit + offset);
  }
  return { state, limit, power };
}

Deno.test("trimming finds the limit for hardware that draws from 0.83 to 1.02 of it", () => {
  const slopes = fc.double({ min: 0.83, max: 1.02, noNaN: true });
  fc.assert(
    fc.property(slopes, fc.double({ min: -2, max: 7, noNaN: true }), fc.double({ min: 80, max: 200, noNaN: true }), (a, b, target) => {
      const { power } = run(a, b, target);
      assert.ok(Math.abs(power / target - 1) < 0.012, `${power} W of ${target} W`);
    }),
  );
});

Deno.test("trimming learns nothing from a program that draws little", () => {
  assert.equal(run(1, 0, 150, { isLimiting: false, most: 90 }).limit, 150);
});

Deno.test("trimming stays in its range when the hardware does not answer", () => {
  assert.equal(run(0, 50, 150).limit, 150 * 1.3);
  assert.equal(run(0, 300, 150).limit, 150 * 0.75);
});

Deno.test("trimming waits for the hardware after a new target", () => {
  let state = run(1, 0, 150).state;
  for (let step = 0; step < 20; step++) {
    const answer = trimming.step(state, { powerWatts: 150, isLimiting: true }, { targetWatts: 100, windowSeconds: 0.25 }, 0.01);
    assert.equal(answer.setting, 100 * state.ratio);
    state = answer.state;
  }
});
