import assert from "node:assert/strict";
import { UsageError } from "../../../lib/errors.ts";
import { eventOf, parseEventName } from "../../../lib/power/papi_events.ts";
import { energyMeter, meter } from "./meters.ts";

Deno.test("eventOf() names a meter with the unit in which it becomes a whole number", () => {
  const meters = [
    energyMeter("package0/energy"),
    meter("package0/power-limit"),
    meter("core3/temperature", { unit: "degC" }),
    meter("cpu5/frequency", { unit: "Hz" }),
    meter("package0/awake", { unit: "%" }),
    meter("package0/power-limit-window", { unit: "s" }),
    meter("cpu5/aperf", { unit: "count", kind: "counter" }),
  ];
  assert.deepEqual(meters.map(eventOf).map(({ name, doc, kind, scale }) => [name, doc, kind, scale]), [
    ["sde:::nodeos::package0_energy_uj", "register of package0/energy, in microjoules", "counter", 1e6],
    ["sde:::nodeos::package0_power_limit_uw", "register of package0/power-limit, in microwatts", "gauge", 1e6],
    ["sde:::nodeos::core3_temperature_mdegc", "register of core3/temperature, in thousandths of a degree Celsius", "gauge", 1e3],
    ["sde:::nodeos::cpu5_frequency_hz", "register of cpu5/frequency, in hertz", "gauge", 1],
    ["sde:::nodeos::package0_awake_ppm", "register of package0/awake, in parts of a million", "gauge", 1e4],
    ["sde:::nodeos::package0_power_limit_window_us", "register of package0/power-limit-window, in microseconds", "gauge", 1e6],
    ["sde:::nodeos::cpu5_aperf", "register of cpu5/aperf", "counter", 1],
  ]);
});

Deno.test("parseEventName() finds the unit again, and knows nothing of the events of others", () => {
  assert.deepEqual(parseEventName("sde:::nodeos::package0_energy_uj"), { unit: "J", kind: "counter", scale: 1e6 });
  assert.deepEqual(parseEventName("sde:::nodeos::package0_power_uw"), { unit: "W", kind: "gauge", scale: 1e6 });
  assert.deepEqual(parseEventName("sde:::nodeos::core3_temperature_mdegc"), { unit: "degC", kind: "gauge", scale: 1e3 });
  assert.deepEqual(parseEventName("sde:::nodeos::cpu5_aperf"), { unit: "count", kind: "gauge", scale: 1 });
  assert.equal(parseEventName("sde:::other::package0_energy_uj"), null);
  assert.equal(parseEventName("PAPI_TOT_CYC"), null);
});

Deno.test("eventOf() refuses names that PAPI would not take", () => {
  for (const name of ["", "a b", "a\0b", "a/".repeat(50), "ü/power", 'a"b']) {
    assert.throws(
      () => eventOf(meter(name)),
      (error) => error instanceof UsageError && /^Cannot make an event of "/.test(error.message),
      name,
    );
  }
  assert.equal(eventOf(meter("a".repeat(92))).name.length, "sde:::nodeos::".length + 95);
});
