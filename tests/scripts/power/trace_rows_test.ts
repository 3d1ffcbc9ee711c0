import assert from "node:assert/strict";
import type { MeterSample, Provider } from "../../../lib/power/meter.ts";
import { Policy } from "../../../lib/power/access/policy.ts";
import type { PapiProvider } from "../../../lib/power/providers/papi.ts";
import { Registry } from "../../../lib/power/registry.ts";
import { Recorder } from "../../../lib/power/trace/recorder.ts";
import { TraceRows } from "../../../scripts/power/trace_rows.ts";
import { energy } from "../../lib/power/trace/meters.ts";
import { MemoryRoot } from "../../machines/memory_root.ts";

/** One counter that adds a joule a millisecond by the clock, and a thread that has the samples of `batches`. */
function machineOf(clock: { ns: bigint }, batches: MeterSample[][]) {
  const ended: boolean[] = [];
  const provider: Provider = {
    name: "msr",
    meters: [energy],
    lacks: [],
    prepare: () => () => [Number(clock.ns) / 1e6],
    sample: () => ({ read: () => batches.shift() ?? [], [Symbol.dispose]: () => void ended.push(true) }),
    plan: () => [],
    [Symbol.dispose]() {},
  };
  const kernel = Object.assign(new MemoryRoot({}), { write() {}, makeDirectory() {}, removeDirectory() {} });
  const registry = new Registry([provider], () => clock.ns);
  return { kernel, registry, policy: Policy.rootOnly, person: { uid: 0, user: "root", groups: [] }, ended, [Symbol.dispose]() {} };
}

const at = (ms: number): MeterSample => ({ atNs: BigInt(ms * 1e6), values: [ms] });

Deno.test("rows of a short period are a thread's, between a first and a last reading of ours", () => {
  const clock = { ns: 10_000_000n };
  const machine = machineOf(clock, [[at(9), at(10), at(11), at(12)], [at(13), at(15)], [at(16)]]);
  const recorder = new Recorder([energy], { periodSeconds: 0.001 });
  {
    using rows = new TraceRows(machine, [energy], recorder, 0.001);
    assert.equal(rows.stepSeconds, 0.02);
    assert.deepEqual(rows.step().map(({ seconds }) => seconds), [0]);
    // What the thread has read before our first reading is no part of it.
    assert.deepEqual(rows.step().map(({ seconds }) => seconds), [0.001, 0.002]);
    assert.deepEqual(rows.step().map(({ seconds }) => seconds), [0.003, 0.005]);
    clock.ns = 17_000_000n;
    assert.deepEqual(rows.end().map(({ seconds }) => seconds), [0.006, 0.007]);
  }
  assert.deepEqual(machine.ended, [true]);
  assert.deepEqual([recorder.missed, Math.round(recorder.summaries()[0].total!)], [1, 7]);
});

Deno.test("when a program starts, counters of PAPI are attached to it and read, and what cannot be counted is said", () => {
  const clock = { ns: 10_000_000n };
  const machine = machineOf(clock, [[at(11), at(12)], [at(12.5), at(14)]]);
  const recorder = new Recorder([energy], { periodSeconds: 0.001 });
  using rows = new TraceRows(machine, [energy], recorder, 0.001);
  const said: string[] = [];
  const context = { say: (text: string) => void said.push(text) };
  assert.equal(rows.onStart(context, machine), undefined);
  const attached: number[] = [];
  const papi = {
    attach: (pid: number) => (attached.push(pid), [{ what: "papi/X", why: "it is not permitted" }]),
  } as unknown as PapiProvider;
  const onStart = rows.onStart(context, { ...machine, papi })!;
  rows.step();
  clock.ns = 13_000_000n;
  assert.deepEqual(onStart(77, true).map(({ seconds }) => seconds), [0.001, 0.002, 0.003]);
  assert.deepEqual([attached, said], [[77], ["nodeos: papi/X is not counted: it is not permitted"]]);
  // Time does not go back: what the thread had read before is left out.
  assert.deepEqual(rows.step().map(({ seconds }) => seconds), [0.004]);
  onStart(78, false);
  assert.match(said.at(-1)!, /could not be held at its start/);
});

Deno.test("rows of a longer period are all ours", () => {
  const clock = { ns: 0n };
  const machine = machineOf(clock, [[at(1)]]);
  using rows = new TraceRows(machine, [energy], new Recorder([energy], { periodSeconds: 0.02 }), 0.02);
  assert.deepEqual([rows.stepSeconds, rows.step().length], [0.02, 1]);
  clock.ns = 20_000_000n;
  assert.deepEqual(rows.step().map(({ seconds }) => seconds), [0.02]);
  assert.deepEqual([rows.end(), machine.ended], [[], []]);
});
