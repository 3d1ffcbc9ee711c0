import assert from "node:assert/strict";
import { UsageError } from "../../../../lib/errors.ts";
import { expectedHz, identifiedModels } from "../../../../lib/power/control/progress.ts";
import { ProgressCap } from "../../../../lib/power/governor/progress_cap.ts";

const model = identifiedModels.gros;
const wish = { model, wantedHz: 0.8 * model.fastestHz, capMinWatts: 40, capMaxWatts: 120 };

Deno.test("a program gets the cap that its progress needs, and never more than it is allowed", () => {
  const cap = new ProgressCap(wish);
  assert.equal(cap.lower(200), 120);
  assert.equal(cap.lower(90), 90);
  let [now, beat] = [0, 0];
  for (let step = 0; step < 1200; step++) {
    now += 0.05;
    const beats: number[] = [];
    for (; beat < now; beat += 1 / expectedHz(model, cap.lower(200))) beats.push(beat);
    cap.step(beats, 0.05);
  }
  const found = cap.lower(200);
  assert.ok(found < 119 && Math.abs(expectedHz(model, found) / wish.wantedHz - 1) < 0.02, `${found} W`);
  assert.equal(cap.lower(50), 50);
});

Deno.test("without heartbeats the cap stays", () => {
  const cap = new ProgressCap(wish);
  for (let step = 0; step < 100; step++) cap.step([], 0.05);
  assert.equal(cap.lower(200), 120);
});

Deno.test("ProgressCap refuses a range of caps that is none", () => {
  assert.throws(() => new ProgressCap({ ...wish, capMaxWatts: 40 }), UsageError);
});
