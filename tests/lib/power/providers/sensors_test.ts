import assert from "node:assert/strict";
import { readTopology } from "../../../../lib/kernel/topology.ts";
import { hwmonProvider, thermalProvider } from "../../../../lib/power/providers/sensors.ts";
import { Registry } from "../../../../lib/power/registry.ts";
import { bare, intel, PowerMachine } from "../machines.ts";

const chip = (number: number, files: Record<string, string>) =>
  Object.fromEntries(Object.entries(files).map(([name, text]) => [`/sys/class/hwmon/hwmon${number}/${name}`, text]));

const files = {
  ...intel.files,
  ...chip(0, {
    "name": "coretemp\n",
    "temp1_label": "Package id 1\n",
    "temp1_input": "56000\n",
    "temp1_crit": "96000\n",
    "temp3_label": "Core 1\n",
    "temp3_input": "46000\n",
    "temp4_label": "Core 9\n",
    "temp4_input": "47000\n",
  }),
  ...chip(1, {
    "name": "power_meter\n",
    "power1_average": "412000000\n",
    "power1_input": "1\n",
    "power2_label": "PSU 2\n",
    "power2_input": "200500000\n",
    "temp1_average": "1\n",
  }),
  "/sys/class/thermal/thermal_zone3/type": "acpitz\n",
  "/sys/class/thermal/thermal_zone3/temp": "27800\n",
  "/sys/class/thermal/cooling_device0/type": "Processor\n",
};

Deno.test("hwmonProvider() knows packages and cores by their labels, and prefers averages of power", () => {
  using machine = new PowerMachine({ files });
  using registry = new Registry([hwmonProvider(machine, readTopology(machine))], () => 0n);
  const names = registry.meters.map(({ name }) => name);
  assert.deepEqual(names, [
    "core3/temperature",
    "node/coretemp0-core-9-temperature",
    "node/power-meter1-power1-power",
    "node/power-meter1-psu-2-power",
    "package1/temperature",
  ]);
  assert.deepEqual(registry.snapshot(names).values, [46, 47, 412, 200.5, 56]);
  assert.equal(registry.find("package1/temperature").range.max, 96);
});

Deno.test("thermalProvider() reads zones, and no cooling devices", () => {
  using machine = new PowerMachine({ files });
  using registry = new Registry([thermalProvider(machine)], () => 0n);
  assert.deepEqual(registry.snapshot(["node/acpitz3-temperature"]).values, [27.8]);
  assert.equal(registry.meters.length, 1);
});

Deno.test("a machine without sensors says so", () => {
  using machine = new PowerMachine(bare);
  using provider = hwmonProvider(machine, readTopology(machine));
  assert.deepEqual(provider.lacks, [{ what: "/sys/class/hwmon", why: "the kernel has no sensors" }]);
});
