import assert from "node:assert/strict";
import { SysError } from "../../ffi/errors.ts";
import { clockNs } from "../../ffi/mod.ts";
import { libraryPath } from "../../ffi/library.ts";
import { cards, managementPort, MsrDevices, msrWriteMask, PerfGroup, type Sample, Sampler } from "../../ffi/power.ts";
import { bare, intel, PowerMachine, typicalLimits } from "../lib/power/machines.ts";
import { register } from "../../lib/power/registers.ts";
import { sanitizer } from "./sanitizer.ts";

// The library opens on first use and stays open: within a test that would count as a leak.
clockNs();
msrWriteMask(0);
for (
  const call of [
    () => new Sampler("/nowhere", { requests: [], periodNs: 0 }),
    () => managementPort.call(0, 0),
    () => new MsrDevices("/nowhere"),
  ]
) {
  assert.throws(call, SysError);
}

const code = (expected: string) => (error: unknown) => error instanceof SysError && error.code === expected;
const settle = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

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

async function samplesOf(sampler: Sampler, count: number): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (let tries = 0; samples.length < count && tries < 500; tries++) {
    await settle(10);
    samples.push(...sampler.read());
  }
  return samples;
}

Deno.test("a sampler reads registers in every period, in order and each once", async () => {
  using machine = new PowerMachine(intel);
  const requests = [{ cpu: 0, address: register.packageEnergy }, { cpu: 9, address: 0 }, { cpu: 2, address: register.raplUnit }];
  using sampler = new Sampler(machine.base, { requests, periodNs: 1e6, capacity: 4096 });
  const samples = await samplesOf(sampler, 30);
  assert(samples.length >= 30);
  assert.deepEqual(samples.map(({ sequence }) => sequence), samples.map((_, index) => index));
  for (const [index, sample] of samples.entries()) {
    assert.deepEqual(sample.values, [0x4000n, null, 0xa0e03n]);
    assert(index === 0 || sample.atNs > samples[index - 1].atNs);
  }
  const { sampleCount, missedCount, failedCount } = sampler.state();
  assert(sampleCount >= samples.length && missedCount >= 0 && failedCount >= samples.length);
});

Deno.test("a sampler keeps the newest samples, and their numbers say what was overwritten", async () => {
  using machine = new PowerMachine(intel);
  const requests = [{ cpu: 0, address: register.packageEnergy }];
  using sampler = new Sampler(machine.base, { requests, periodNs: 100_000, capacity: 4 });
  while (sampler.state().sampleCount < 50) await settle(5);
  const samples = sampler.read();
  assert(samples.length <= 4);
  assert(samples.every(({ sequence }) => sequence >= 40));
});

Deno.test("a sampler counts the periods that it could not keep", async () => {
  using machine = new PowerMachine(intel);
  const requests = Array.from({ length: 20_000 }, (_, index) => ({ cpu: index % 4, address: register.aperf }));
  using sampler = new Sampler(machine.base, { requests, periodNs: 10_000, capacity: 2 });
  while (sampler.state().sampleCount < 3) await settle(5);
  const { sampleCount, missedCount } = sampler.state();
  assert(missedCount > sampleCount);
});

Deno.test("a sampler ends by its descriptor, and its ring can be looked at by others", async () => {
  using machine = new PowerMachine(intel);
  using sampler = new Sampler(machine.base, { requests: [{ cpu: 0, address: 0x606 }], periodNs: 1e6 });
  await samplesOf(sampler, 2);
  const [ring, stop] = [sampler.ringFd(), sampler.stopFd()];
  const head = new Uint8Array(Deno.readFileSync(`/proc/self/fd/${ring}`).subarray(0, 8));
  assert.deepEqual([...new Uint32Array(head.buffer)], [0x676e6952, 1]);
  const libc = Deno.dlopen("libc.so.6", {
    write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
    ftruncate: { parameters: ["i32", "isize"], result: "i32" },
  });
  // Who has the ring can neither cut nor change it.
  assert.equal(libc.symbols.ftruncate(ring, 0n), -1);
  assert.equal(libc.symbols.write(ring, BigUint64Array.of(1n), 8n), -1n);
  assert.equal(libc.symbols.write(stop, BigUint64Array.of(1n), 8n), 8n);
  libc.close();
  await settle(20);
  const { sampleCount } = sampler.state();
  await settle(20);
  assert.equal(sampler.state().sampleCount, sampleCount);
  const close = Deno.dlopen(libraryPath(), { nodeos_close: { parameters: ["i32"], result: "i32" } });
  for (const fd of [ring, stop]) close.symbols.nodeos_close(fd);
  close.close();
});

Deno.test("a sampler refuses what makes no sense, and says what it was not given", async () => {
  using machine = new PowerMachine(intel);
  const requests = [{ cpu: 0, address: 0x606 }];
  const wrong = [{ periodNs: 9999 }, { periodNs: -1 }, { periodNs: NaN }, { capacity: 1 }, { capacity: 2 ** 21 }, { priority: 100 }, {
    priority: -1,
  }];
  for (const change of wrong) assert.throws(() => new Sampler(machine.base, { requests, periodNs: 1e6, ...change }), code("EINVAL"));
  assert.throws(() => new Sampler(machine.base, { requests: [], periodNs: 1e6 }), code("EINVAL"));
  assert.throws(() => new Sampler(`${machine.base}/nowhere`, { requests, periodNs: 1e6 }), code("ENOENT"));
  using sampler = new Sampler(machine.base, { requests, periodNs: 1e6, cpu: 4000 });
  await samplesOf(sampler, 1);
  assert.equal(sampler.state().placement, -22);
});

Deno.test("a group of counters is read at once, and counts on", async () => {
  // Two clocks that the kernel keeps itself, of this process.
  using group = new PerfGroup([{ type: 1, config: 0n }, { type: 1, config: 1n }], { pid: 0 });
  const first = group.read();
  await settle(5);
  const second = group.read();
  assert.equal(first.values.length, 2);
  assert(second.atNs > first.atNs && second.enabledNs >= first.enabledNs);
  assert(second.values.every((value, index) => value >= first.values[index]));
});

Deno.test("a group of counters refuses events that nobody has, and none at all", () => {
  assert.throws(() => new PerfGroup([], { cpu: 0 }), code("EINVAL"));
  assert.throws(() => new PerfGroup([{ type: 1, config: 0n }, { type: 0x7fffffff, config: 1n }], { pid: 0 }), SysError);
  const group = new PerfGroup([{ type: 1, config: 1n }], { pid: 0 });
  group[Symbol.dispose]();
  group[Symbol.dispose]();
  assert.throws(() => group.read(), code("EBADF"));
});

Deno.test("the management port takes only messages of our list, with the words that they have", () => {
  for (const message of [0, 0x0c, 0x0d, 0x12, 0x21, 0x22, 0x99]) assert.throws(() => managementPort.call(0, message), code("EACCES"));
  assert.throws(() => managementPort.call(0, 0x05), code("EINVAL"));
  assert.throws(() => managementPort.call(-1, 0x04), code("EINVAL"));
  assert.throws(() => managementPort.call(0, 0x04, [1]), code("EINVAL"));
});

Deno.test("graphics cards are none without their driver's library [needs a machine without one]", {
  ignore: Deno.build.os !== "linux" || hasCards(),
}, () => {
  assert.equal(cards.count(), 0);
  assert.throws(() => cards.fact(0, "powerMilliwatts"), code("ENOENT"));
  assert.throws(() => cards.setLimit(0, 1000), code("ENOENT"));
  assert.throws(() => cards.setLimit(0, 0.5), code("EINVAL"));
});

function hasCards(): boolean {
  return cards.count() > 0;
}

Deno.test("graphics cards are read, and one is set, through the library of their driver", async () => {
  const directory = Deno.makeTempDirSync({ prefix: "nodeos-cards-" });
  try {
    const here = new URL(".", import.meta.url).pathname;
    const args = ["-shared", "-fPIC", "-o", `${directory}/libnvidia-ml.so.1`, `${here}power_cards.c`];
    assert((await new Deno.Command("gcc", { args }).output()).success);
    const env = { ...sanitizer, LD_LIBRARY_PATH: directory };
    const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["run", "-q", "-A", `${here}power_cards.ts`], env }).output();
    assert.deepEqual(JSON.parse(new TextDecoder().decode(stdout)), {
      list: [
        ["GPU-0000-0", 71250, 2 ** 40, 300000, 100000, 350000, null, 55, 1410],
        ["GPU-0000-1", 71251, null, 250000, 100000, 350000, null, 55, 1410],
      ],
      refusals: ["EPERM", "ENODEV", "EINVAL", "ENODEV"],
      limits: ["200000", "250000", null],
    });
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
