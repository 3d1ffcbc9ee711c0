import assert from "node:assert/strict";
import type { ContainerSpec } from "../../../lib/container/spec.ts";
import { decideSwitch, type Switch, switchNames } from "../../../lib/container/switch.ts";
import { RefusedError, UsageError } from "../../../lib/errors.ts";
import { nodeFeatures, quietPreset } from "../../../lib/feature/node_features.ts";
import { emptyLedger } from "../../../lib/plan/ledger.ts";

const lean: ContainerSpec = {
  name: "sim",
  role: "compute",
  cpus: [2, 3],
  nodes: [0],
  memoryBytes: null,
  pidsMax: null,
  scheduling: { policy: "fair" },
  loadBalancing: "off",
  swap: "on",
  devices: null,
  cache: null,
  quiet: [],
};
const names = nodeFeatures.map(({ name }) => name);

function switched(wanted: Switch, spec: Partial<ContainerSpec> = {}): ContainerSpec {
  const holding = { name: "sim", owner: null, spec: { ...lean, ...spec }, createdAtMs: 0, steps: [] };
  return decideSwitch({ ...emptyLedger("boot"), holdings: [holding] }, "sim", wanted);
}

Deno.test("decideSwitch() switches each feature of the whole node by itself, and twice is once", () => {
  for (const feature of names) {
    assert.deepEqual(switched({ feature, enable: true }), { ...lean, quiet: [feature] });
    assert.deepEqual(switched({ feature, enable: true }, { quiet: [feature] }).quiet, [feature]);
    assert.deepEqual(switched({ feature, enable: false }, { quiet: names }).quiet, names.filter((name) => name !== feature));
    assert.deepEqual(switched({ feature, enable: false }).quiet, []);
  }
});

Deno.test("decideSwitch() keeps features in the order they are planned", () => {
  const [first, second, third] = names;
  assert.deepEqual(switched({ feature: second, enable: true }, { quiet: [third, first] }).quiet, [first, second, third]);
});

Deno.test("decideSwitch() of quiet is that of its whole preset, and of nothing else", () => {
  assert.deepEqual(switched({ feature: "quiet", enable: true }).quiet, quietPreset);
  assert.deepEqual(switched({ feature: "quiet", enable: true }, { quiet: ["smtSiblings"] }).quiet, names);
  assert.deepEqual(switched({ feature: "quiet", enable: false }, { quiet: names }).quiet, ["smtSiblings"]);
});

Deno.test("decideSwitch() switches load balancing and swap", () => {
  for (const feature of ["loadBalancing", "swap"] as const) {
    for (const enable of [true, false]) assert.deepEqual(switched({ feature, enable }), { ...lean, [feature]: enable ? "on" : "off" });
  }
});

Deno.test("decideSwitch() gives another scheduling, or fair", () => {
  const cooperative = { policy: "cooperative", throttle: "lift" } as const;
  assert.deepEqual(switched({ feature: "scheduling", enable: true, scheduling: cooperative }).scheduling, cooperative);
  assert.deepEqual(switched({ feature: "scheduling", enable: false }, { scheduling: cooperative }).scheduling, { policy: "fair" });
  assert.throws(() => switched({ feature: "scheduling", enable: true }), UsageError);
});

Deno.test("decideSwitch() gives running programs no deadline, and takes no load balancing from who has one", () => {
  const deadline = { policy: "deadline", runtimeNs: 1e6, deadlineNs: 1e7, periodNs: 1e7 } as const;
  assert.throws(() => switched({ feature: "scheduling", enable: true, scheduling: deadline }), RefusedError);
  const running: Partial<ContainerSpec> = { scheduling: deadline, loadBalancing: "on" };
  assert.throws(
    () => switched({ feature: "loadBalancing", enable: false }, running),
    (error) => error instanceof RefusedError && /feature NAME disable scheduling/.test(error.remedy!),
  );
  assert.deepEqual(switched({ feature: "scheduling", enable: false }, running).scheduling, { policy: "fair" });
  assert.equal(switched({ feature: "swap", enable: false }, running).swap, "off");
});

Deno.test("decideSwitch() takes a value for devices and cache, and none to disable them", () => {
  assert.deepEqual(switched({ feature: "devices", enable: true, devices: ["/dev/fuse"] }).devices, ["/dev/fuse"]);
  assert.equal(switched({ feature: "devices", enable: false }, { devices: [] }).devices, null);
  assert.deepEqual(switched({ feature: "cache", enable: true, cache: { l3: 50 } }).cache, { l3: 50 });
  assert.equal(switched({ feature: "cache", enable: false }, { cache: { l3: 50 } }).cache, null);
  for (const feature of ["devices", "cache"]) assert.throws(() => switched({ feature, enable: true }), UsageError);
});

Deno.test("decideSwitch() refuses what is no feature, and those of the ServiceOS", () => {
  assert.throws(() => switched({ feature: "taks", enable: true }), (error) => {
    assert(error instanceof UsageError);
    assert.match(error.message, /Cannot find a feature "taks"; did you mean "tasks"\?/);
    for (const name of switchNames) assert(error.remedy!.includes(name));
    return true;
  });
  for (const feature of ["", "toString", "__proto__", "cpus"]) assert.throws(() => switched({ feature, enable: true }), UsageError);
  for (const feature of switchNames) {
    assert.throws(() => switched({ feature, enable: true }, { name: "service", role: "service" }), RefusedError);
  }
});
