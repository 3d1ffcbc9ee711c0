import assert from "node:assert/strict";
import fc from "fast-check";
import { thermalControl, type ThermalModel } from "../../../../lib/power/control/thermal.ts";

const model: ThermalModel = { dieKelvinPerWatt: 0.12, dieJoulesPerKelvin: 12, sinkKelvinPerWatt: 0.12, sinkJoulesPerKelvin: 140.4 };

/** A package that has drawn 100 W for long and obeys the ceiling, with a hot spot and air that the controller knows nothing of. */
function run(options: { ambient: number; hotKelvinPerWatt: number; wantedWatts: number; limitCelsius: number; seconds: number }) {
  const { ambient, hotKelvinPerWatt, wantedWatts, limitCelsius, seconds } = options;
  const controller = thermalControl(model);
  let state = controller.start();
  let [die, sink, power] = [ambient + 24, ambient + 12, 100];
  let hottest = die + hotKelvinPerWatt * power;
  const trace: { hottest: number; power: number; predicted: number }[] = [];
  for (let step = 0; step < seconds / 0.1; step++) {
    const answer = controller.step(state, { hottestCelsius: Math.floor(hottest), powerWatts: power }, { limitCelsius }, 0.1);
    state = answer.state;
    power = Math.min(wantedWatts, answer.setting.ceilingWatts);
    for (let part = 0; part < 10; part++) {
      const through = (die - sink) / model.dieKelvinPerWatt;
      die += 0.01 * (power - through) / model.dieJoulesPerKelvin;
      sink += 0.01 * (through - (sink - ambient) / model.sinkKelvinPerWatt) / model.sinkJoulesPerKelvin;
    }
    hottest = die + hotKelvinPerWatt * power;
    trace.push({ hottest, power, predicted: answer.setting.predictedCelsius });
  }
  return trace;
}

Deno.test("thermalControl() keeps the hottest core near its limit, and no cooler than needed", () => {
  const numbers = (min: number, max: number) => fc.double({ min, max, noNaN: true });
  fc.assert(
    fc.property(numbers(25, 55), numbers(0, 0.06), numbers(80, 94), (ambient, hotKelvinPerWatt, limitCelsius) => {
      const trace = run({ ambient, hotKelvinPerWatt, wantedWatts: 260, limitCelsius, seconds: 120 });
      const settled = trace.slice(-300);
      for (const { hottest } of trace.slice(50)) assert.ok(hottest < limitCelsius + 1.5, `${hottest} degrees of ${limitCelsius}`);
      const unlimited = ambient + 260 * (0.24 + hotKelvinPerWatt);
      if (unlimited > limitCelsius + 2) {
        for (const { hottest } of settled) assert.ok(hottest > limitCelsius - 2, `${hottest} of ${limitCelsius}`);
      }
    }),
    { numRuns: 40 },
  );
});

Deno.test("thermalControl() leaves a cool package alone", () => {
  const trace = run({ ambient: 25, hotKelvinPerWatt: 0.02, wantedWatts: 150, limitCelsius: 94, seconds: 60 });
  assert.ok(trace.every(({ power }) => power === 150));
});

Deno.test("thermalControl() sees a rise five seconds ahead", () => {
  const trace = run({ ambient: 40, hotKelvinPerWatt: 0, wantedWatts: 200, limitCelsius: 200, seconds: 30 });
  const [then, later] = [trace[100], trace[150]];
  assert.ok(Math.abs(then.predicted - later.hottest) < 1.5, `predicted ${then.predicted}, was ${later.hottest}`);
});

Deno.test("thermalControl() gives no ceiling before it has seen a temperature, and goes on when a poll is missed", () => {
  const controller = thermalControl(model);
  const unknown = controller.step(controller.start(), { hottestCelsius: null, powerWatts: null }, { limitCelsius: 90 }, 0.1);
  assert.equal(unknown.setting.ceilingWatts, Infinity);
  const known = controller.step(unknown.state, { hottestCelsius: 80, powerWatts: 150 }, { limitCelsius: 90 }, 0.1);
  const missed = controller.step(known.state, { hottestCelsius: null, powerWatts: null }, { limitCelsius: 90 }, 0.1);
  assert.ok(Math.abs(missed.setting.ceilingWatts - known.setting.ceilingWatts) < 5);
});
