import assert from "node:assert/strict";
import fc from "fast-check";
import { UsageError } from "../../../../lib/errors.ts";
import { expectedHz, identifiedModels, progressControl, progressHz, type ProgressModel } from "../../../../lib/power/control/progress.ts";
import { Noise } from "../../../../lib/power/simulated/random.ts";

/** A program as identified: first order towards the progress of its cap, which the firmware takes in whole watts. */
function run(model: ProgressModel, wantedHz: number, seconds: number, noiseShare = 0) {
  const controller = progressControl({ model, capMinWatts: 40, capMaxWatts: 120, responseSeconds: 10 });
  const noise = new Noise(5);
  let state = controller.start();
  let progress = expectedHz(model, 120);
  const trace: { progress: number; capWatts: number }[] = [];
  for (let second = 0; second < seconds; second++) {
    const answer = controller.step(state, progress * (1 + noiseShare * noise.normal()), wantedHz, 1);
    state = answer.state;
    const capWatts = Math.round(answer.setting);
    for (let step = 0; step < 100; step++) progress += 0.01 / model.lagSeconds * (expectedHz(model, capWatts) - progress);
    trace.push({ progress, capWatts });
  }
  return trace;
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

Deno.test("progressHz() is the median of the rates, and unknown without two heartbeats", () => {
  assert.equal(progressHz([0, 0.5, 1, 1.5, 11.5]), 2);
  assert.equal(progressHz([0, 1, 1.5]), 1.5);
  for (const few of [[], [1], [1, 1, 1]]) assert.equal(progressHz(few), null);
});

Deno.test("progressHz() does not mind a few heartbeats that were late", () => {
  fc.assert(fc.property(fc.nat(100), (late) => {
    const beats = Array.from({ length: 101 }, (_, index) => index * 0.1 + (index === late ? 0.05 : 0));
    assert.ok(Math.abs(progressHz(beats)! - 10) < 1e-6);
  }));
});

for (const name of ["gros", "dahu"] as const) {
  const model = identifiedModels[name];
  Deno.test(`progress of ${name} settles at 85 % within the response time, with less power than at the highest cap`, () => {
    const wantedHz = 0.85 * model.fastestHz;
    const trace = run(model, wantedHz, 100);
    for (const { progress } of trace.slice(10)) assert.ok(Math.abs(progress - wantedHz) < 0.05 * model.fastestHz);
    assert.ok(Math.abs(mean(trace.slice(50).map(({ progress }) => progress)) / wantedHz - 1) < 0.02);
    assert.ok(mean(trace.slice(50).map(({ capWatts }) => capWatts)) < 110);
  });

  Deno.test(`progress of ${name} stays within 2 % on average with 3 % of noise`, () => {
    const trace = run(model, 0.85 * model.fastestHz, 200, 0.03).slice(50);
    assert.ok(Math.abs(mean(trace.map(({ progress }) => progress)) / (0.85 * model.fastestHz) - 1) < 0.02);
  });
}

Deno.test("yeti cannot make 85 %: the cap stays at its highest, and comes down at once when less is wanted", () => {
  const model = identifiedModels.yeti;
  const controller = progressControl({ model, capMinWatts: 40, capMaxWatts: 120, responseSeconds: 10 });
  let state = controller.start();
  let setting = 0;
  for (let second = 0; second < 1000; second++) {
    ({ state, setting } = controller.step(state, expectedHz(model, 120), 0.95 * model.fastestHz, 1));
  }
  assert.equal(setting, 120);
  ({ setting } = controller.step(state, expectedHz(model, 120), 0.6 * model.fastestHz, 1));
  assert.ok(setting < 110, `${setting} W`);
});

Deno.test("progressControl() keeps its cap within the range for any progress, and still when none is known", () => {
  const controller = progressControl({ model: identifiedModels.gros, capMinWatts: 40, capMaxWatts: 120, responseSeconds: 10 });
  const steps = fc.array(fc.tuple(fc.option(fc.double({ min: 0, max: 1000, noNaN: true })), fc.double({ min: 0, max: 100, noNaN: true })));
  fc.assert(fc.property(steps, (all) => {
    let state = controller.start();
    let before = controller.step(state, null, 0, 1).setting;
    for (const [measured, wanted] of all) {
      const answer = controller.step(state, measured, wanted, 1);
      assert.ok(answer.setting >= 40 && answer.setting <= 120);
      if (measured === null) assert.equal(answer.setting, before);
      [state, before] = [answer.state, answer.setting];
    }
  }));
});

Deno.test("progressControl() refuses a range that is none", () => {
  const model = identifiedModels.gros;
  for (const wrong of [{ capMinWatts: 120 }, { capMinWatts: NaN }, { responseSeconds: 0 }]) {
    assert.throws(() => progressControl({ model, capMinWatts: 40, capMaxWatts: 120, responseSeconds: 10, ...wrong }), UsageError);
  }
});
