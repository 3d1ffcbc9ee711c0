import assert from "node:assert/strict";
import { errnoText } from "../../../ffi/errors.ts";
import { clockNs } from "../../../ffi/mod.ts";
import { msrWriteMask } from "../../../ffi/msr.ts";
import { Sampler } from "../../../ffi/sampler.ts";
import { readTopology } from "../../../lib/kernel/topology.ts";
import type { Meter, MeterSample, Provider } from "../../../lib/power/meter.ts";
import { MsrProvider } from "../../../lib/power/providers/msr.ts";
import { Registry } from "../../../lib/power/registry.ts";
import { register } from "../../../lib/power/registers.ts";
import { energy, temperature } from "./trace/meters.ts";
import { bare, intel, PowerMachine, withRegisters } from "./machines.ts";

// The library opens on first use and stays open: within a test that would count as a leak.
errnoText(1);
clockNs();
msrWriteMask(0);
assert.throws(() => new Sampler("/nowhere", { requests: [], periodNs: 0 }));

/** A provider in memory; with `batches`, one that has a thread. */
class Fake implements Provider {
  readonly lacks = [];
  readonly plan = () => [];
  readonly sample: Provider["sample"];
  /** What the thread was asked for. */
  asked: { names: string[]; periodSeconds: number } | null = null;
  isOver = false;

  constructor(readonly name: string, readonly meters: readonly Meter[], batches?: MeterSample[][] | null) {
    if (batches === undefined) return;
    this.sample = (meters, periodSeconds) => {
      this.asked = { names: meters.map(({ name }) => name), periodSeconds };
      if (batches === null) return null;
      return { read: () => batches.shift() ?? [], [Symbol.dispose]: () => void (this.isOver = true) };
    };
  }

  prepare(meters: readonly Meter[]) {
    return () => meters.map(() => 7);
  }

  [Symbol.dispose](): void {}
}

const slow = { ...temperature, name: "core0/temperature", provider: "hwmon" };
const sample = (atNs: number, value: number | null): MeterSample => ({ atNs: BigInt(atNs), values: [value] });

function sampled(batches: MeterSample[][], clock: number[]) {
  const provider = new Fake("msr", [energy], batches);
  const registry = new Registry([new Fake("hwmon", [slow]), provider], () => BigInt(clock.shift() ?? 0));
  return { provider, sampler: registry.sampler([slow.name, energy.name], 0.001)! };
}

Deno.test("meters of a thread are in all samples, the others in the one that is nearest to their time", () => {
  // Each reading asks the clock before and after.
  const { provider, sampler } = sampled([[sample(10, 1), sample(20, 2), sample(30, null)], [sample(40, 4), sample(50, 5)]], [
    24,
    24,
    46,
    46,
  ]);
  assert.deepEqual(provider.asked, { names: [energy.name], periodSeconds: 0.001 });
  assert.deepEqual(sampler.read().map(({ values }) => values), [[null, 1], [7, 2], [null, null]]);
  assert.deepEqual(sampler.read(), [{ atNs: 40n, values: [null, 4] }, { atNs: 50n, values: [7, 5] }]);
  assert.deepEqual(sampler.read(), []);
  sampler[Symbol.dispose]();
  assert.ok(provider.isOver);
});

Deno.test("a reading before or after all samples is in the first or the last", () => {
  const { sampler } = sampled([[sample(10, 1), sample(20, 2)], [sample(30, 3), sample(40, 4)]], [1, 1, 99, 99]);
  assert.deepEqual(sampler.read().map(({ values }) => values[0]), [7, null]);
  assert.deepEqual(sampler.read().map(({ values }) => values[0]), [null, 7]);
});

Deno.test("without a provider that has a thread nothing is sampled", () => {
  const names = [energy.name, slow.name];
  assert.equal(new Registry([new Fake("hwmon", [slow, energy])]).sampler(names, 0.001), null);
  assert.equal(new Registry([new Fake("hwmon", [slow]), new Fake("msr", [energy], null)]).sampler(names, 0.001), null);
});

Deno.test("a thread reads the registers of meters as a snapshot has them, each register once", async () => {
  using machine = new PowerMachine(withRegisters(intel, { [register.packageThermal]: 0n }));
  using registry = new Registry([new MsrProvider(machine, readTopology(machine))]);
  const names = registry.meters.map(({ name }) => name);
  using sampler = registry.sampler(names, 0.001)!;
  const samples: MeterSample[] = [];
  while (samples.length < 5) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    samples.push(...sampler.read());
  }
  const { values } = registry.snapshot(names);
  for (const [index, sample] of samples.entries()) {
    assert.deepEqual(sample.values, values);
    assert.ok(index === 0 || sample.atNs > samples[index - 1].atNs);
  }
});

Deno.test("registers that something else than devices shows are not sampled", () => {
  using machine = new PowerMachine({ files: bare.files });
  const reader = {
    read: (requests: readonly unknown[]) => ({
      atNs: 0n,
      tookNs: 0,
      values: BigUint64Array.from(requests, () => 0xa0e03n),
      errors: new Int32Array(requests.length),
    }),
  };
  using registry = new Registry([new MsrProvider(machine, readTopology(machine), "msr", reader)]);
  assert.equal(registry.sampler([registry.meters[0].name], 0.001), null);
});
