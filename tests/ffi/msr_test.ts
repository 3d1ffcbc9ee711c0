import assert from "node:assert/strict";
import { SysError } from "../../ffi/errors.ts";
import { clockNs } from "../../ffi/mod.ts";
import { MsrDevices, msrWriteMask } from "../../ffi/msr.ts";
import { register } from "../../lib/power/registers.ts";
import { bare, intel, PowerMachine, typicalLimits } from "../lib/power/machines.ts";

// The library opens on first use and stays open: within a test that would count as a leak.
clockNs();
msrWriteMask(0);
assert.throws(() => new MsrDevices("/nowhere"), SysError);

const code = (expected: string) => (error: unknown) => error instanceof SysError && error.code === expected;

Deno.test("MsrDevices reads many registers of several CPUs in one call, with one time", () => {
  using machine = new PowerMachine(intel);
  using devices = new MsrDevices(machine.base);
  const requests = [0, 2, 0].map((cpu, index) => ({
    cpu,
    address: [register.raplUnit, register.packageLimit, register.packageEnergy][index],
  }));
  const before = clockNs();
  const { atNs, tookNs, values, errors } = devices.read(requests);
  assert.deepEqual([...values], [0xa0e03n, typicalLimits, 0x4000n]);
  assert.deepEqual([...errors], [0, 0, 0]);
  assert(atNs >= before && atNs + BigInt(tookNs) <= clockNs());
  machine.setRegister(0, register.packageEnergy, 0x4001n);
  assert.equal(devices.read(requests).values[2], 0x4001n);
});

Deno.test("MsrDevices keeps neighbouring registers apart, those of AMD far out as well", () => {
  using machine = new PowerMachine({ files: bare.files, registers: { 0: { 0x610: 2n ** 64n - 1n, 0x611: 7n, 0xc001029b: 9n } } });
  using devices = new MsrDevices(machine.base);
  const { values } = devices.read([0x610, 0x611, 0xc001029b].map((address) => ({ cpu: 0, address })));
  assert.deepEqual([...values], [2n ** 64n - 1n, 7n, 9n]);
});

Deno.test("MsrDevices says of each register why it cannot be read, and reads the others", () => {
  using machine = new PowerMachine(intel);
  using devices = new MsrDevices(machine.base);
  Deno.truncateSync(machine.devicePath(1), register.packageThermal * 8 + 5);
  Deno.symlinkSync("1", `${machine.base}/dev/cpu/7`);
  const places = [[1, register.packageThermal], [1, 0x7fff], [9, 0x10], [7, 0x10], [70_000, 0x10], [3, register.mperf]];
  const { values, errors } = devices.read(places.map(([cpu, address]) => ({ cpu, address })));
  // A short read, the end of the device, no device, a link, no such CPU at all, and one that is there.
  assert.deepEqual([...errors], [-61, -5, -2, -40, -6, 0]);
  assert.deepEqual([...values], [0n, 0n, 0n, 0n, 0n, 1000n]);
});

Deno.test("MsrDevices refuses a directory without devices, and devices that are not files of their own", () => {
  using machine = new PowerMachine({ files: bare.files });
  assert.throws(() => new MsrDevices(machine.base), code("ENOENT"));
  machine.place("/dev/cpu/0/msr", "x".repeat(4096));
  Deno.linkSync(`${machine.base}/dev/cpu/0/msr`, `${machine.base}/other`);
  using devices = new MsrDevices(machine.base);
  assert.deepEqual([...devices.read([{ cpu: 0, address: 0 }]).errors], [-13]);
});

Deno.test("MsrDevices writes the bits that are named, and leaves the others", () => {
  using machine = new PowerMachine(intel);
  using devices = new MsrDevices(machine.base);
  machine.setRegister(0, register.packageLimit, 1n << 62n | 0xff0000n);
  devices.write({ cpu: 0, address: register.packageLimit }, 0x83c0n, 0xffffn);
  assert.equal(machine.register(0, register.packageLimit), 1n << 62n | 0xff83c0n);
  assert.equal(machine.register(2, register.packageLimit), typicalLimits);
});

Deno.test("MsrDevices writes no register and no bit that the library's list does not have", () => {
  using machine = new PowerMachine(intel);
  using devices = new MsrDevices(machine.base);
  const before = machine.state();
  const writes: [address: number, value: bigint, mask: bigint][] = [
    [0x1a0, 1n, 1n],
    [register.packageEnergy, 0n, 0xffn],
    [register.packageLimit, 1n << 63n, 1n << 63n],
    [register.packageLimit, 0n, 0n],
    [register.packageLimit, 0x1ffn, 0xffn],
    [register.clockModulation, 0x20n, 0x20n],
    [0, 1n, 2n ** 64n - 1n],
  ];
  for (const [address, value, mask] of writes) {
    assert.throws(() => devices.write({ cpu: 0, address }, value, mask), code("EACCES"), `0x${address.toString(16)}`);
  }
  assert.equal(machine.state(), before);
  assert.equal(msrWriteMask(register.packageLimit) >> 63n, 0n);
  assert.equal(msrWriteMask(0x10), 0n);
});

Deno.test("MsrDevices is closed once, and then refuses", () => {
  using machine = new PowerMachine(intel);
  const devices = new MsrDevices(machine.base);
  devices[Symbol.dispose]();
  devices[Symbol.dispose]();
  assert.throws(() => devices.read([{ cpu: 0, address: 0 }]), code("EBADF"));
  assert.throws(() => devices.write({ cpu: 0, address: 0x19a }, 0n, 0x1fn), code("EBADF"));
});
