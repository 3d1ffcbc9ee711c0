import assert from "node:assert/strict";
import { coreWatts, leakageFactor } from "../../../../lib/power/simulated/electrical.ts";
import { serverPackage } from "../../../../lib/power/simulated/parameters.ts";
import { Noise } from "../../../../lib/power/simulated/random.ts";
import { drawPart, variations } from "../../../../lib/power/simulated/variation.ts";

Deno.test("power of 1,920 parts at the nominal frequency differs by about 2.7, 3.7 and 5.5 %", () => {
  const noise = new Noise(9);
  const expected = { mild: 0.027, typical: 0.037, severe: 0.055 } as const;
  for (const variation of Object.keys(variations) as (keyof typeof variations)[]) {
    const watts = Array.from({ length: 1920 }, () => {
      const part = drawPart(serverPackage, noise, variation);
      const load = { isBusy: true, activity: 1, duty: 1 };
      return part.uncoreWatts + part.coreCount * coreWatts(part, load, part.baseHz, leakageFactor(part, 65));
    });
    const mean = watts.reduce((sum, one) => sum + one, 0) / watts.length;
    const deviation = Math.sqrt(watts.reduce((sum, one) => sum + (one - mean) ** 2, 0) / watts.length);
    assert.ok(Math.abs(deviation / mean / expected[variation] - 1) < 0.12, `${variation}: ${deviation / mean}`);
  }
});
