import assert from "node:assert/strict";
import fc from "fast-check";
import { applyMove, coolestMove, type PlacementView } from "../../../../lib/power/control/placement.ts";

const view = (more: Partial<PlacementView>): PlacementView => ({
  cores: [0, 1],
  threadWatts: [10, 10],
  coreCelsius: [90, 70, 60, 65],
  kelvinPerWatt: 1,
  ...more,
});

Deno.test("coolestMove() takes the thread of the hottest core to the idle core that is coolest", () => {
  assert.deepEqual(coolestMove(view({})), { thread: 0, toCore: 2, gainKelvin: 10 });
});

Deno.test("coolestMove() swaps a heavy thread with a light one on a cool core when all cores are busy", () => {
  const busy = view({ cores: [0, 1, 2, 3], threadWatts: [15, 10, 5, 10] });
  assert.deepEqual(coolestMove(busy), { thread: 0, toCore: 2, gainKelvin: 10 });
});

Deno.test("coolestMove() leaves equal threads on equal cores, and an empty machine, alone", () => {
  assert.equal(coolestMove(view({ cores: [0, 1, 2, 3], threadWatts: [10, 10, 10, 10] })), null);
  assert.equal(coolestMove(view({ coreCelsius: [70, 70, 60, 60] })), null, "the other core would be as hot");
  assert.equal(coolestMove(view({ cores: [], threadWatts: [] })), null);
});

Deno.test("applyMove() puts every thread on a core of its own", () => {
  const cases = fc.integer({ min: 1, max: 16 }).chain((count) =>
    fc.record({
      cores: fc.shuffledSubarray(Array.from({ length: 16 }, (_, core) => core), { minLength: count, maxLength: count }),
      threadWatts: fc.array(fc.double({ min: 0, max: 20, noNaN: true }), { minLength: count, maxLength: count }),
      coreCelsius: fc.array(fc.integer({ min: 30, max: 100 }), { minLength: 16, maxLength: 16 }),
    })
  );
  fc.assert(fc.property(cases, ({ cores, threadWatts, coreCelsius }) => {
    const move = coolestMove({ cores, threadWatts, coreCelsius, kelvinPerWatt: 1 });
    if (move === null) return;
    assert.ok(move.gainKelvin >= 1.5);
    const after = applyMove(cores, move);
    assert.equal(new Set(after).size, cores.length);
    assert.equal(after[move.thread], move.toCore);
  }));
});
