import assert from "node:assert/strict";
import { typicalPart } from "../../../../lib/power/governor/part.ts";
import { serverPackage } from "../../../../lib/power/simulated/parameters.ts";

Deno.test("a typical part of the simulated package's size is that package", () => {
  const { tdpWatts, coreCount, minHz, baseHz, maxHz, binHz, uncoreWatts, staticWatts, dynamicWatts, dieKelvinPerWatt } = serverPackage;
  const part = typicalPart(tdpWatts, coreCount, minHz, maxHz);
  assert.deepEqual(
    [part.baseHz, part.binHz, part.uncoreWatts, part.staticWatts, part.baseWatts, part.thermal.dieKelvinPerWatt],
    [baseHz, binHz, uncoreWatts, staticWatts, uncoreWatts + staticWatts + dynamicWatts, dieKelvinPerWatt],
  );
  const half = typicalPart(tdpWatts / 2, coreCount / 2, minHz, maxHz);
  assert.equal(half.thermal.dieKelvinPerWatt * half.tdpWatts, dieKelvinPerWatt * tdpWatts, "it gets as hot");
  assert.equal(half.coreKelvinPerWatt, part.coreKelvinPerWatt, "as its cores are of the same size");
});
