import assert from "node:assert/strict";
import { errnoText, SysError } from "../../../../ffi/errors.ts";
import { clockNs } from "../../../../ffi/mod.ts";
import type { PapiDescription } from "../../../../ffi/papi.ts";
import { RefusedError } from "../../../../lib/errors.ts";
import { type Papi, papiProvider, parsePapiUnit } from "../../../../lib/power/providers/papi.ts";
import { Registry } from "../../../../lib/power/registry.ts";

// The library opens on first use and stays open: within a test that would count as a leak.
errnoText(1);
clockNs();

const plain: PapiDescription = { doc: "", unit: "", isDouble: false, isMoment: false };

/** A PAPI that knows some events. */
class FakePapi implements Papi {
  /** What was opened, and not closed yet. */
  readonly opened: { names: readonly string[]; pid?: number }[] = [];
  /** Values and errors by name. */
  values: Record<string, bigint> = {};
  errors: Record<string, number> = {};
  startErrors: Record<string, number> = {};

  constructor(readonly known: Readonly<Record<string, PapiDescription | number>>) {}

  describe(name: string): PapiDescription | null {
    const found = this.known[name] ?? null;
    if (typeof found === "number") throw new SysError(`find ${name}`, found);
    return found;
  }

  open(names: readonly string[], { pid }: { readonly pid?: number }) {
    const entry = { names, pid };
    this.opened.push(entry);
    return {
      errors: Int32Array.from(names, (name) => this.startErrors[name] ?? 0),
      read: () => ({
        atNs: 0n,
        tookNs: 0,
        values: BigInt64Array.from(names, (name) => this.values[name] ?? 0n),
        errors: Int32Array.from(names, (name) => this.errors[name] ?? 0),
      }),
      [Symbol.dispose]: () => void this.opened.splice(this.opened.indexOf(entry), 1),
    };
  }
}

Deno.test("parsePapiUnit() knows the units that components of PAPI write", () => {
  assert.deepEqual(["nJ", "uW", "mW", "W", "C", "degC", "MHz", "%", "s", "", "packets", "mPa", "J/s"].map(parsePapiUnit), [
    { unit: "J", scale: 1e9 },
    { unit: "W", scale: 1e6 },
    { unit: "W", scale: 1e3 },
    { unit: "W", scale: 1 },
    { unit: "degC", scale: 1 },
    { unit: "degC", scale: 1 },
    { unit: "Hz", scale: 1e-6 },
    { unit: "%", scale: 1 },
    { unit: "s", scale: 1 },
    ...Array.from({ length: 4 }, () => ({ unit: "count", scale: 1 })),
  ]);
});

Deno.test("events of a program have values when it is known, and what cannot be counted of it is said", () => {
  const papi = new FakePapi({ CYCLES: plain, LOCKED: plain, OFF: -95 });
  using provider = papiProvider(["CYCLES", "LOCKED", "OFF"], { isForProgram: true }, papi);
  assert.deepEqual(provider.lacks.map(({ what }) => what), ["papi/OFF"]);
  assert.deepEqual(papi.opened, []);
  const read = provider.prepare(provider.meters);
  const reason = "the program that it is counted for has not started";
  assert.deepEqual(read(), [{ reason }, { reason }]);
  papi.startErrors = { LOCKED: -1 };
  assert.deepEqual(provider.attach(77).map(({ what, why }) => [what, /not permitted/.test(why)]), [["papi/LOCKED", true]]);
  assert.deepEqual(papi.opened, [{ names: ["CYCLES", "LOCKED"], pid: 77 }]);
  papi.values = { CYCLES: 5n };
  papi.errors = papi.startErrors;
  assert.deepEqual([read()[0], typeof read()[1]], [5, "object"]);
  // Once is enough.
  assert.deepEqual([provider.attach(78), papi.opened.length], [[], 1]);
  provider[Symbol.dispose]();
  assert.deepEqual(papi.opened, []);
});

Deno.test("events become meters, as what they are described", () => {
  const papi = new FakePapi({
    PAPI_TOT_CYC: { ...plain, doc: "Total cycles" },
    "rapl:::ENERGY": { ...plain, unit: "nJ" },
    "sensors:::fan": { ...plain, isMoment: true, isDouble: true },
    "sde:::solver::iterations": { ...plain, doc: "solver::iterations" },
  });
  using provider = papiProvider(Object.keys(papi.known), { pid: 12 }, papi);
  assert.deepEqual(papi.opened, [{ names: Object.keys(papi.known), pid: 12 }]);
  assert.deepEqual(provider.meters.map(({ name, unit, kind, resolution, provenance }) => [name, unit, kind, resolution, provenance]), [
    ["papi/PAPI_TOT_CYC", "count", "counter", 1, "event PAPI_TOT_CYC of PAPI: Total cycles"],
    ["papi/rapl:::ENERGY", "J", "counter", 1e-9, "event rapl:::ENERGY of PAPI"],
    ["papi/sensors:::fan", "count", "gauge", Number.EPSILON, "event sensors:::fan of PAPI"],
    ["papi/sde:::solver::iterations", "count", "gauge", 1, "event sde:::solver::iterations of PAPI: solver::iterations"],
  ]);
  assert.ok(provider.meters.every(({ provider, isWritable, permission }) => provider === "papi" && !isWritable && permission === null));
  papi.values = { "rapl:::ENERGY": 2_500_000_000n, "sensors:::fan": new BigInt64Array(new Float64Array([-1.5]).buffer)[0] };
  assert.deepEqual(provider.prepare(provider.meters.toReversed())(), [0, -1.5, 2.5, 0]);
  // PAPI says -1 for what nobody registered; of anything else it is a value.
  papi.values = { PAPI_TOT_CYC: -1n, "sde:::solver::iterations": -1n };
  const readings = provider.prepare(provider.meters)();
  assert.deepEqual([readings[0], readings[3]], [-1, { reason: "it has no value now, or nobody registered it in this process" }]);
});

Deno.test("an event that cannot be counted is lacking, with the reason, and the others are not", () => {
  const papi = new FakePapi({ A: plain, B: plain, C: 95, D: 2, E: 5, "sde:::nodeos::x_uw": { ...plain, doc: "nodeos::x_uw" } });
  papi.startErrors = { B: -16 };
  using provider = papiProvider(["A", "B", "C", "D", "E", "F", "A", "sde:::nodeos::x_uw"], {}, papi);
  assert.deepEqual(provider.meters.map(({ name }) => name), ["papi/A"]);
  assert.deepEqual(provider.lacks.map(({ what, why }) => `${what}: ${why}`), [
    "papi/C: its part of PAPI does not work here: papi_component_avail says why",
    "papi/D: libpapi.so.7 is not installed",
    "papi/E: PAPI could not count it (EIO)",
    "papi/F: PAPI knows no such event here: papi_avail and papi_native_avail list those that there are",
    "papi/sde:::nodeos::x_uw: libnodeos-papi.so is not loaded into this process, or the board of power has no such meter",
    "papi/B: there are too few counters for it beside the others",
  ]);
  papi.errors = { A: -1 };
  assert.deepEqual(provider.prepare(provider.meters)(), [
    { reason: "it is not permitted: it needs CAP_PERFMON, or a lower kernel.perf_event_paranoid" },
  ]);
});

Deno.test("events of PAPI are read in the same snapshot as meters, and are closed with the registry", () => {
  const papi = new FakePapi({ A: plain });
  papi.values = { A: 41n };
  const registry = new Registry([papiProvider(["A"], {}, papi)]);
  assert.deepEqual(registry.snapshot(["papi/A"]).values, [41]);
  assert.throws(() => registry.plan("papi/A", 1), RefusedError);
  assert.throws(() => registry.find("papi/B"), /Cannot find the meter "papi\/B"/);
  registry[Symbol.dispose]();
  assert.deepEqual(papi.opened, []);
});

Deno.test("nothing is opened when no event is known", () => {
  const papi = new FakePapi({});
  using provider = papiProvider(["A"], {}, papi);
  assert.deepEqual([papi.opened, provider.meters], [[], []]);
});
