import assert from "node:assert/strict";
import { errno } from "../../../ffi/errors.ts";
import { specsOf } from "../../../lib/container/ledger_specs.ts";
import type { ContainerRequest, ContainerSpec } from "../../../lib/container/spec.ts";
import { announce, conclude, threadsOf, transition } from "../../../lib/container/transition.ts";
import { RefusedError } from "../../../lib/errors.ts";
import { holdingOf, type Ledger } from "../../../lib/plan/ledger.ts";
import { Store } from "../../../lib/plan/store.ts";
import { firstFakeTid } from "../../fake_tasks.ts";
import { World } from "../plan/world.ts";
// Loads the library before the tests, which would take it for a leak.
import "../../ffi/host.ts";

/** A world with containers, and what is needed to change them. Their load is balanced: threads are left where they are. */
async function made(version: 1 | 2, ...containers: ContainerRequest[]) {
  const world = new World({ version, cpuCount: 8, nodeCount: 2, tasks: [{ pid: firstFakeTid, name: "solver" }] });
  await world.node().up({ containers: containers.map((container) => ({ loadBalancing: "on", ...container })) }, "persistent");
  const store = new Store(world.kernel, world.directory);
  const sources = specsOf(store.read());
  const written: string[] = [];
  world.kernel.fault = (_, path) => {
    written.push(path.split("/").slice(-2).join("/"));
    return undefined;
  };
  const targets = (change: (spec: ContainerSpec) => Partial<ContainerSpec>) => sources.map((spec) => ({ ...spec, ...change(spec) }));
  const change = (wanted: readonly ContainerSpec[]): Ledger => {
    const ledger = transition(world.kernel, store, announce(world.kernel, store, store.read(), wanted, false), sources, wanted);
    return conclude(world.kernel, store, ledger, wanted.map(({ name }) => name));
  };
  return Object.assign(world, { store, sources, written, targets, change });
}

Deno.test("announce() keeps in the ledger what a container was, until conclude()", async () => {
  using world = await made(2, { name: "a", cpus: [1] });
  const { store, kernel, sources } = world;
  const before = store.read();
  const ledger = announce(kernel, store, before, world.targets(() => ({ pidsMax: 7 })), false);
  assert.deepEqual(store.read(), ledger);
  const { changing, spec } = holdingOf(ledger, "a")!;
  assert.equal((spec as ContainerSpec).pidsMax, 7);
  assert.deepEqual(changing?.spec, sources[0]);
  assert.deepEqual(changing?.steps, before.holdings[0].steps);
  assert.equal(changing?.owner.pid, Deno.pid);
  assert.equal(holdingOf(conclude(kernel, store, ledger, ["a"]), "a")?.changing, undefined);
});

Deno.test("transition() takes CPUs from one container before another gets them", async () => {
  for (const version of [1, 2] as const) {
    using world = await made(version, { name: "a", cpus: [1] }, { name: "b", cpus: [2, 3] });
    world.change(world.targets(({ name }) => ({ cpus: name === "a" ? [1, 2] : [3] })));
    const order = world.written.filter((path) => path.endsWith("/cpuset.cpus"));
    assert.deepEqual(order, ["nodeos-b/cpuset.cpus", "nodeos-a/cpuset.cpus"]);
    assert.deepEqual(world.node().verify().flatMap(({ drift }) => drift), []);
  }
});

Deno.test("transition() touches nothing that stays the same", async () => {
  for (const version of [1, 2] as const) {
    using world = await made(version, { name: "a", cpus: [1], memoryBytes: 2 ** 20 }, { name: "b", cpus: [2] });
    world.change(world.targets(({ name }) => name === "a" ? { memoryBytes: 2 ** 21 } : {}));
    assert.deepEqual(world.written, [version === 1 ? "nodeos-a/memory.limit_in_bytes" : "nodeos-a/memory.max"]);
  }
});

Deno.test("transition() keeps a partition a partition while its CPUs change", async () => {
  using world = await made(2, { name: "a", cpus: [1, 2] });
  world.change(world.targets(() => ({ cpus: [2, 3] })));
  assert(!world.written.some((path) => path.endsWith(".partition")), "it would go through member");
  assert.equal(world.kernel.read("/sys/fs/cgroup/nodeos-a/cpuset.cpus.partition"), "root\n");
});

Deno.test("transition() takes a container's threads along into a cgroup that it gets on version 1", async () => {
  using world = await made(1, { name: "a", cpus: [1] });
  world.kernel.write("/sys/fs/cgroup/cpuset/nodeos-a/tasks", `${firstFakeTid}`);
  assert.deepEqual(threadsOf(world.kernel, world.store.read(), "a"), [firstFakeTid]);
  const ledger = world.change(world.targets(() => ({ memoryBytes: 2 ** 20 })));
  assert.equal(world.kernel.tasks.placeOf(firstFakeTid, "/sys/fs/cgroup/memory"), "/nodeos-a");
  // It stays there when the limit is lifted, and the cgroup with it.
  const holding = holdingOf(ledger, "a")!;
  const unlimited = { ...holding.spec as ContainerSpec, memoryBytes: null };
  const after = transition(world.kernel, world.store, ledger, [holding.spec as ContainerSpec], [unlimited]);
  assert.equal(world.kernel.tasks.placeOf(firstFakeTid, "/sys/fs/cgroup/memory"), "/nodeos-a");
  assert.equal(world.kernel.read("/sys/fs/cgroup/memory/nodeos-a/memory.limit_in_bytes"), "9223372036854771712\n");
  assert(holdingOf(after, "a")!.steps.some(({ kind, what }) => kind === "cgroup" && what === "/sys/fs/cgroup/memory/nodeos-a"));
});

Deno.test("transition() that is refused has every step in the ledger, and takes all of it back when asked for the former", async () => {
  for (const version of [1, 2] as const) {
    using world = await made(version, { name: "a", cpus: [1] });
    const before = world.state();
    const file = version === 1 ? "memory.limit_in_bytes" : "memory.max";
    world.kernel.fault = (_, path) => path.endsWith(`/${file}`) ? errno.EBUSY : undefined;
    assert.throws(() => world.change(world.targets(() => ({ cpus: [1, 2], memoryBytes: 2 ** 20 }))), RefusedError);
    world.kernel.fault = () => undefined;
    const half = world.store.read();
    const { changing, spec, steps } = holdingOf(half, "a")!;
    assert(steps.some(({ what }) => what.endsWith(`/${file}`)));
    assert.notDeepEqual(world.kernel.snapshot(), before.machine);
    const former = changing!.spec as ContainerSpec;
    const ledger = transition(world.kernel, world.store, half, [spec as ContainerSpec], [former]);
    conclude(world.kernel, world.store, { ...ledger, holdings: ledger.holdings.map((holding) => ({ ...holding, spec: former })) }, ["a"]);
    assert.deepEqual(world.state(), before);
  }
});

Deno.test("threadsOf() finds threads in cgroups that programs made inside, each once, and none of an unknown container", async () => {
  using world = await made(1, { name: "a", cpus: [1], memoryBytes: 2 ** 20 });
  world.kernel.makeDirectory("/sys/fs/cgroup/memory/nodeos-a/inner");
  world.kernel.write("/sys/fs/cgroup/memory/nodeos-a/inner/tasks", `${firstFakeTid}`);
  world.kernel.write("/sys/fs/cgroup/cpuset/nodeos-a/tasks", `${firstFakeTid}`);
  assert.deepEqual(threadsOf(world.kernel, world.store.read(), "a"), [firstFakeTid]);
  assert.deepEqual(threadsOf(world.kernel, world.store.read(), "b"), []);
});
