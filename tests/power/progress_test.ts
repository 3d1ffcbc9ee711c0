import assert from "node:assert/strict";
import { expectedHz, progressControl, progressHz, type ProgressModel } from "../../lib/power/control/progress.ts";
import { Governor, type GovernorOptions } from "../../lib/power/governor/governor.ts";
import type { RuntimePort } from "../../lib/power/governor/runtime.ts";
import { withLimit } from "../../lib/power/control/rapl.ts";
import { decodePowerInfo, decodeUnits } from "../../lib/power/registers.ts";
import { SimulatedPackage } from "../../lib/power/simulated/package.ts";
import { serverPackage } from "../../lib/power/simulated/parameters.ts";
import { registers } from "../../lib/power/simulated/registers.ts";
import { steadyWorkload } from "../../lib/power/simulated/workload.ts";
import { InProcessMachine } from "./in_process.ts";

const seconds = 1;
const [phase] = steadyWorkload.phases;
const workload = { ...steadyWorkload, heartbeatNoise: 0.02, phases: [{ ...phase, frequencyShare: 0.45, gigabytesPerSecond: 90 }] };

/** A program that waits for memory half of its time, and its cap and heartbeats. */
class Program {
  readonly device = new SimulatedPackage(serverPackage, { workload, priorWatts: 190 });
  readonly #units = decodeUnits(this.device.read(0, registers.RAPL_POWER_UNIT)!);
  readonly #info = decodePowerInfo(this.device.read(0, registers.PKG_POWER_INFO)!, this.#units);

  /** Goes on for a second under a cap; tells the progress. */
  run(capWatts: number): number | null {
    const before = this.device.read(0, registers.PKG_POWER_LIMIT)!;
    const limit = { limitWatts: capWatts, windowSeconds: 0.1, isEnabled: true, isClamped: true };
    this.device.write(0, registers.PKG_POWER_LIMIT, withLimit(before, 1, limit, this.#units, this.#info));
    this.device.advance(seconds);
    return progressHz(this.device.takeHeartbeats());
  }
}

/** As one would identify it: by the progress at the least, a middle and the highest cap. */
function identify(): ProgressModel {
  const settled = (capWatts: number) => {
    const program = new Program();
    for (let second = 0; second < 3; second++) program.run(capWatts);
    return program.run(capWatts)!;
  };
  const [low, middle, high] = [80, 130, 180].map(settled);
  // Of three caps at equal distances, the ratio of the gains is that of the exponential.
  const ratio = (high - middle) / (middle - low);
  const fastestHz = middle + (high - middle) / (1 - ratio);
  const saturationPerWatt = -Math.log(ratio) / 50;
  const idleWatts = 80 + Math.log(1 - low / fastestHz) / saturationPerWatt;
  return { slope: 1, offsetWatts: 0, saturationPerWatt, idleWatts, fastestHz, lagSeconds: 0.1 };
}

Deno.test("progress-aware capping: 85 % of the fastest progress, by heartbeats, for a good deal less power", () => {
  const model = identify();
  const program = new Program();
  const controller = progressControl({ model, capMinWatts: 70, capMaxWatts: 205, responseSeconds: 6 });
  const wantedHz = 0.85 * expectedHz(model, 205);
  let state = controller.start();
  let capWatts = 205;
  const [progress, joules]: number[][] = [[], []];
  for (let second = 0; second < 60; second++) {
    const measuredHz = program.run(capWatts);
    const answer = controller.step(state, measuredHz, wantedHz, seconds);
    [state, capWatts] = [answer.state, answer.setting];
    progress.push(measuredHz!);
    joules.push(program.device.truth().energyJoules);
  }
  const settled = progress.slice(20);
  const meanHz = settled.reduce((sum, hertz) => sum + hertz, 0) / settled.length;
  assert.ok(Math.abs(meanHz / wantedHz - 1) < 0.02, `${meanHz} Hz of ${wantedHz} Hz`);
  for (const hertz of progress.slice(10)) assert.ok(Math.abs(hertz / wantedHz - 1) < 0.06, `${hertz} Hz of ${wantedHz} Hz`);
  const watts = (joules[59] - joules[19]) / 40;
  assert.ok(watts < 0.75 * 200, `${watts} W`);
});

/** What a program does, and draws, in the last half of so many seconds under a governor, and the cap that it got. */
function governed(seconds: number, progress?: GovernorOptions["progress"]): { work: number; watts: number; capWatts: number } {
  const device = new SimulatedPackage(serverPackage, { workload, priorWatts: 190 });
  using machine = new InProcessMachine(device);
  const runtime: RuntimePort = {
    limits: { coresMin: 16, coresMax: 16, answerSeconds: 1 },
    ask: () => {},
    poll: () => ({ answer: null, heartbeatSeconds: device.takeHeartbeats() }),
    enforce: () => {},
  };
  const governor = Governor.open({
    registry: machine.registry,
    session: machine,
    runtime,
    windowSeconds: 0.1,
    limitCelsius: null,
    progress,
  });
  let [joules, work, capWatts] = [0, 0, 0];
  for (let step = 0; step < seconds * 50; step++) {
    if (step === seconds * 25) [joules, work] = [device.truth().energyJoules, device.truth().work];
    device.advance(0.02);
    [{ capWatts }] = governor.step(205, machine.nowNs);
  }
  return { work: device.truth().work - work, watts: (device.truth().energyJoules - joules) / (seconds / 2), capWatts };
}

Deno.test("a governor finds the same cap by the heartbeats of its runtime, whether it knows the program or measures it first", () => {
  const model = identify();
  const full = governed(60);
  for (
    const progress of [
      { model, wanted: { hz: 0.85 * expectedHz(model, 205) }, capMinWatts: 70, capMaxWatts: 205 },
      // Of what the package is made for, and down to the least that it takes.
      { wanted: { share: 0.85 } },
    ]
  ) {
    const { work, watts, capWatts } = governed(60, progress);
    assert.ok(watts < 0.75 * 200 && capWatts < 160, `${watts} W, a cap of ${capWatts} W`);
    const share = work / full.work;
    assert.ok(share > 0.8 && share < 0.92, `${share} of the fastest progress`);
  }
});

Deno.test("a governor cannot cap by the progress of nobody", () => {
  using machine = new InProcessMachine(new SimulatedPackage(serverPackage));
  const options = { registry: machine.registry, session: machine, windowSeconds: 1, limitCelsius: null };
  assert.throws(() => Governor.open({ ...options, progress: { wanted: { share: 0.9 } } }), /Cannot cap by progress: nobody says how much/);
});
