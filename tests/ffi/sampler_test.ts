import assert from "node:assert/strict";
import { SysError } from "../../ffi/errors.ts";
import { libraryPath } from "../../ffi/library.ts";
import { type Sample, Sampler } from "../../ffi/sampler.ts";
import { register } from "../../lib/power/registers.ts";
import { intel, PowerMachine } from "../lib/power/machines.ts";

// The library opens on first use and stays open: within a test that would count as a leak.
assert.throws(() => new Sampler("/nowhere", { requests: [], periodNs: 0 }), SysError);

const code = (expected: string) => (error: unknown) => error instanceof SysError && error.code === expected;
const settle = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

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
    assert(sample.atNs >= sampler.startNs + BigInt((sample.sequence + sample.missedCount) * 1e6));
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
