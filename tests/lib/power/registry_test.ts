import assert from "node:assert/strict";
import { clockNs } from "../../../ffi/mod.ts";
import { NoSuchObjectError, RefusedError, UsageError } from "../../../lib/errors.ts";
import { Registry } from "../../../lib/power/registry.ts";
import { register } from "../../../lib/power/registers.ts";
import { requireWhole } from "../../../lib/power/snapshot.ts";
import { amd, bare, intel, intelWithKernel, PowerMachine, type PowerMachineParts, typicalLimits, withRegisters } from "./machines.ts";

// The library opens on first use and stays open: within a test that would count as a leak.
clockNs();
for (const parts of [bare, intel]) {
  using machine = new PowerMachine(parts);
  using _registry = Registry.open(machine);
}

function opened(parts: PowerMachineParts): { machine: PowerMachine; registry: Registry } & Disposable {
  const machine = new PowerMachine(parts);
  const registry = Registry.open(machine);
  return {
    machine,
    registry,
    [Symbol.dispose]() {
      registry[Symbol.dispose]();
      machine[Symbol.dispose]();
    },
  };
}

const whyNot = ({ registry }: { registry: Registry }, name: string) => registry.lacks.find(({ what }) => what === name)?.why;

Deno.test("a registry finds everything that an Intel server has, in the order of names", () => {
  using there = opened(intel);
  const names = there.registry.meters.map(({ name }) => name);
  const ofPackage = (index: number) => [
    `package${index}/energy`,
    `package${index}/power-limit`,
    `package${index}/power-limit-short`,
    `package${index}/power-limit-short-window`,
    `package${index}/power-limit-window`,
    `package${index}/temperature`,
    `package${index}/throttled-time`,
  ];
  const ofMemory = (index: number) => ["energy", "power-limit", "power-limit-window"].map((name) => `dram${index}/${name}`);
  const expected = [
    ...[0, 1, 2, 3].map((core) => `core${core}/temperature`),
    ...[0, 1, 2, 3].flatMap((cpu) => ["aperf", "duty-cycle", "mperf"].map((name) => `cpu${cpu}/${name}`)),
    ...[0, 1].flatMap(ofPackage),
    ...[0, 1].flatMap(ofMemory),
  ];
  assert.deepEqual(new Set(names), new Set(expected));
  assert.deepEqual(names, names.toSorted((a, b) => a.localeCompare(b, "en", { numeric: true })));
});

Deno.test("a registry reads energies, limits and temperatures in SI units", () => {
  using there = opened(intel);
  const names = [
    "package0/energy",
    "dram0/energy",
    "package1/power-limit",
    "package0/power-limit-window",
    "package0/temperature",
    "core0/temperature",
    "cpu0/duty-cycle",
    "package0/throttled-time",
  ];
  // 0x4000 of 2^-14 J; 0x10000 of 2^-16 J, the unit of a server's memory.
  assert.deepEqual(requireWhole(there.registry.snapshot(names)), [1, 1, 150, 1, 56, 46, 100, 1]);
  const { unit, wrap, resolution, domain, provenance, permission } = there.registry.find("dram0/energy");
  assert.deepEqual({ unit, wrap, resolution, domain, permission }, {
    unit: "J",
    wrap: 2 ** 16,
    resolution: 2 ** -16,
    domain: { kind: "dram", index: 0 },
    permission: null,
  });
  assert.equal(provenance, "register 0x619 of CPU 0");
});

Deno.test("a registry prefers registers to the kernel's zones, and has both by their full names", () => {
  using there = opened(intelWithKernel);
  assert.equal(there.registry.find("package0/energy").provider, "msr");
  assert.equal(there.registry.find("powercap:package0/energy").provider, "powercap");
  const { values } = there.registry.snapshot([
    "powercap:package0/energy",
    "powercap:dram0/power-limit",
    "cpu0/frequency",
    "cpu3/frequency-max",
  ]);
  assert.deepEqual(values, [123.456789, 150, 2.4e9, 3.2e9]);
});

Deno.test("a registry without registers has what the kernel shows, and says what root would have to do", () => {
  using there = opened({ files: intelWithKernel.files });
  assert.equal(there.registry.find("package0/energy").provider, "powercap");
  assert.match(whyNot(there, "/dev/cpu") ?? "", /not there; the kernel's module is msr/);
});

Deno.test("a counter of a zone that only root may read is there, and says so", () => {
  using machine = new PowerMachine({ files: intelWithKernel.files });
  const secret = "/sys/class/powercap/intel-rapl:0/energy_uj";
  machine.secret.add(secret);
  using registry = Registry.open(machine);
  assert.match(registry.find("package0/energy").permission ?? "", /needs root/);
  assert.equal(registry.find("package1/energy").permission, null);
  assert.match(whyNot({ registry }, "package0/energy") ?? "", /energy_uj: it is not permitted/);
  assert.deepEqual(registry.snapshot(["package0/energy", "package1/energy"]).values, [null, 123.456789]);
});

Deno.test("a registry finds the energies of an AMD server, and says that its registers have no limit", () => {
  using there = opened(amd);
  assert.deepEqual(there.registry.meters.map(({ name }) => name), ["core0/energy", "core1/energy", "package0/energy"]);
  assert.deepEqual(there.registry.snapshot(["package0/energy", "core1/energy"]).values, [1, 0.125]);
  assert.match(whyNot(there, "package0/power-limit") ?? "", /management port/);
  assert.throws(
    () => there.registry.plan("package0/power-limit", 100),
    (error) => error instanceof NoSuchObjectError && /management port/.test(error.message),
  );
});

Deno.test("a machine without RAPL has none, and every lack has a reason", () => {
  using there = opened(bare);
  assert.deepEqual(there.registry.meters, []);
  assert(there.registry.lacks.length >= 4);
  assert(there.registry.lacks.every(({ why }) => why.length > 10));
  using virtual = opened({ ...bare, registers: { 0: {}, 1: {} } });
  assert.match(whyNot(virtual, "package0/energy") ?? "", /a virtual machine does not show them/);
});

Deno.test("a domain that counts nothing is hidden, as the kernel hides it", () => {
  using there = opened(withRegisters(intel, { [register.dramEnergy]: 0n }));
  assert.throws(
    () => there.registry.find("dram0/energy"),
    (error) => error instanceof NoSuchObjectError && /stands at 0/.test(error.message),
  );
  assert.equal(there.registry.find("dram1/energy").name, "dram1/energy");
  using zones = opened({ files: { ...intelWithKernel.files, "/sys/class/powercap/intel-rapl:0/intel-rapl:0:0/energy_uj": "0\n" } });
  assert.match(whyNot(zones, "dram0/energy") ?? "", /stands at 0/);
});

Deno.test("a limit that the firmware locked can be read and not set", () => {
  using there = opened(withRegisters(intel, { [register.packageLimit]: typicalLimits | 1n << 63n }));
  const meter = there.registry.find("package0/power-limit");
  assert.equal(meter.isWritable, false);
  assert.deepEqual(there.registry.snapshot(["package0/power-limit"]).values, [150]);
  assert.throws(
    () => there.registry.plan("package0/power-limit", 100),
    (error) => error instanceof RefusedError && /locked it until the next reset/.test(error.message),
  );
  assert.equal(there.registry.find("package1/power-limit").isWritable, true);
});

Deno.test("a lock that comes later refuses as well", () => {
  using there = opened(intel);
  there.machine.setRegister(0, register.packageLimit, typicalLimits | 1n << 63n);
  assert.throws(() => there.registry.plan("package0/power-limit", 100), RefusedError);
});

Deno.test("a plan names the register's bits and the file's number, and changes nothing", () => {
  using there = opened(intelWithKernel);
  const before = there.machine.state();
  assert.deepEqual(there.registry.plan("package0/power-limit", 100), [
    { kind: "msr", what: "msr:0:0x610:0x1ffff", to: "0x18320", why: "package0/power-limit to 100 W" },
  ]);
  assert.deepEqual(there.registry.plan("package1/power-limit-short-window", 1), [
    { kind: "msr", what: "msr:2:0x610:0xfe000000000000", to: "0x14000000000000", why: "package1/power-limit-short-window to 1 s" },
  ]);
  assert.deepEqual(there.registry.plan("powercap:package0/power-limit", 99.5), [
    {
      kind: "file",
      what: "/sys/class/powercap/intel-rapl:0/constraint_0_power_limit_uw",
      to: "99500000",
      why: "package0/power-limit to 99.5 W",
    },
  ]);
  assert.equal(there.registry.plan("cpu1/frequency-max", 2.4e9)[0].to, "2400000");
  assert.equal(there.registry.plan("cpu2/duty-cycle", 50)[0].to, "0x18");
  assert.equal(there.machine.state(), before);
});

Deno.test("a plan refuses what is out of range, with what would be right", () => {
  using there = opened(intel);
  for (const value of [NaN, -1, 59.9, 410.1, Infinity, -Infinity]) {
    assert.throws(
      () => there.registry.plan("package0/power-limit", value),
      (error) => error instanceof UsageError && error.remedy === "Give a value from 60 W to 410 W",
    );
  }
  assert.throws(() => there.registry.plan("package0/power-limit-window", -1), UsageError);
  assert.throws(
    () => there.registry.plan("package0/energy", 1),
    (error) => error instanceof RefusedError && /only be read/.test(error.message),
  );
  assert.throws(() => there.registry.plan("package7/power-limit", 100), NoSuchObjectError);
  assert.throws(
    () => there.registry.find("package0/enrgy"),
    (error) => error instanceof NoSuchObjectError && /did you mean "package0\/energy"/.test(error.message),
  );
});

Deno.test("a snapshot has one time for all, also across providers, and reads a register once for all its meters", () => {
  using there = opened(intelWithKernel);
  const names = [
    "package0/energy",
    "cpu0/frequency",
    "package0/power-limit",
    "package0/power-limit-window",
    "powercap:package1/energy",
    "dram1/energy",
  ];
  const reader = there.registry.reader(names);
  const before = clockNs();
  const { atNs, spanNs, values, missing } = reader();
  assert(atNs >= before && spanNs > 0 && atNs + BigInt(spanNs) <= clockNs());
  assert.deepEqual([values.length, missing.length], [names.length, 0]);
  there.machine.setRegister(0, register.packageEnergy, 0x8000n);
  const next = reader();
  assert(next.atNs > atNs);
  assert.deepEqual(next.values, [2, ...values.slice(1)]);
});

Deno.test("a device that vanishes between two reads is missing, and the others are there", () => {
  using there = opened(intelWithKernel);
  const reader = there.registry.reader(["package0/energy", "package1/energy", "cpu3/frequency", "cpu0/frequency"]);
  requireWhole(reader());
  Deno.truncateSync(there.machine.devicePath(2), register.packageEnergy * 8 + 3);
  Deno.removeSync(`${there.machine.base}/sys/devices/system/cpu/cpufreq/policy3`, { recursive: true });
  const snapshot = reader();
  assert.deepEqual(snapshot.values, [1, null, null, 2.4e9]);
  assert.deepEqual(snapshot.missing.map(({ name }) => name), ["package1/energy", "cpu3/frequency"]);
  assert.match(snapshot.missing[0].reason, /ends in the middle of a value/);
  assert.match(snapshot.missing[1].reason, /not there any more/);
  assert.throws(
    () => requireWhole(snapshot),
    (error) => error instanceof RefusedError && /Cannot read package1\/energy: .* 1 others/.test(error.message),
  );
});

Deno.test("a file that was cut short, or holds no number, has no value", () => {
  using there = opened(intelWithKernel);
  const path = "/sys/class/powercap/intel-rapl:0/energy_uj";
  const reader = there.registry.reader(["powercap:package0/energy"]);
  for (const text of ["1234", "", "<unsupported>\n", "12 34\n", "0x12\n"]) {
    there.machine.place(path, text);
    const { values, missing } = reader();
    assert.deepEqual(values, [null], JSON.stringify(text));
    assert.match(missing[0].reason, /no number/);
  }
});

Deno.test("a temperature that is not valid now has no value", () => {
  using there = opened(intel);
  there.machine.setRegister(0, register.packageThermal, 0x0828_0000n);
  const { values, missing } = there.registry.snapshot(["package0/temperature"]);
  assert.deepEqual([values, missing.length], [[null], 1]);
});
