import assert from "node:assert/strict";
import { RefusedError } from "../../../../lib/errors.ts";
import { findActuators, PackageActuators } from "../../../../lib/power/governor/actuators.ts";
import type { Meter } from "../../../../lib/power/meter.ts";
import { meter } from "../meters.ts";

const place = { package: 0, cpus: new Set([0, 1]), cores: [0, 1] };

function actuator(name: string, kind: "package" | "cpu", index: number, max: number, more: Partial<Meter> = {}): Meter {
  return meter(name, { range: { min: 1, max }, domain: { kind, index }, isWritable: true, ...more });
}

const all = [
  actuator("package0/power-limit", "package", 0, 400),
  actuator("package0/power-limit-window", "package", 0, 40),
  actuator("package0/power-limit-short", "package", 0, 400),
  actuator("package1/power-limit", "package", 1, 400),
  ...[0, 1, 2].flatMap((cpu) => [actuator(`cpu${cpu}/frequency-max`, "cpu", cpu, 3e9), actuator(`cpu${cpu}/duty-cycle`, "cpu", cpu, 100)]),
];
const rung = (frequencyHz: number, dutySixteenths = 16) => ({ frequencyHz, dutySixteenths, nominalWatts: 1 });

/** A session that refuses some actuators. */
function sessionOf(refused: readonly string[] = []) {
  const writes: [string, number][] = [];
  const set = (name: string, value: number) => {
    if (refused.includes(name)) throw new RefusedError(`Cannot set ${name}: a test says so`);
    writes.push([name, value]);
    return { name, asked: value, value };
  };
  return { writes, set };
}

Deno.test("findActuators() finds what belongs to a package, and nothing of its neighbours", () => {
  const found = findActuators({ meters: all }, place);
  assert.deepEqual(found.limits.map(({ power, window }) => [power.name, window?.name]), [[
    "package0/power-limit",
    "package0/power-limit-window",
  ]]);
  assert.deepEqual(found.frequencies.map(({ name }) => name), ["cpu0/frequency-max", "cpu1/frequency-max"]);
  assert.deepEqual(found.duties.map(({ name }) => name), ["cpu0/duty-cycle", "cpu1/duty-cycle"]);
  assert.deepEqual(found.obstacles, []);
});

Deno.test("findActuators() leaves out what cannot be set, and says why; duty cycles have to be those of all CPUs", () => {
  const obstacle = { isWritable: false, obstacle: "a test says so" };
  const meters = all.map((meter) => /^(package0\/power-limit|cpu1\/duty-cycle)$/.test(meter.name) ? { ...meter, ...obstacle } : meter);
  const found = findActuators({ meters }, place);
  assert.deepEqual([found.limits, found.duties, found.frequencies.length], [[], [], 2]);
  assert.deepEqual(found.obstacles, ["package0/power-limit: a test says so", "cpu1/duty-cycle: a test says so"]);
});

Deno.test("a limit is shared by dies, clipped to what they take, and not written again", () => {
  const dies = [actuator("package0/die0-power-limit", "package", 0, 90), actuator("package0/die1-power-limit", "package", 0, 90)];
  const session = sessionOf();
  const actuators = new PackageActuators(session, findActuators({ meters: dies }, place));
  actuators.setLimit(120, 1);
  actuators.setLimit(120.2, 1);
  assert.deepEqual(session.writes, [["package0/die0-power-limit", 60], ["package0/die1-power-limit", 60]]);
  actuators.setLimit(300, 1);
  assert.equal(actuators.limitWatts, 180);
});

Deno.test("a limit that is refused is not tried again; frequencies are, until all are refused", () => {
  const session = sessionOf(["package0/power-limit", "cpu0/frequency-max"]);
  const actuators = new PackageActuators(session, findActuators({ meters: all }, place));
  actuators.setLimit(120, 1);
  assert.equal(actuators.canLimit, false);
  actuators.setRung(rung(1e9, 8), false);
  assert.deepEqual(session.writes.slice(-3), [["cpu1/frequency-max", 1e9], ["cpu0/duty-cycle", 50], ["cpu1/duty-cycle", 50]]);
  const none = sessionOf(all.map(({ name }) => name));
  const refused = new PackageActuators(none, findActuators({ meters: all }, place));
  refused.setLimit(120, 1);
  assert.throws(() => refused.setRung(rung(1e9), false), /Cannot set cpu1\/duty-cycle: a test says so/);
});

Deno.test("what nobody has lowered is not raised, and what was lowered is", () => {
  const session = sessionOf();
  const actuators = new PackageActuators(session, findActuators({ meters: all }, place));
  actuators.setRung(rung(3e9), true);
  assert.equal(session.writes.length, 0);
  actuators.setRung(rung(2e9), false);
  const lowered = session.writes.length;
  actuators.setRung(rung(3e9), true);
  assert.deepEqual(session.writes.slice(lowered), [["cpu0/frequency-max", 3e9], ["cpu1/frequency-max", 3e9]]);
});

Deno.test("an error that is no refusal is not swallowed", () => {
  const actuators = new PackageActuators({ set: () => assert.fail("a fault") }, findActuators({ meters: all }, place));
  assert.throws(() => actuators.setLimit(120, 1), /a fault/);
  assert.throws(() => actuators.setRung(rung(1e9), false), /a fault/);
});
