import assert from "node:assert/strict";
import type { Person } from "../../../lib/power/access/policy.ts";
import { Policy } from "../../../lib/power/access/policy.ts";
import { parsePolicy } from "../../../lib/power/access/policy_file.ts";
import { NoSuchObjectError, RefusedError } from "../../../lib/errors.ts";
import type { Meter, Provider } from "../../../lib/power/meter.ts";
import { Registry } from "../../../lib/power/registry.ts";
import { MemoryRoot } from "../../machines/memory_root.ts";
import { chooseMeters, findMeters, isOverview, isTraced, type PowerMachine, withRoot } from "../../../scripts/power/machine.ts";
import { cycles, energy, temperature } from "../../lib/power/trace/meters.ts";

const root: Person = { uid: 0, user: "root", groups: ["root", "0"] };
const alice: Person = { uid: 1000, user: "alice", groups: [] };

function machine(meters: readonly Meter[], policy: Policy = Policy.rootOnly, person: Person = root): PowerMachine {
  const provider: Provider = {
    name: "msr",
    meters,
    lacks: [{ what: "/dev/hsmp", why: "there is no management port" }],
    prepare: (some) => () => some.map(() => 1),
    plan: () => [],
    [Symbol.dispose]() {},
  };
  const kernel = Object.assign(new MemoryRoot({}), { write() {}, makeDirectory() {}, removeDirectory() {} });
  return { kernel, registry: new Registry([provider]), policy, person, [Symbol.dispose]() {} };
}

const namesOf = (meters: readonly Meter[]) => meters.map(({ name }) => name);
const dram = { ...energy, name: "dram0/energy", domain: { kind: "dram", index: 0 } } as const;
const core = { ...temperature, name: "core1/temperature", domain: { kind: "core", index: 1 } } as const;
const clock = { ...cycles, name: "cpu0/frequency", unit: "Hz", kind: "gauge", domain: { kind: "cpu", index: 0 } } as const;
const limit = { ...energy, name: "dram0/power-limit", unit: "W", kind: "gauge", domain: { kind: "dram", index: 0 } } as const;
const all = [cycles, clock, core, dram, limit, energy, temperature];

Deno.test("findMeters() takes names and patterns, each meter once", () => {
  assert.deepEqual(namesOf(findMeters(machine(all), ["*/energy", "package0/energy", "core1/temperature"])), [
    "dram0/energy",
    "package0/energy",
    "core1/temperature",
  ]);
  assert.deepEqual(namesOf(findMeters(machine(all), ["msr:package0/energy"])), ["package0/energy"]);
});

Deno.test("findMeters() says which name is none, and what is near", () => {
  assert.throws(
    () => findMeters(machine(all), ["package0/enrgy"]),
    (error) => error instanceof NoSuchObjectError && /did you mean "package0\/energy"/.test(error.message),
  );
  assert.throws(() => findMeters(machine(all), ["gpu*/power"]), /no name matches "gpu\*\/power"/);
});

Deno.test("chooseMeters() without names has what is usual, packages first", () => {
  assert.deepEqual(namesOf(chooseMeters(machine(all), [], isOverview)), ["package0/energy", "package0/temperature", "dram0/energy"]);
  assert.deepEqual(namesOf(chooseMeters(machine(all), [], isTraced)).at(-1), "cpu0/frequency");
});

Deno.test("chooseMeters() leaves out what may not be read, and refuses it when it is named, or nothing is left", () => {
  const closed = { ...energy, permission: "it needs root" };
  assert.deepEqual(namesOf(chooseMeters(machine([closed, temperature]), [], isOverview)), ["package0/temperature"]);
  const refusal = (error: unknown) => error instanceof RefusedError && /^Cannot read package0\/energy: it needs root/.test(error.message);
  assert.throws(() => chooseMeters(machine([closed, temperature]), ["*/energy"], isOverview), refusal);
  assert.throws(() => chooseMeters(machine([closed]), [], isOverview), refusal);
});

Deno.test("chooseMeters() of somebody else has what the policy allows", async () => {
  const policy = await parsePolicy('users: { alice: { read: ["*/temperature"] } }');
  assert.deepEqual(namesOf(chooseMeters(machine(all, policy, alice), [], isOverview)), ["package0/temperature"]);
  assert.throws(() => chooseMeters(machine(all, policy, alice), ["package0/energy"], isOverview), /does not allow user alice/);
  assert.throws(() => chooseMeters(machine(all, Policy.rootOnly, alice), [], isOverview), /does not allow user alice/);
});

Deno.test("chooseMeters() says what a machine without power lacks, and how to try it all the same", () => {
  assert.throws(
    () => chooseMeters(machine([clock]), [], isOverview),
    (error) => error instanceof NoSuchObjectError && /dev\/hsmp: there is no management port\n.*nodeos power simulate/.test(error.remedy!),
  );
});

Deno.test("withRoot() gives root everything, unless the policy says what root may do", async () => {
  const others = withRoot(await parsePolicy("users: { alice: { read: [x] } }"));
  assert.ok(others.maySet(root, energy) && others.mayRead(alice, { name: "x" }) && !others.mayRead(alice, energy));
  for (const name of ["root", '"0"']) {
    const limited = withRoot(await parsePolicy(`users: { ${name}: { read: [x] } }`));
    assert.ok(limited.mayRead(root, { name: "x" }) && !limited.mayRead(root, energy), name);
  }
});
