import assert from "node:assert/strict";
import fc from "fast-check";
import { capping, type CappingState, climbOver } from "../../../../lib/power/control/capping.ts";
import { buildLadders } from "../../../../lib/power/control/ladder.ts";
import { platform } from "./platform.ts";

const ladders = buildLadders(platform);
const ladder = ladders.get(16)!;
const controller = capping(ladder);
const dtSeconds = 0.01;

/** A package that draws `gain` times what is nominal, and `offset` more. */
function run(
  steps: number,
  capWatts: number,
  { gain = 1, offset = 0, state = controller.start(), power = 200 }: {
    gain?: number;
    offset?: number;
    state?: CappingState;
    power?: number;
  },
) {
  const powers: number[] = [];
  const rungs: number[] = [];
  for (let step = 0; step < steps; step++) {
    const answer = controller.step(state, { powerWatts: power }, { capWatts, windowSeconds: 0.1 }, dtSeconds);
    state = answer.state;
    power = gain * answer.setting.nominalWatts + offset;
    powers.push(power);
    rungs.push(ladder.indexOf(answer.setting));
  }
  return { state, powers, rungs, power };
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const gains = fc.double({ min: 0.6, max: 1.4, noNaN: true });
const caps = fc.double({ min: 60, max: 160, noNaN: true });

Deno.test("capping() settles below the cap, within 1 %, for parts from 0.6 to 1.4 of a typical one", () => {
  fc.assert(fc.property(caps, gains, fc.double({ min: -8, max: 8, noNaN: true }), (cap, gain, offset) => {
    const reach = gain * ladder[ladder.length - 1].nominalWatts + offset;
    const floor = gain * ladder[0].nominalWatts + offset;
    fc.pre(cap < reach * 0.98 && cap > floor * 1.05);
    const settled = run(200, cap, { gain, offset }).powers.slice(-100);
    assert.ok(Math.abs(mean(settled) / cap - 1) < 0.01, `${mean(settled)} W of ${cap} W`);
  }));
});

Deno.test("capping() alternates between two neighbouring rungs only, once it has settled", () => {
  fc.assert(fc.property(caps, gains, (cap, gain) => {
    const settled = run(400, cap, { gain }).rungs.slice(-100);
    assert.ok(Math.max(...settled) - Math.min(...settled) <= 1, [...new Set(settled)].join());
  }));
});

Deno.test("capping() does not wind up: after a cap out of reach for long, it answers as fast as after a moment", () => {
  for (const outOfReach of [1000, 1]) {
    const short = run(20, outOfReach, {});
    const long = run(2000, outOfReach, {});
    const after = (before: typeof short) => run(60, 110, { state: before.state, power: before.power }).powers;
    assert.ok(Math.abs(mean(after(long).slice(-30)) / 110 - 1) < 0.02);
    assert.deepEqual(after(long).map(Math.round).slice(-1), after(short).map(Math.round).slice(-1));
    assert.equal(long.rungs.at(-1), outOfReach === 1 ? 0 : ladder.length - 1);
  }
});

Deno.test("capping() holds its place when polls are missed, whatever their number", () => {
  const settled = run(200, 120, { gain: 1.1 });
  let state = settled.state;
  const rungs = new Set<number>();
  for (let step = 0; step < 50; step++) {
    const answer = controller.step(state, { powerWatts: null }, { capWatts: 120, windowSeconds: 0.1 }, dtSeconds);
    state = answer.state;
    rungs.add(ladder.indexOf(answer.setting));
  }
  assert.ok(Math.max(...rungs) - Math.min(...rungs) <= 1);
  assert.equal(state.positionWatts, settled.state.positionWatts);
});

Deno.test("capping() takes any measurement and any time between two without leaving the ladder", () => {
  const powers = fc.oneof(fc.double({ min: 0, max: 2000, noNaN: true }), fc.constant(null));
  const steps = fc.array(fc.tuple(powers, fc.double({ min: 0.001, max: 30, noNaN: true }), fc.double({ min: 1, max: 500, noNaN: true })));
  fc.assert(fc.property(steps, (all) => {
    let state = controller.start();
    for (const [powerWatts, dt, capWatts] of all) {
      const answer = controller.step(state, { powerWatts }, { capWatts, windowSeconds: 0.1 }, dt);
      state = answer.state;
      assert.ok(ladder.includes(answer.setting));
      assert.ok(state.positionWatts >= ladder[0].nominalWatts && state.positionWatts <= ladder[ladder.length - 1].nominalWatts);
    }
  }));
});

Deno.test("capping() changes nothing that it is given", () => {
  const state = Object.freeze(controller.start());
  const [one, two] = [1, 2].map(() => controller.step(state, { powerWatts: 150 }, { capWatts: 100, windowSeconds: 1 }, dtSeconds));
  assert.deepEqual(one, two);
});

Deno.test("climbOver() keeps the place in watts, or the nearest rung that there is", () => {
  const settled = run(200, 70, {}).state;
  const { state, setting } = climbOver(settled, ladders.get(8)!);
  assert.equal(state.positionWatts, settled.positionWatts);
  assert.ok(setting.nominalWatts <= 70 && setting.nominalWatts > 62 && setting.frequencyHz > 1e9);
  const low = climbOver({ ...settled, positionWatts: 1 }, ladders.get(8)!);
  assert.equal(low.setting, ladders.get(8)![0]);
});
