import assert from "node:assert/strict";
import { Recorder } from "../../../lib/power/trace/recorder.ts";
import { stillWords, stoodStill } from "../../../scripts/power/still.ts";
import { energy, snapshot, temperature } from "../../lib/power/trace/meters.ts";

Deno.test("stoodStill() finds counters of energy with nothing behind them, when there was time to tell", () => {
  const recorder = new Recorder([energy, { ...energy, name: "psys0/energy" }, temperature], { periodSeconds: 1 });
  recorder.add(snapshot(0, 5, 0, 40));
  recorder.add(snapshot(1, 6, 0, 40));
  const still = stoodStill(recorder.summaries(), 1);
  assert.deepEqual(still.map(({ meter }) => meter.name), ["psys0/energy"]);
  assert.equal(stillWords(still), "nodeos: psys0/energy stood still: there is nothing behind it here");
  assert.deepEqual(stoodStill(recorder.summaries(), 0.1), []);
});
