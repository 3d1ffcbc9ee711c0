import assert from "node:assert/strict";
import { clockNs } from "../../../../ffi/mod.ts";
import { packagePlaces } from "../../../../lib/power/governor/places.ts";
import type { Meter } from "../../../../lib/power/meter.ts";
import { Registry } from "../../../../lib/power/registry.ts";
import { bare, intelWithKernel, PowerMachine } from "../machines.ts";

// The library opens on first use and stays open: within a test that would count as a leak.
clockNs();
{
  using machine = new PowerMachine(intelWithKernel);
  using registry = Registry.open(machine);
  registry.plan("package0/power-limit", 100);
}

const meter = (name: string, kind: "package" | "cpu", index: number) => ({ name, domain: { kind, index } }) as Meter;

Deno.test("packagePlaces() finds the CPUs and cores of each package that shows its power", () => {
  using machine = new PowerMachine(intelWithKernel);
  using registry = Registry.open(machine);
  assert.deepEqual(packagePlaces(registry), [
    { package: 0, cpus: new Set([0, 1]), cores: [0, 1] },
    { package: 1, cpus: new Set([2, 3]), cores: [2, 3] },
  ]);
});

Deno.test("packagePlaces() shares out the CPUs of a simulated machine, of which the kernel knows nothing, in their order", () => {
  using machine = new PowerMachine(bare);
  using registry = Registry.open(machine);
  assert.deepEqual(packagePlaces(registry), []);
  const cpus = Array.from({ length: 8 }, (_, cpu) => meter(`cpu${cpu}/frequency-max`, "cpu", cpu));
  const meters = [meter("package0/energy", "package", 0), meter("package1/die0-energy", "package", 1), ...cpus];
  for (const topology of [registry.topology, null]) {
    assert.deepEqual(packagePlaces({ meters, topology }), [
      { package: 0, cpus: new Set([0, 1, 2, 3]), cores: [0, 1, 2, 3] },
      { package: 1, cpus: new Set([4, 5, 6, 7]), cores: [4, 5, 6, 7] },
    ]);
  }
});

Deno.test("energy of cores and of memory is none of a package", () => {
  const names = ["package0/cores-energy", "dram0/energy", "psys0/energy", "gpu0/power", "package0/power-limit", "package0/energy-extra"];
  assert.deepEqual(packagePlaces({ meters: names.map((name) => meter(name, "package", 0)), topology: null }), []);
});
