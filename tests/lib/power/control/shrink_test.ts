import assert from "node:assert/strict";
import fc from "fast-check";
import { buildLadders, foot } from "../../../../lib/power/control/ladder.ts";
import { type ShrinkState, startShrink, stepShrink } from "../../../../lib/power/control/shrink.ts";
import { platform } from "./platform.ts";

const ladders = buildLadders(platform);

function settle(positionWatts: number, state: ShrinkState = startShrink(ladders)): ShrinkState {
  for (let step = 0; step < 100; step++) state = stepShrink(state, ladders, positionWatts, 0.01);
  return state;
}

Deno.test("stepShrink() wants as many cores as run at their lowest frequency, from wherever it begins", () => {
  const starts = fc.constantFrom(...ladders.keys());
  fc.assert(fc.property(fc.double({ min: 20, max: 300, noNaN: true }), starts, (watts, wantedCores) => {
    const { wantedCores: cores } = settle(watts, { wantedCores, seconds: 0 });
    if (cores > 4) assert.ok(foot(ladders.get(cores)!) <= watts, "there is power for all of them");
    if (cores < 16) assert.ok(foot(ladders.get(cores + 1)!) * 1.05 > watts, "there is none for one more");
  }));
});

Deno.test("stepShrink() waits, and does not mind a moment", () => {
  let state = startShrink(ladders);
  for (let step = 0; step < 100; step++) {
    state = stepShrink(state, ladders, step % 10 === 0 ? 200 : 30, 0.01);
    assert.equal(state.wantedCores, 16);
  }
});

Deno.test("stepShrink() keeps its number when the power is at an edge", () => {
  const edge = foot(ladders.get(10)!);
  const { wantedCores } = settle(edge + 0.1);
  for (const watts of [edge + 0.2, edge + 1, edge + 0.05]) {
    assert.equal(settle(watts, { wantedCores, seconds: 0 }).wantedCores, wantedCores);
  }
});

Deno.test("stepShrink() wants all cores when nothing is to be saved", () => {
  assert.equal(settle(Infinity, { wantedCores: 4, seconds: 0 }).wantedCores, 16);
});
