import assert from "node:assert/strict";
import fc from "fast-check";
import { UsageError } from "../../../../lib/errors.ts";
import { answerExpand, startExpand, stepExpand } from "../../../../lib/power/control/expand.ts";

const limits = { coresMin: 4, coresMax: 16, answerSeconds: 1 };

Deno.test("a runtime is asked once for each new wish, and trusted while it answers", () => {
  const first = stepExpand(startExpand(limits), 10, limits, 0.1);
  assert.deepEqual(first.setting, { send: { request: 1, wantedCores: 10 }, enforcedCores: null });
  const again = stepExpand(first.state, 10, limits, 0.1);
  assert.deepEqual(again.setting, { send: null, enforcedCores: null });
  const answered = answerExpand(again.state, { request: 1, activeCores: 10 }, limits);
  assert.equal(answered.outcome, "taken");
  assert.deepEqual(stepExpand(answered.state, 10, limits, 100).setting, { send: null, enforcedCores: null });
  assert.equal(answered.state.activeCores, 10);
});

Deno.test("a silent runtime is left the floor, and trusted again when it answers", () => {
  let { state } = stepExpand(startExpand(limits), 8, limits, 0.1);
  state = stepExpand(state, 8, limits, 0.9).state;
  const late = stepExpand(state, 8, limits, 0.2);
  assert.deepEqual(late.setting, { send: null, enforcedCores: 4 });
  assert.ok(late.state.isSilent);
  assert.equal(stepExpand(late.state, 12, limits, 0.1).setting.send, null, "it gets no more requests");
  const free = stepExpand(late.state, 16, limits, 0.1);
  assert.deepEqual(free.setting, { send: null, enforcedCores: null }, "nothing is enforced while all cores are wished");
  assert.equal(stepExpand(free.state, 15, limits, 0.1).setting.enforcedCores, 4);
  const answered = answerExpand(late.state, { request: 1, activeCores: 8 }, limits);
  assert.equal(answered.outcome, "taken");
  assert.deepEqual(stepExpand(answered.state, 12, limits, 0.1).setting.send, { request: 2, wantedCores: 12 });
});

Deno.test("new wishes do not give a runtime more time", () => {
  let state = startExpand(limits);
  for (let step = 0; step < 12; step++) state = stepExpand(state, 5 + step % 2, limits, 0.1).state;
  assert.ok(state.isSilent);
});

Deno.test("answers that are late, unknown or out of range change nothing", () => {
  let { state } = stepExpand(startExpand(limits), 10, limits, 0.1);
  state = stepExpand(state, 8, limits, 0.1).state;
  const wrong: [number, number, string][] = [
    [1, 10, "late"],
    [3, 8, "unknown request"],
    [0, 8, "unknown request"],
    [NaN, 8, "unknown request"],
    [2, 9, "more than wanted"],
    [2, 3, "below the floor"],
    [2, -1, "below the floor"],
    [2, 7.5, "not a number of cores"],
    [2, NaN, "not a number of cores"],
  ];
  for (const [request, activeCores, outcome] of wrong) {
    assert.deepEqual(answerExpand(state, { request, activeCores }, limits), { state, outcome });
  }
});

Deno.test("whatever is wished and answered, wishes are whole and in range, and time without an answer ends at the floor", () => {
  const steps = fc.array(
    fc.record({ wish: fc.double({ min: -100, max: 100, noNaN: true }), answer: fc.option(fc.integer({ min: -5, max: 30 })) }),
  );
  fc.assert(fc.property(steps, (all) => {
    let state = startExpand(limits);
    for (const { wish, answer } of all) {
      const { state: next, setting } = stepExpand(state, wish, limits, 0.3);
      state = next;
      assert.ok(Number.isInteger(state.wantedCores) && state.wantedCores >= 4 && state.wantedCores <= 16);
      if (state.waitingSeconds !== null && state.waitingSeconds > 1) assert.equal(setting.enforcedCores, Math.floor(wish) >= 16 ? null : 4);
      if (answer !== null) state = answerExpand(state, { request: state.request, activeCores: answer }, limits).state;
      assert.ok(state.activeCores >= 4 && state.activeCores <= 16);
    }
  }));
});

Deno.test("stepExpand() refuses a wish that is no number", () => {
  for (const wish of [NaN, Infinity]) assert.throws(() => stepExpand(startExpand(limits), wish, limits, 0.1), UsageError);
});
