import assert from "node:assert/strict";
import { clockNs } from "../../../../ffi/mod.ts";
import { findActuators } from "../../../../lib/power/governor/actuators.ts";
import { guessTdpWatts } from "../../../../lib/power/governor/part.ts";
import { packagePlaces } from "../../../../lib/power/governor/places.ts";
import { knowPackage, laddersOf } from "../../../../lib/power/governor/platform.ts";
import { register } from "../../../../lib/power/registers.ts";
import { Registry } from "../../../../lib/power/registry.ts";
import { intel, intelWithKernel, PowerMachine, type PowerMachineParts, typicalLimits, withRegisters } from "../machines.ts";

// The library opens on first use and stays open: within a test that would count as a leak.
clockNs();
{
  using machine = new PowerMachine(intelWithKernel);
  using registry = Registry.open(machine);
  registry.plan("package0/power-limit", 100);
}

function know(parts: PowerMachineParts) {
  using machine = new PowerMachine(parts);
  using registry = Registry.open(machine);
  const [place] = packagePlaces(registry);
  const found = findActuators(registry, place);
  return { place, found, known: knowPackage(registry, place, found) };
}

Deno.test("the kernel's zone says what a package is made for, its register what it can be limited to", () => {
  const { known: { part, info, minHz, maxHz } } = know(intelWithKernel);
  assert.deepEqual([part.tdpWatts, info.minWatts, info.maxWatts, minHz, maxHz], [205, 60, 410, 1e9, 3.2e9]);
});

Deno.test("without a zone it is the limit that is set, also a locked one; without that a guess", () => {
  assert.equal(know(intel).known.part.tdpWatts, 150);
  assert.equal(know(withRegisters(intel, { [register.packageLimit]: typicalLimits | 1n << 63n })).known.part.tdpWatts, 150);
  const files = Object.fromEntries(Object.entries(intelWithKernel.files).filter(([path]) => !path.includes("constraint")));
  assert.equal(know({ files }).known.part.tdpWatts, guessTdpWatts(2));
  assert.equal(guessTdpWatts(16), 205);
});

Deno.test("frequencies above the one that is allowed are on no ladder", () => {
  const path = "/sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq";
  const files = { ...intelWithKernel.files, [path]: "1800000\n", [path.replace("policy0", "policy1")]: "1500000\n" };
  const { place, found, known } = know({ ...intelWithKernel, files });
  const ladders = laddersOf(known, place, found, 2, 1);
  assert.deepEqual([...ladders.keys()], [1, 2]);
  assert.deepEqual([...ladders.values()].map((ladder) => ladder.at(-1)!.frequencyHz), [1.8e9, 1.8e9]);
});
