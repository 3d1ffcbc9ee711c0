import assert from "node:assert/strict";
import { UsageError } from "../../../../lib/errors.ts";
import { buildLadders } from "../../../../lib/power/control/ladder.ts";
import { type PackageMeasurement, type PackageSetpoint, type PackageState, steering } from "../../../../lib/power/control/steer.ts";
import { platform } from "./platform.ts";

const ladders = buildLadders(platform);
const info = { tdpWatts: 205, minWatts: 60, maxWatts: 410, windowMaxSeconds: 40 };
const thermal = { dieKelvinPerWatt: 0.12, dieJoulesPerKelvin: 12, sinkKelvinPerWatt: 0.12, sinkJoulesPerKelvin: 140.4 };
const controller = steering({ ladders, info, thermal });
const usual: PackageMeasurement = { powerWatts: 120, hottestCelsius: 70, canLimit: true, isLimiting: true, activeCores: 16 };
const setpoint: PackageSetpoint = { capWatts: 120, windowSeconds: 1, limitCelsius: null };

const step = (
  measurement: Partial<PackageMeasurement>,
  more: Partial<PackageSetpoint> = {},
  state?: PackageState,
) => controller.step(state ?? controller.start(), { ...usual, ...measurement }, { ...setpoint, ...more }, 0.01);

Deno.test("steering() limits by hardware where that can be set, over a quarter of the window, all else at its highest", () => {
  const { setting } = step({});
  assert.equal(setting.by, "hardware");
  assert.equal(setting.limit!.windowSeconds, 0.25);
  assert.ok(setting.limit!.limitWatts <= 120 && setting.limit!.limitWatts > 119);
  assert.equal(setting.rung, ladders.get(16)!.at(-1));
  assert.equal(setting.wantedCores, 16);
});

Deno.test("steering() caps by software when the limit is locked, and goes back when it is not any more", () => {
  const locked = step({ canLimit: false }, {}, step({}).state);
  assert.equal(locked.setting.by, "software");
  assert.equal(locked.setting.limit, null, "nothing is written to what is locked");
  assert.ok(locked.setting.rung.nominalWatts < 125);
  assert.equal(step({}, {}, locked.state).setting.by, "hardware");
});

Deno.test("steering() caps by software below what the hardware reaches, beneath the least limit of the hardware", () => {
  const { setting } = step({}, { capWatts: 45 });
  assert.equal(setting.by, "software");
  assert.equal(setting.limit!.limitWatts, 60);
  assert.ok(setting.rung.dutySixteenths < 16);
});

Deno.test("steering() never asks hardware for more than it can be limited to", () => {
  assert.equal(step({}, { capWatts: 1000 }).setting.limit!.limitWatts, 410);
});

Deno.test("steering() lowers the limit when the temperature leaves less room than the cap, and not without a temperature limit", () => {
  const hot = { powerWatts: 200, hottestCelsius: 95 };
  const { setting } = step(hot, { capWatts: 205, limitCelsius: 94 });
  assert.ok(setting.thermal!.predictedCelsius > 94);
  assert.ok(setting.limit!.limitWatts < 195 && setting.limit!.limitWatts > 170, `${setting.limit!.limitWatts} W`);
  assert.ok(step(hot, { capWatts: 205 }).setting.limit!.limitWatts > 200);
  assert.equal(step(hot, { capWatts: 205 }).setting.thermal, null);
});

Deno.test("steering() does not take a package that the heat holds back for a weak limit", () => {
  let { state, setting } = step({ powerWatts: 200, hottestCelsius: 95 }, { limitCelsius: 94, capWatts: 205 });
  for (let count = 0; count < 500; count++) {
    const answer = step({ powerWatts: 150, hottestCelsius: 96 }, { limitCelsius: 94, capWatts: 205 }, state);
    ({ state, setting } = answer);
  }
  assert.equal(state.trim.ratio, 1);
  assert.ok(setting.limit!.limitWatts < 150);
});

Deno.test("steering() wants fewer cores when frequency alone does not do, and goes on with those that there are", () => {
  let { state, setting } = step({ canLimit: false }, { capWatts: 50 });
  let activeCores = 16;
  for (let count = 0; count < 200; count++) {
    const powerWatts = 1.1 * setting.rung.nominalWatts;
    ({ state, setting } = step({ canLimit: false, activeCores, powerWatts }, { capWatts: 50 }, state));
    if (count % 30 === 29) activeCores = setting.wantedCores;
  }
  assert.ok(setting.wantedCores < 16 && setting.wantedCores > 4, `${setting.wantedCores} cores`);
  assert.ok(setting.rung.dutySixteenths > 12, "then, short duty cycles are not needed any more");
  assert.ok(Math.abs(1.1 * setting.rung.nominalWatts - 50) < 4);
});

Deno.test("steering() wants fewer cores where there are no duty cycles, too, and all of them when there is power for them", () => {
  const without = steering({ ladders: buildLadders({ ...platform, hasDutyCycle: false }), info, thermal: null });
  let state = without.start();
  let [activeCores, powerWatts] = [16, 150];
  const goOn = (capWatts: number) => {
    const answer = without.step(state, { ...usual, canLimit: false, activeCores, powerWatts }, { ...setpoint, capWatts }, 0.02);
    state = answer.state;
    powerWatts = 1.1 * answer.setting.rung.nominalWatts;
    return answer.setting.wantedCores;
  };
  const wanted = Array.from({ length: 400 }, () => activeCores = goOn(60));
  assert.ok(Math.abs(powerWatts - 60) < 3, `${powerWatts} W`);
  assert.ok(wanted.at(-1)! < 16 && wanted.at(-1)! >= 6);
  assert.ok(new Set(wanted.slice(-200)).size === 1, "it stays with one number");
  activeCores = 4;
  for (let count = 0; count < 100; count++) goOn(60);
  assert.equal(Array.from({ length: 100 }, () => goOn(150)).at(-1), 16, "all, also when those that there are cannot draw as much");
});

Deno.test("steering() refuses setpoints that are none, and time that stands still", () => {
  for (
    const wrong of [{ capWatts: NaN }, { capWatts: 0 }, { capWatts: -5 }, { windowSeconds: 0 }, { windowSeconds: NaN }, {
      limitCelsius: NaN,
    }]
  ) {
    assert.throws(() => step({}, wrong), UsageError, JSON.stringify(wrong));
  }
  for (const dt of [0, -1, NaN]) assert.throws(() => controller.step(controller.start(), usual, setpoint, dt), RangeError);
});

Deno.test("steering() takes readings that cannot be for missed ones", () => {
  const { state } = step({ canLimit: false });
  const missed = step({ canLimit: false, powerWatts: null, hottestCelsius: null }, { limitCelsius: 94 }, state);
  for (const powerWatts of [NaN, Infinity, -3]) {
    assert.deepEqual(step({ canLimit: false, powerWatts, hottestCelsius: NaN }, { limitCelsius: 94 }, state), missed);
  }
});
