import assert from "node:assert/strict";
import { machineDirectories, SimulatedMachine } from "../../../../lib/power/simulated/machine.ts";
import { SimulatedPackage } from "../../../../lib/power/simulated/package.ts";
import { registers } from "../../../../lib/power/simulated/registers.ts";

const twoPackages = () => [new SimulatedPackage(), new SimulatedPackage(undefined, { seed: 2, energyCount: 2 ** 31 })];

/** The value behind a file or a register, by name. */
function valueOf(machine: SimulatedMachine, name: string): bigint {
  const values = new BigUint64Array(machine.names.length);
  machine.read(values);
  const index = machine.names.indexOf(name);
  assert.ok(index >= 0, name);
  return values[index];
}

const zone = "sys/class/powercap/intel-rapl/intel-rapl:0";

Deno.test("a machine has one MSR file for each CPU, counted through its packages", () => {
  const { files } = new SimulatedMachine(twoPackages());
  const devices = files.filter(({ kind }) => kind === "registers").map(({ path }) => path);
  assert.deepEqual(devices, Array.from({ length: 32 }, (_, cpu) => `dev/cpu/${cpu}/msr`));
});

Deno.test("each file is once there, in a directory that is put over the machine's", () => {
  const paths = new SimulatedMachine(twoPackages()).files.map(({ path }) => path);
  assert.equal(new Set(paths).size, paths.length);
  for (const path of paths) assert.ok(machineDirectories.some((directory) => path.startsWith(`${directory}/`)), path);
});

Deno.test("CPUs of a package share its registers, and have their own", () => {
  const { files } = new SimulatedMachine(twoPackages());
  const valueAt = (cpu: number, register: number) => {
    const file = files.find(({ path }) => path === `dev/cpu/${cpu}/msr`);
    assert.ok(file?.kind === "registers");
    return file.registers.find(({ number }) => number === register)?.value;
  };
  assert.equal(valueAt(0, registers.PKG_POWER_LIMIT), valueAt(15, registers.PKG_POWER_LIMIT));
  assert.notEqual(valueAt(15, registers.PKG_POWER_LIMIT), valueAt(16, registers.PKG_POWER_LIMIT));
  assert.notEqual(valueAt(0, registers.HWP_REQUEST), valueAt(1, registers.HWP_REQUEST));
});

Deno.test("a power zone counts energy in microjoules, and wraps where it says", () => {
  const machine = new SimulatedMachine(twoPackages());
  assert.equal(valueOf(machine, "sys/class/powercap/intel-rapl/intel-rapl:1/energy_uj"), BigInt(2 ** 31 / 2 ** 14 * 1e6));
  const range = machine.files.find(({ path }) => path === `${zone}/max_energy_range_uj`);
  assert.ok(range?.kind === "text");
  assert.equal(range.text, `${Math.floor((2 ** 32 - 1) / 2 ** 14 * 1e6)}\n`);
});

Deno.test("a limit written in microwatts changes its field of the register, and nothing else", () => {
  const machine = new SimulatedMachine(twoPackages());
  const before = machine.packages[0].read(0, registers.PKG_POWER_LIMIT)!;
  machine.write([{ value: `${zone}/constraint_1_power_limit_uw`, bits: 150_062_500n }]);
  const after = machine.packages[0].read(0, registers.PKG_POWER_LIMIT)!;
  assert.equal(after >> 32n & 0x7fffn, 1200n);
  assert.equal(before ^ after, ((before >> 32n & 0x7fffn) ^ 1200n) << 32n);
  assert.equal(valueOf(machine, `${zone}/constraint_1_power_limit_uw`), 150_000_000n);
});

Deno.test("a window that is written is rounded down to one that there is", () => {
  const machine = new SimulatedMachine(twoPackages());
  machine.write([{ value: `${zone}/constraint_0_time_window_us`, bits: 46_000n }]);
  assert.equal(valueOf(machine, `${zone}/constraint_0_time_window_us`), 39_062n);
});

Deno.test("a zone that is switched off loses enable and clamp, and gets both back", () => {
  const machine = new SimulatedMachine(twoPackages());
  const bits = () => machine.packages[0].read(0, registers.PKG_POWER_LIMIT)! >> 15n & 3n;
  machine.write([{ value: `${zone}/enabled`, bits: 0n }]);
  assert.equal(bits(), 0n);
  machine.write([{ value: `${zone}/enabled`, bits: 1n }]);
  assert.equal(bits(), 3n);
});

Deno.test("a write to a value that nobody may write does nothing", () => {
  const machine = new SimulatedMachine(twoPackages());
  const before = valueOf(machine, `${zone}/energy_uj`);
  machine.write([{ value: `${zone}/energy_uj`, bits: 5n }, { value: "nothing", bits: 5n }]);
  assert.equal(valueOf(machine, `${zone}/energy_uj`), before);
});

Deno.test("sensors agree with the registers, and time passes in all packages", () => {
  const machine = new SimulatedMachine(twoPackages());
  machine.advance(0.5);
  for (const [index, package_] of machine.packages.entries()) {
    assert.equal(package_.truth().seconds, 0.5);
    const below = Number(package_.read(0, registers.PACKAGE_THERM_STATUS)! >> 16n & 0x7fn);
    assert.equal(valueOf(machine, `sys/class/hwmon/hwmon${2 * index}/temp1_input`), BigInt((96 - below) * 1000));
    const { powerWatts, dramWatts } = package_.truth();
    const watts = Number(valueOf(machine, `sys/class/hwmon/hwmon${2 * index + 1}/power1_average`)) / 1e6;
    assert.ok(Math.abs(watts - powerWatts - dramWatts) < 1e-5);
  }
});
