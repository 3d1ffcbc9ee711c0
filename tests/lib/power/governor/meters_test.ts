import assert from "node:assert/strict";
import { PackageMeters } from "../../../../lib/power/governor/meters.ts";
import type { Meter } from "../../../../lib/power/meter.ts";
import { meter as anyMeter } from "../meters.ts";

const second = 1_000_000_000n;
const place = { package: 0, cpus: new Set([0, 1]), cores: [0, 1] };

function meter(name: string, kind: "counter" | "gauge", more: Partial<Meter> = {}): Meter {
  return anyMeter(name, { unit: "J", kind, resolution: 0.5, ...kind === "counter" ? { wrap: 1000 } : {}, ...more });
}

Deno.test("power is what counters of energy have grown by, also over a wrap, of all dies together", () => {
  const found = new PackageMeters({ meters: [meter("package0/die0-energy", "counter"), meter("package0/die1-energy", "counter")] }, place);
  assert.deepEqual(found.names, ["package0/die0-energy", "package0/die1-energy"]);
  assert.equal(found.take(second, [990, 10]).powerWatts, null, "nothing is known after one reading");
  assert.equal(found.take(3n * second, [20, 50]).powerWatts, 35);
  assert.equal(found.take(4n * second, [20, null]).powerWatts, null);
  assert.equal(found.take(5n * second, [30, 70]).powerWatts, 20, "the missed one is made good");
  assert.equal(found.take(5n * second, [30, 70]).powerWatts, null, "no time has passed");
});

Deno.test("a counter that was read too late tells nothing", () => {
  const found = new PackageMeters({ meters: [meter("package0/energy", "counter")] }, place);
  found.take(second, [1]);
  assert.equal(found.take(60n * second, [2]).powerWatts, null);
});

Deno.test("without a counter, a power does; with one, it is left alone", () => {
  const power = meter("package0/power", "gauge", { unit: "W" });
  const found = new PackageMeters({ meters: [power] }, place);
  found.take(second, [80]);
  assert.equal(found.take(2n * second, [90]).powerWatts, 90);
  assert.deepEqual(new PackageMeters({ meters: [meter("package0/energy", "counter"), power] }, place).names, ["package0/energy"]);
  const secret = meter("package0/power", "gauge", { permission: "it is not permitted" });
  assert.equal(new PackageMeters({ meters: [secret] }, place).hasPower, false);
});

Deno.test("the hottest core is that of the package's sensor, else of its cores; what is not known is null", () => {
  const celsius = (name: string) => meter(name, "gauge", { unit: "degC" });
  const cores = [celsius("core0/temperature"), celsius("core1/temperature"), celsius("core2/temperature")];
  const both = new PackageMeters({ meters: [...cores, celsius("package0/temperature")] }, place);
  assert.deepEqual(both.names, ["package0/temperature", "core0/temperature", "core1/temperature"]);
  assert.deepEqual(both.take(second, [70, 60, 65]), { powerWatts: null, hottestCelsius: 70, coreCelsius: [60, 65], limitedShare: null });
  assert.equal(both.take(2n * second, [null, 60, 65]).hottestCelsius, 65);
  assert.equal(new PackageMeters({ meters: cores }, place).take(second, [60, null]).hottestCelsius, 60);
  assert.equal(new PackageMeters({ meters: [] }, place).take(second, []).hottestCelsius, null);
});

Deno.test("the share of the time in which the limit held cores back comes from its counter", () => {
  const throttled = meter("package0/throttled-time", "counter", { unit: "s", resolution: 1 / 1024, wrap: 4194304 });
  const found = new PackageMeters({ meters: [throttled] }, place);
  found.take(second, [10]);
  assert.equal(found.take(3n * second, [11.5]).limitedShare, 0.75);
  assert.equal(found.take(4n * second, [null]).limitedShare, 0);
});
