import assert from "node:assert/strict";
import fc from "fast-check";
import { errno } from "../../../ffi/errors.ts";
import { decideMemoryChange, type MemoryChange } from "../../../lib/container/grant.ts";
import type { ContainerSpec, NodeRequest } from "../../../lib/container/spec.ts";
import { NodeosError, NoSuchObjectError } from "../../../lib/errors.ts";
import { describeUnit } from "../../../lib/memory/unit.ts";
import type { FakeMachine, Fault } from "../../fake_kernel.ts";
import { World } from "../plan/world.ts";

const MiB = 2 ** 20;
const machine: FakeMachine = {
  version: 2,
  cpuCount: 8,
  nodeCount: 4,
  exclusiveCpus: true,
  hugePages: [{ pageBytes: 2 * MiB, roomCount: 200 }],
};
const request: NodeRequest = {
  containers: [
    {
      name: "sim",
      cpus: [2, 3],
      memory: { units: [{ bytes: 64 * MiB, node: 1 }, { bytes: 8 * MiB, node: 2, pageBytes: 4096, object: "halo" }] },
    },
    { name: "viz", cpus: [4], memory: { units: [{ bytes: 32 * MiB, node: 1, object: "frame" }] } },
  ],
};

/** A machine with room on every node, and two containers that have memory of it. */
async function worldWithUnits(): Promise<World> {
  const world = new World(machine);
  world.kernel.files.set("/proc/meminfo", "MemTotal: 4194304 kB\nHugepagesize: 2048 kB");
  for (let node = 0; node < 4; node++) {
    world.kernel.files.set(
      `/sys/devices/system/node/node${node}/meminfo`,
      `Node ${node} MemTotal: 1048576 kB\nNode ${node} MemFree: 524288 kB`,
    );
    world.kernel.files.set(`/sys/devices/system/node/node${node}/distance`, [0, 1, 2, 3].map((to) => to === node ? 10 : 20).join(" "));
  }
  await world.node().up(request, "persistent");
  return world;
}

const decision =
  (name: string, change: MemoryChange) => (...[inventory, ledger]: Parameters<Parameters<ReturnType<World["node"]>["change"]>[0]>) => [
    decideMemoryChange(inventory, ledger, name, change),
  ];
const unitsOf = (world: World, name: string) =>
  (world.node().find(name).spec as ContainerSpec).memory?.units.map((unit) => `${unit.id}: ${describeUnit(unit)}`) ?? [];
const pool = (world: World, node: number) =>
  Number(world.kernel.files.get(`/sys/devices/system/node/node${node}/hugepages/hugepages-2048kB/nr_hugepages`));
const limit = (world: World, name: string, part = "") => world.kernel.files.get(`/sys/fs/cgroup/nodeos-${name}/hugetlb.2MB.${part}max`);

Deno.test("units are made with the container, and everything of them goes with it", async () => {
  using bare = new World(machine);
  using world = await worldWithUnits();
  assert.deepEqual([pool(world, 1), pool(world, 2)], [48, 0]);
  assert.deepEqual([limit(world, "sim"), limit(world, "sim", "rsvd."), limit(world, "viz")], [64 * MiB, 64 * MiB, 0].map(String));
  assert.equal(world.kernel.files.get("/run/nodeos/memory/sim/4KiB-node2/halo"), `${8 * MiB} ${8 * MiB} 0:0 2`);
  assert.equal(world.kernel.files.get("/run/nodeos/memory/viz/2MiB-node1/frame"), `${32 * MiB} ${32 * MiB} 0:0 1`);
  assert.equal(world.kernel.files.get("/sys/fs/cgroup/nodeos-sim/cpuset.mems"), "1-2");
  assert.deepEqual(world.node().verify().flatMap(({ drift }) => drift), []);
  const { left } = await world.node().down([], 0);
  assert.deepEqual(left, []);
  const ours = (key: string) => /hugepages|nodeos|mountinfo|subtree_control/.test(key);
  const pick = (world: World) =>
    Object.entries(world.kernel.snapshot()).filter(([key]) => ours(key) && !/nr_hugepages|free_hugepages/.test(key));
  assert.deepEqual(pick(world), pick(bare));
  assert.deepEqual([0, 1, 2, 3].map((node) => pool(world, node)), [0, 0, 0, 0]);
});

Deno.test("decideMemoryChange() grants, resizes and revokes while the container lives", async () => {
  using world = await worldWithUnits();
  await world.node().change(decision("sim", { kind: "grant", unit: { bytes: 16 * MiB, node: 3 } }));
  assert.deepEqual(unitsOf(world, "sim"), [
    "node1: 64MiB of node 1 in huge pages of 2MiB",
    "halo: 8MiB of node 2 in pages of 4KiB, object halo",
    "node3: 16MiB of node 3 in huge pages of 2MiB",
  ]);
  assert.deepEqual([pool(world, 3), limit(world, "sim"), world.kernel.files.get("/sys/fs/cgroup/nodeos-sim/cpuset.mems")], [
    8,
    `${80 * MiB}`,
    "1-3",
  ]);
  await world.node().change(decision("sim", { kind: "resize", id: "halo", bytes: 12 * MiB }));
  assert.equal(world.kernel.files.get("/run/nodeos/memory/sim/4KiB-node2/halo"), `${12 * MiB} ${12 * MiB} 0:0 2`);
  await world.node().change(decision("sim", { kind: "resize", id: "halo", bytes: 4096 }));
  assert.equal(world.kernel.files.get("/run/nodeos/memory/sim/4KiB-node2/halo"), "4096 4096 0:0 2");
  await world.node().change(decision("sim", { kind: "revoke", id: "node1" }));
  assert.deepEqual([pool(world, 1), limit(world, "sim")], [16, `${16 * MiB}`]);
  for (const id of ["halo", "node3"]) await world.node().change(decision("sim", { kind: "revoke", id }));
  assert.deepEqual(unitsOf(world, "sim"), []);
  assert.deepEqual([limit(world, "sim"), world.kernel.files.get("/sys/fs/cgroup/nodeos-sim/cpuset.mems")], ["max", "0-3"]);
  assert.equal(world.kernel.files.get("/run/nodeos/memory/sim/4KiB-node2/halo"), undefined);
  assert.deepEqual(world.node().verify().flatMap(({ drift }) => drift), []);
});

Deno.test("decideMemoryChange() refuses what is wrong, in use, or more than there is, and changes nothing", async () => {
  using world = await worldWithUnits();
  const refusals: [string, MemoryChange, RegExp][] = [
    [
      "sim",
      { kind: "grant", unit: { bytes: 600 * MiB, node: 1 } },
      /the new unit of container sim: node 1 has no 600MiB in huge pages of 2MiB\n.*Free: node 0 512MiB/,
    ],
    ["sim", { kind: "grant", unit: { bytes: 3 * MiB, node: 1, pageBytes: 2 * MiB } }, /3MiB is no multiple of its pages of 2MiB/],
    ["sim", { kind: "grant", unit: { bytes: 2 * MiB, node: 9 } }, /NUMA node 9 does not exist/],
    ["sim", { kind: "grant", unit: { bytes: 4096, object: "halo" } }, /Cannot grant object "halo" twice/],
    ["sim", { kind: "grant", unit: { node: 1, backend: "node" } }, /node 1 is in use by viz/],
    ["sim", { kind: "resize", id: "node1", bytes: 3 * MiB }, /unit node1 at 3MiB: 3MiB is no multiple/],
    ["sim", { kind: "resize", id: "nothing", bytes: 2 * MiB }, /Cannot find unit "nothing" of container sim/],
    ["viz", { kind: "revoke", id: "halo" }, /Cannot find unit "halo" of container viz/],
    ["none", { kind: "revoke", id: "halo" }, /Cannot find container "none"/],
  ];
  const before = world.state();
  for (const [name, change, message] of refusals) {
    await assert.rejects(world.node().change(decision(name, change)), (error) => {
      assert.ok(error instanceof NodeosError);
      assert.match(error.message, message);
      assert.ok(error instanceof NoSuchObjectError || error.message.includes("\n    ") || error.remedy !== undefined, error.message);
      return true;
    });
    assert.deepEqual(world.state(), before);
  }
});

Deno.test("decideMemoryChange() takes nothing that programs use", async () => {
  using world = await worldWithUnits();
  const cgroup = "/sys/fs/cgroup/nodeos-sim";
  world.kernel.files.set(`${cgroup}/hugetlb.2MB.numa_stat`, `total=${40 * MiB} N0=0 N1=${40 * MiB} N2=0 N3=0`);
  world.kernel.files.set(
    "/proc/4242/maps",
    `7f0000000000-7f0000800000 rw-s 00000000 00:2a 7                          /run/nodeos/memory/sim/4KiB-node2/halo`,
  );
  world.kernel.files.set("/proc/4242/comm", "solver");
  const before = world.state();
  const attempts: [MemoryChange, RegExp][] = [
    [{ kind: "revoke", id: "node1" }, /its programs use 40MiB of the huge pages of node 1/],
    [{ kind: "resize", id: "node1", bytes: 32 * MiB }, /its programs use 40MiB of the huge pages of node 1/],
    [{ kind: "revoke", id: "halo" }, /object halo is mapped by solver \(process 4242\)/],
    [{ kind: "resize", id: "halo", bytes: 4 * MiB }, /object halo is mapped beyond 4MiB by solver \(process 4242\)/],
  ];
  for (const [change, message] of attempts) await assert.rejects(world.node().change(decision("sim", change)), message);
  assert.deepEqual(world.state(), before);
  await world.node().change(decision("sim", { kind: "resize", id: "node1", bytes: 40 * MiB }));
  assert.equal(limit(world, "sim"), `${40 * MiB}`);
});

Deno.test("a grant that finds memory in pieces leaves nothing behind, neither pages in a pool nor a change under way", async () => {
  using world = await worldWithUnits();
  const before = world.state();
  const change: MemoryChange = { kind: "grant", unit: { bytes: 450 * MiB, node: 3 } };
  await assert.rejects(world.node().change(decision("sim", change)), /node 3 has room for \d+ of 225/);
  assert.deepEqual(world.state(), before);
  await world.node().change(decision("sim", { kind: "resize", id: "node1", bytes: 32 * MiB }));
});

Deno.test("an object becomes smaller before the limit that counts its pages, and larger after it", async () => {
  using world = await worldWithUnits();
  const change = (wanted: MemoryChange) => world.node().change(decision("viz", wanted));
  await change({ kind: "grant", unit: { bytes: 64 * MiB, backend: "limit" } });
  await change({ kind: "grant", unit: { bytes: 20 * MiB, node: 1, pageBytes: 4096, object: "small" } });
  for (const [bytes, first] of [[16 * MiB, "small"], [24 * MiB, "memory.max"]] as const) {
    const order: string[] = [];
    world.kernel.fault = (_, path) => {
      const name = path.slice(path.lastIndexOf("/") + 1);
      if (name === "small" || name === "memory.max") order.push(name);
      return undefined;
    };
    await change({ kind: "resize", id: "small", bytes });
    assert.equal(order[0], first, `${order}`);
    assert.equal(world.kernel.files.get("/sys/fs/cgroup/nodeos-viz/memory.max"), `${64 * MiB + bytes}`);
  }
});

Deno.test("an object in huge pages is no room for programs: the limit of theirs stays as it is", async () => {
  using world = await worldWithUnits();
  const limits: string[] = [];
  world.kernel.fault = (_, path) => {
    if (/hugetlb\..*max$/.test(path)) limits.push(path);
    return undefined;
  };
  await world.node().change(decision("sim", { kind: "grant", unit: { bytes: 32 * MiB, node: 1, object: "field" } }));
  await world.node().change(decision("sim", { kind: "revoke", id: "field" }));
  assert.deepEqual(limits, []);
});

const steps: readonly MemoryChange[] = [
  { kind: "grant", unit: { bytes: 16 * MiB, node: 3 } },
  { kind: "grant", unit: { bytes: 16 * MiB, node: 0, object: "more" } },
  { kind: "resize", id: "node1", bytes: 96 * MiB },
  { kind: "resize", id: "node1", bytes: 16 * MiB },
  { kind: "resize", id: "halo", bytes: 16 * MiB },
  { kind: "resize", id: "halo", bytes: 4 * MiB },
  { kind: "revoke", id: "node1" },
  { kind: "revoke", id: "halo" },
];

Deno.test("a change of memory that the kernel refuses, or that dies at any moment, leaves the units of before or of after", async () => {
  const faults: Fault[] = [errno.ENOMEM, "ignore", "kill before", "kill after"];
  for (const change of steps) {
    for (const fault of faults) {
      for (let at = 1;; at++) {
        using world = await worldWithUnits();
        const before = world.state();
        world.kernel.memory.filled.length = 0;
        const met = await world.meet(at, fault, () => world.node().change(decision("sim", change)));
        await world.node().recover();
        const label = `${JSON.stringify(change)} with ${fault} at ${at}`;
        assert.deepEqual(world.node().verify().flatMap(({ drift }) => drift), [], label);
        assert.deepEqual(world.node().verifyNode(), [], label);
        if (met && !isDone(world, change)) assert.deepEqual(world.state(), before, label);
        // What an object had is never replaced by zeroes: only what is granted is filled.
        const filled = world.kernel.memory.filled.map((path) => path.slice(path.lastIndexOf("/") + 1));
        const mayFill = change.kind === "grant"
          ? change.unit.object
          : change.kind === "resize" && change.bytes > 8 * MiB
          ? change.id
          : undefined;
        assert.ok(filled.every((name) => name === mayFill), `${label}: ${filled}`);
        if (!met) break;
      }
    }
  }
});

/** Whether a change came through: what dies after its last step has done it. */
function isDone(world: World, change: MemoryChange): boolean {
  const { units = [] } = (world.node().find("sim").spec as ContainerSpec).memory ?? {};
  if (change.kind === "grant") return units.length > 2;
  const unit = units.find(({ id }) => id === change.id);
  return change.kind === "revoke" ? unit === undefined : unit?.bytes === change.bytes;
}

Deno.test("pages of all units together are those of the pools, after any changes", async () => {
  const change = fc.oneof(
    fc.record({
      kind: fc.constant("grant" as const),
      unit: fc.record({
        bytes: fc.integer({ min: 1, max: 40 }).map((count) => count * 2 * MiB),
        node: fc.nat(3),
        object: fc.option(fc.constantFrom("a", "b", "c"), { nil: undefined }),
      }),
    }),
    fc.record({ kind: fc.constant("revoke" as const), id: fc.constantFrom("node0", "node1", "node2", "node3", "halo", "a", "b", "c") }),
    fc.record({
      kind: fc.constant("resize" as const),
      id: fc.constantFrom("node0", "node1", "node2", "node3", "halo", "a", "b", "c"),
      bytes: fc.integer({ min: 1, max: 40 }).map((count) => count * 2 * MiB),
    }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.constantFrom("sim", "viz"), change), { maxLength: 8 }), async (changes) => {
      using world = await worldWithUnits();
      for (const [name, wanted] of changes) {
        await world.node().change(decision(name, wanted)).catch((error) => assert.ok(error instanceof NodeosError, error));
      }
      const specs = ["sim", "viz"].map((name) => world.node().find(name).spec as ContainerSpec);
      const huge = specs.flatMap(({ memory }) => memory?.units ?? []).filter(({ backend }) => backend === "hugetlb");
      for (const node of [0, 1, 2, 3]) {
        const count = huge.filter((unit) => unit.node === node).reduce((sum, { bytes }) => sum + bytes / (2 * MiB), 0);
        assert.equal(pool(world, node), count);
      }
      assert.deepEqual(world.node().verify().flatMap(({ drift }) => drift), []);
      await world.node().down([], 0);
      assert.deepEqual([0, 1, 2, 3].map((node) => pool(world, node)), [0, 0, 0, 0]);
    }),
    { numRuns: 40 },
  );
});
