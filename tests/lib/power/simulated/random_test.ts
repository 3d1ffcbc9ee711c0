import assert from "node:assert/strict";
import { Noise } from "../../../../lib/power/simulated/random.ts";

Deno.test("Noise is the same for one seed, and another for another", () => {
  const take = (seed: number) => Array.from({ length: 20 }, ((noise) => () => noise.fraction())(new Noise(seed)));
  assert.deepEqual(take(7), take(7));
  assert.notDeepEqual(take(7), take(8));
});

Deno.test("Noise has the mean and the deviation that it says", () => {
  const noise = new Noise(3);
  const moments = (draw: () => number) => {
    const values = Array.from({ length: 20_000 }, draw);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return [mean, Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length)];
  };
  const [fractionMean, fractionDeviation] = moments(() => noise.fraction());
  assert.ok(Math.abs(fractionMean - 0.5) < 0.01 && Math.abs(fractionDeviation - Math.sqrt(1 / 12)) < 0.01);
  const [mean, deviation] = moments(() => noise.normal());
  assert.ok(Math.abs(mean) < 0.03 && Math.abs(deviation - 1) < 0.03);
});
