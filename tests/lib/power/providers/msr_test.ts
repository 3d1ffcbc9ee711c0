import assert from "node:assert/strict";
import { errnoText } from "../../../../ffi/errors.ts";
import { type MsrReader, msrWriteMask } from "../../../../ffi/msr.ts";
import { RefusedError } from "../../../../lib/errors.ts";
import { readTopology } from "../../../../lib/kernel/topology.ts";
import { MsrProvider } from "../../../../lib/power/providers/msr.ts";
import { Registry } from "../../../../lib/power/registry.ts";
import { register } from "../../../../lib/power/registers.ts";
import { amd, bare, intel, PowerMachine, type PowerMachineParts, type Registers, withRegisters } from "../machines.ts";

// The library opens on first use and stays open: within a test that would count as a leak.
errnoText(1);
msrWriteMask(0);

/** Registers in memory; those that are not there answer as the kernel does. */
class FakeReader implements MsrReader {
  /** How many registers each call asked for. */
  readonly calls: number[] = [];
  error = -5;
  constructor(readonly registers: Readonly<Record<number, Registers>>) {}
  read(requests: Parameters<MsrReader["read"]>[0]) {
    this.calls.push(requests.length);
    const found = requests.map(({ cpu, address }) => this.registers[cpu]?.[address]);
    return {
      atNs: 0n,
      tookNs: 0,
      values: BigUint64Array.from(found, (value) => value ?? 0n),
      errors: Int32Array.from(found, (value) => value === undefined ? this.error : 0),
    };
  }
}

function registryOf(parts: PowerMachineParts): { registry: Registry; provider: MsrProvider; reader: FakeReader } {
  using machine = new PowerMachine({ files: parts.files });
  const reader = new FakeReader(parts.registers ?? {});
  const provider = new MsrProvider(machine, readTopology(machine), "msr", reader);
  return { registry: new Registry([provider], () => 0n), provider, reader };
}

Deno.test("MsrProvider reads a snapshot of many meters in one call, each register once", () => {
  const { registry, reader } = registryOf(intel);
  const names = registry.meters.map(({ name }) => name);
  const read = registry.reader(names);
  reader.calls.length = 0;
  assert.equal(read().missing.length, 0);
  // Both limits of a package, with their windows, are one register.
  assert.deepEqual(reader.calls, [names.length - 2 * 3 - 2]);
});

Deno.test("MsrProvider says that devices may not be read, and by whom they could", () => {
  using machine = new PowerMachine({ files: intel.files });
  const reader = new FakeReader({});
  reader.error = -13;
  using provider = new MsrProvider(machine, readTopology(machine), "msr-safe", reader);
  assert.deepEqual(provider.meters, []);
  assert.equal(provider.lacks[0].what, "/dev/cpu/0/msr_safe");
  assert.match(provider.lacks[0].why, /needs root/);
});

Deno.test("MsrProvider finds what the hardware's own governor is asked for, where it is on", () => {
  const on = { [register.hwpEnable]: 1n, [register.hwpCapabilities]: 0x080c_1820n, [register.hwpRequest]: 0x8000_2008n };
  const { registry } = registryOf(withRegisters(intel, on));
  const names = ["performance-min", "performance-max", "energy-preference"].map((name) => `cpu0/${name}`);
  assert.deepEqual(registry.snapshot(names).values, [8, 32, 128]);
  assert.deepEqual(registry.find("cpu0/performance-max").range, { min: 8, max: 32 });
  assert.deepEqual(registry.plan("cpu0/performance-max", 20)[0], {
    kind: "msr",
    what: "msr:0:0x774:0xff00",
    to: "0x1400",
    why: "cpu0/performance-max to 20",
  });
  assert(!registry.meters.some(({ name }) => name === "cpu1/performance-max"));
  assert(
    !registryOf(withRegisters(intel, { ...on, [register.hwpEnable]: 0n })).registry.meters.some(({ name }) => name.includes("performance")),
  );
});

/** A machine of Intel's with another model number. */
function modelOf(parts: PowerMachineParts, model: number): PowerMachineParts {
  const cpuinfo = parts.files["/proc/cpuinfo"].replace("85", `${model}`);
  return { ...parts, files: { ...parts.files, "/proc/cpuinfo": cpuinfo } };
}

Deno.test("MsrProvider counts the platform of Sapphire Rapids in joules, and that of others in the register's units", () => {
  const psys = withRegisters(intel, { [register.platformEnergy]: 0x8000n, [register.platformLimit]: 0x1bc00001bc000n });
  const { registry } = registryOf(psys);
  assert.deepEqual(registry.snapshot(["psys0/energy"]).values, [2]);
  assert.ok(registry.find("psys0/power-limit").isWritable);
  const sapphire = registryOf(modelOf(psys, 0x8f)).registry;
  assert.deepEqual(sapphire.snapshot(["psys0/energy", "dram0/energy"]).values, [0x8000, 4]);
  // A limit in the layout of others would be set to something else, and not count.
  assert.throws(() => sapphire.find("psys0/power-limit"), /the register of this processor has another layout; see powercap/);
});

Deno.test("MsrProvider leaves the windows of small cores alone, which have another encoding", () => {
  const names = (parts: PowerMachineParts) => registryOf(parts).registry.meters.map(({ name }) => name);
  const windows = names(intel).filter((name) => name.endsWith("-window"));
  assert.ok(windows.length > 0);
  assert.deepEqual(names(modelOf(intel, 0x37)), names(intel).filter((name) => !windows.includes(name)));
});

Deno.test("MsrProvider tells the dies of a package apart", () => {
  const die = (cpu: number) => [`/sys/devices/system/cpu/cpu${cpu}/topology/die_id`, `${cpu % 2}\n`];
  const files = { ...intel.files, ...Object.fromEntries([0, 1, 2, 3].map(die)) };
  const registers = { ...intel.registers, 1: { ...intel.registers![0], [register.packageEnergy]: 0x8000n } };
  const { registry } = registryOf({ files, registers });
  assert.deepEqual(registry.snapshot(["package0/die0-energy", "package0/die1-energy"]).values, [1, 2]);
});

Deno.test("MsrProvider knows no registers of other makers, and no energies of a virtual machine", () => {
  const cpuinfo = bare.files["/proc/cpuinfo"].replace("GenuineIntel", "CentaurHauls");
  const { provider } = registryOf({ files: { ...bare.files, "/proc/cpuinfo": cpuinfo }, registers: intel.registers });
  assert.deepEqual(provider.meters, []);
  assert.match(provider.lacks[0].why, /"CentaurHauls"/);
  const virtual = registryOf(withRegisters({ ...bare, registers: {} }, { [register.raplUnit]: 0n }));
  assert.match(virtual.provider.lacks[0].why, /a virtual machine does not show them/);
  const hidden = registryOf(withRegisters(amd, { [register.amdPackageEnergy]: 0n }));
  assert.deepEqual(hidden.provider.meters.map(({ name }) => name), ["core0/energy", "core1/energy"]);
});

Deno.test("MsrProvider refuses to plan for a register that went away", () => {
  const { registry, reader } = registryOf(intel);
  delete (reader.registers as Record<number, Registers>)[0];
  reader.error = -6;
  assert.throws(
    () => registry.plan("package0/power-limit", 100),
    (error) => error instanceof RefusedError && /its CPU is off/.test(error.message),
  );
});
