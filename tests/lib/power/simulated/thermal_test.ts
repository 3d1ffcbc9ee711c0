import assert from "node:assert/strict";
import { serverPackage } from "../../../../lib/power/simulated/parameters.ts";
import { Heat } from "../../../../lib/power/simulated/thermal.ts";

const even = (watts: number) => new Float64Array(16).fill(watts / 16);

function after(heat: Heat, seconds: number, watts: number, coreWatts = even(watts)): Heat {
  for (let ms = 0; ms < seconds * 1000; ms++) heat.step(serverPackage, 0.001, 30, watts, coreWatts);
  return heat;
}

Deno.test("in the end the die is at the air's temperature and 0.24 K more for each watt", () => {
  const heat = after(new Heat(serverPackage, 0), 200, 150);
  assert.ok(Math.abs(heat.dieCelsius - (30 + 0.24 * 150)) < 0.1);
  assert.ok(Math.abs(heat.sinkCelsius - (30 + 0.12 * 150)) < 0.1);
});

Deno.test("the die answers in a second or two, the sink in about 17 s", () => {
  const heat = after(new Heat(serverPackage, 0), 1.44, 100);
  const rise = heat.dieCelsius - heat.sinkCelsius;
  assert.ok(rise > 0.55 * 12 && rise < 0.7 * 12);
  after(heat, 17 - 1.44, 100);
  assert.ok(heat.sinkCelsius > 30 + 0.5 * 12 && heat.sinkCelsius < 30 + 0.7 * 12);
});

Deno.test("a core that draws more is hotter than the die, warms its neighbours, and the mean stays that of the die", () => {
  const watts = even(80);
  watts[8] += 8;
  const heat = after(new Heat(serverPackage, 88), 1, 88, watts);
  const celsius = Array.from({ length: 16 }, (_, core) => heat.coreCelsius(core));
  assert.equal(heat.hottestCelsius, celsius[8]);
  assert.ok(celsius[8] > heat.dieCelsius + 4 && celsius[7] > celsius[2] + 0.5);
  assert.ok(Math.abs(celsius.reduce((sum, one) => sum + one, 0) / 16 - heat.dieCelsius) < 0.2);
});

Deno.test("sensors say whole degrees, a little late", () => {
  const heat = new Heat(serverPackage, 100);
  assert.equal(heat.sensedCelsius(0), Math.floor(heat.dieCelsius));
  after(heat, 0.02, 1000);
  assert.ok(heat.sensedHottestCelsius < heat.hottestCelsius);
  assert.ok(Number.isInteger(heat.sensedHottestCelsius));
});
