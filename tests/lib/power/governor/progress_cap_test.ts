import assert from "node:assert/strict";
import { UsageError } from "../../../../lib/errors.ts";
import { expectedHz, identifiedModels } from "../../../../lib/power/control/progress.ts";
import { ProgressCap } from "../../../../lib/power/governor/progress_cap.ts";

const model = identifiedModels.gros;
const wish = { model, wanted: { hz: 0.8 * model.fastestHz }, capMinWatts: 40, capMaxWatts: 120 };

/** A program for some time: what it makes in the end, with a cap of so much allowed. */
function run(
  cap: ProgressCap,
  seconds: number,
  allowedWatts: number,
  hzOf: (capWatts: number, atSeconds: number) => number = (capWatts) => expectedHz(model, capWatts),
): number {
  let [now, beat] = [0, 0];
  while (now < seconds) {
    now += 0.05;
    const beats: number[] = [];
    for (; beat < now; beat += 1 / hzOf(cap.lower(allowedWatts), beat)) beats.push(beat);
    cap.step(beats, 0.05);
  }
  return hzOf(cap.lower(allowedWatts), now);
}

Deno.test("a program gets the cap that its progress needs, and never more than it is allowed", () => {
  const cap = new ProgressCap(wish);
  assert.equal(cap.lower(200), 120);
  assert.equal(cap.lower(90), 90);
  assert.ok(Math.abs(run(cap, 60, 200) / wish.wanted.hz - 1) < 0.02, `${cap.lower(200)} W`);
  assert.ok(cap.lower(200) < 119);
  assert.equal(cap.lower(50), 50);
});

Deno.test("of a program of which nothing is known, the progress at the highest cap is measured first, when it is steady", () => {
  const range = { capMinWatts: 40, capMaxWatts: 120 };
  for (const waits of [0, 0.5, 0.9, 1]) {
    // From one that needs all of the power to one that needs none.
    const hzOf = (capWatts: number) => 20 * (waits + (1 - waits) * capWatts / 120);
    const cap = new ProgressCap({ wanted: { share: 0.9 }, ...range });
    assert.deepEqual(cap.report, { heartbeats: 0, highestHz: null, wantedHz: null, meanHz: null, capMaxWatts: 120, capWatts: 120 });
    // It gets ready for five seconds, and is faster in each of them.
    const highest: (number | null)[] = [];
    const found = run(cap, 150, 200, (capWatts, at) => {
      if (at < 5) highest.push(cap.report.highestHz);
      return at < 5 ? 4 + 3 * Math.floor(at) : hzOf(capWatts);
    });
    assert.deepEqual([...new Set(highest)], [null]);
    const { highestHz, wantedHz, meanHz, capWatts } = cap.report;
    assert.ok(Math.abs(highestHz! / 20 - 1) < 0.02 && Math.abs(wantedHz! / 18 - 1) < 0.02, `${highestHz} ${wantedHz}`);
    if (hzOf(40) > 18) assert.ok(capWatts < 42, `${waits}: ${capWatts} W`);
    else assert.ok(Math.abs(found / 18 - 1) < 0.02 && Math.abs(meanHz! / 18 - 1) < 0.05, `${waits}: ${found} Hz, ${meanHz} Hz`);
  }
});

Deno.test("progress that can never be reached leaves the highest cap, and after some noise it is known nevertheless", () => {
  const cap = new ProgressCap({ wanted: { hz: 100 }, capMinWatts: 40, capMaxWatts: 120 });
  run(cap, 30, 200, (_, at) => [10, 14, 9, 20][Math.floor(at) % 4]);
  assert.deepEqual([cap.report.wantedHz, Math.round(cap.lower(200))], [100, 120]);
});

Deno.test("without heartbeats the cap stays", () => {
  const cap = new ProgressCap(wish);
  for (let step = 0; step < 100; step++) cap.step([], 0.05);
  assert.equal(cap.lower(200), 120);
});

Deno.test("ProgressCap refuses a range of caps that is none", () => {
  assert.throws(() => new ProgressCap({ ...wish, capMaxWatts: 40 }), UsageError);
});
