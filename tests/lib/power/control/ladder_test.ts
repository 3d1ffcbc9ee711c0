import assert from "node:assert/strict";
import fc from "fast-check";
import { UsageError } from "../../../../lib/errors.ts";
import { buildLadders, foot, rungBelow } from "../../../../lib/power/control/ladder.ts";
import { platform } from "./platform.ts";

Deno.test("buildLadders() has a ladder for each number of cores, ascending from duty cycles to frequencies", () => {
  const ladders = buildLadders(platform);
  assert.deepEqual([...ladders.keys()], [4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
  for (const ladder of ladders.values()) {
    for (let index = 1; index < ladder.length; index++) assert.ok(ladder[index].nominalWatts > ladder[index - 1].nominalWatts);
    assert.equal(ladder.at(-1)!.frequencyHz, 3.2e9);
    for (const { frequencyHz, dutySixteenths } of ladder) {
      if (dutySixteenths < 16) assert.equal(frequencyHz, 1e9, "duty cycles come last");
    }
  }
});

Deno.test("buildLadders() counts the same watts on every ladder", () => {
  const ladders = buildLadders(platform);
  const at24 = (cores: number) => ladders.get(cores)!.find(({ frequencyHz }) => frequencyHz === 2.4e9)!.nominalWatts;
  assert.equal(at24(16), 157);
  assert.equal(at24(8), 22 + (157 - 22) / 2);
  assert.ok(foot(ladders.get(8)!) < foot(ladders.get(9)!));
});

Deno.test("buildLadders() leaves out what the platform cannot do", () => {
  const ladders = buildLadders({ ...platform, hasDutyCycle: false, coreCountMin: 16 });
  assert.equal(ladders.size, 1);
  assert.ok(ladders.get(16)!.every(({ dutySixteenths }) => dutySixteenths === 16));
});

Deno.test("rungs that a meter could not tell apart are left out", () => {
  for (const ladder of buildLadders(platform).values()) {
    const duty = ladder.filter(({ frequencyHz }) => frequencyHz === 1e9);
    for (let index = 1; index < duty.length; index++) assert.ok(duty[index].nominalWatts - duty[index - 1].nominalWatts >= 1.57);
  }
});

Deno.test("rungBelow() is the highest that fits, or the lowest of all", () => {
  const ladder = buildLadders(platform).get(16)!;
  fc.assert(fc.property(fc.double({ min: 0, max: 400, noNaN: true }), (watts) => {
    const index = rungBelow(ladder, watts);
    if (index > 0) assert.ok(ladder[index].nominalWatts <= watts);
    if (index < ladder.length - 1) assert.ok(ladder[index + 1].nominalWatts > watts);
  }));
});

Deno.test("buildLadders() refuses a platform without a choice", () => {
  for (const wrong of [{ minHz: 3.2e9 }, { binHz: 0 }, { coreCountMin: 17 }, { baseWatts: 50 }, { minHz: NaN }]) {
    assert.throws(() => buildLadders({ ...platform, ...wrong }), UsageError, JSON.stringify(wrong));
  }
});
