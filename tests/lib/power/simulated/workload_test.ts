import assert from "node:assert/strict";
import fc from "fast-check";
import { Noise } from "../../../../lib/power/simulated/random.ts";
import { phaseAt, Progress, speedOf, steadyWorkload } from "../../../../lib/power/simulated/workload.ts";

const phase = (durationSeconds: number, frequencyShare = 0.85) => ({ durationSeconds, activity: 1, frequencyShare, gigabytesPerSecond: 0 });

Deno.test("phaseAt() goes through the phases over and over", () => {
  const phases = [phase(1), phase(2)];
  const at = (seconds: number) => phases.indexOf(phaseAt({ ...steadyWorkload, phases }, seconds));
  assert.deepEqual([0, 0.99, 1, 2.99, 3, 4, 301].map(at), [0, 0, 1, 1, 0, 1, 1]);
  assert.equal(phaseAt(steadyWorkload, 1e6), steadyWorkload.phases[0]);
});

Deno.test("speedOf() is 1 at the nominal frequency; what waits for memory gains less from more of it", () => {
  fc.assert(fc.property(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0.1, max: 2, noNaN: true }), (share, frequency) => {
    assert.ok(Math.abs(speedOf(phase(1, share), 1) - 1) < 1e-12);
    const speed = speedOf(phase(1, share), frequency);
    assert.ok(speed >= Math.min(1, frequency) - 1e-9 && speed <= Math.max(1, frequency) + 1e-9);
  }));
  assert.equal(speedOf(phase(1), 0), 0);
});

Deno.test("Progress has a heartbeat for each epoch of work", () => {
  const progress = new Progress({ ...steadyWorkload, heartbeatWork: 1, heartbeatNoise: 0 }, new Noise(1));
  for (let ms = 1; ms <= 1000; ms++) progress.add(0.0051, ms / 1000);
  assert.equal(progress.heartbeats.length, 5);
  assert.ok(Math.abs(progress.heartbeats[0] - 0.197) < 1e-9);
});
