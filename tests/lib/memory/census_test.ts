import assert from "node:assert/strict";
import { Inventory } from "../../../lib/kernel/inventory.ts";
import { type Census, type ContainerMemory, readCensus } from "../../../lib/memory/census.ts";
import type { Unit } from "../../../lib/memory/unit.ts";
import { captured, type CapturedFiles } from "../../captured.ts";
import { fakeNodes, fourNodes, GiB, MiB, oneNode } from "./machines.ts";

const huge = (node: number, bytes: number): Unit => ({
  id: `node${node}`,
  backend: "hugetlb",
  node,
  nodes: [node],
  bytes,
  pageBytes: 2 * MiB,
});
const object = (name: string, node: number, bytes: number): Unit => ({
  id: name,
  backend: "tmpfs",
  node,
  nodes: [node],
  bytes,
  pageBytes: 4096,
  object: name,
});
const whole = (...nodes: number[]): Unit => ({
  id: `node${nodes[0]}`,
  backend: "node",
  node: nodes[0],
  nodes,
  bytes: nodes.length * GiB,
  pageBytes: 4096,
});

function container(name: string, ...units: Unit[]): ContainerMemory {
  if (units.length === 0) return { name, nodes: [0] };
  return { name, nodes: [0], memory: { units, policy: "bind", programs: "preload", owner: { uid: 0, gid: 0 } } };
}

function census(files: CapturedFiles, ...containers: ContainerMemory[]): Census {
  using machine = captured(files);
  return readCensus(new Inventory(machine), containers);
}

Deno.test("readCensus() gives every node's memory to its owners, and the rest to nobody", () => {
  const { nodes, units, sharers } = census(
    fourNodes,
    container("sim", huge(3, 8 * MiB), object("halo", 0, 64 * MiB)),
    container("viz", whole(1)),
    container("log"),
  );
  assert.deepEqual(
    nodes.map(({ id, owner, ownedBytes, unownedBytes }) => [id, owner, ownedBytes / MiB, unownedBytes / MiB]),
    [[0, null, 64, 960], [1, "viz", 1024, 0], [2, null, 0, 1024], [3, null, 8, 1016]],
  );
  assert.deepEqual(nodes[0].freeBytes, 512 * MiB);
  assert.deepEqual(nodes[0].fileBytes, 96 * MiB);
  assert.deepEqual(units.map(({ owner, unit }) => `${owner} ${unit.id}`), ["sim node3", "sim halo", "viz node1"]);
  assert.deepEqual(sharers, ["log"]);
});

Deno.test("readCensus() tells pages of a pool by who uses them, and by whom they are owned", () => {
  const files = {
    ...fourNodes,
    "/sys/fs/cgroup/nodeos-sim/hugetlb.2MB.numa_stat": "total=8388608 N0=0 N1=0 N2=0 N3=8388608\n",
  };
  const { nodes } = census(files, container("sim", huge(3, 10 * MiB)), container("viz", huge(3, 2 * MiB)));
  assert.deepEqual(nodes.map(({ pools }) => pools.length), [0, 0, 0, 1]);
  assert.deepEqual(nodes[3].pools[0], {
    pageBytes: 2 * MiB,
    totalCount: 16,
    freeCount: 10,
    usedCount: 4,
    strangersCount: 2,
    owners: [{ name: "sim", count: 5 }, { name: "viz", count: 1 }],
    overdrawn: [],
  });
});

Deno.test("readCensus() knows who uses more huge pages of a node than its units have there, those of objects left out", () => {
  const files = { ...fourNodes, "/sys/fs/cgroup/nodeos-sim/hugetlb.2MB.numa_stat": "total=8388608 N0=0 N1=0 N2=0 N3=8388608\n" };
  const overdrawn = (...units: Unit[]) =>
    census(files, container("sim", ...units), container("viz", huge(3, 2 * MiB))).nodes[3].pools[0].overdrawn;
  assert.deepEqual(overdrawn(huge(3, 8 * MiB)), []);
  assert.deepEqual(overdrawn(huge(3, 6 * MiB), huge(2, 4 * MiB)), [{ name: "sim", count: 4, ownCount: 3 }]);
  assert.deepEqual(overdrawn({ ...huge(3, 8 * MiB), object: "halo" }), [{ name: "sim", count: 4, ownCount: 0 }]);
});

Deno.test("readCensus() says that programs outside of containers may use a whole node, until something keeps them off", () => {
  const viz = container("viz", whole(2));
  const open = (files: CapturedFiles) => census(files, viz).nodes.filter(({ isOpen }) => isOpen).map(({ id }) => id);
  assert.deepEqual(open(fourNodes), [2]);
  assert.deepEqual(open({ ...fourNodes, "/sys/fs/cgroup/nodeos-others/cpuset.mems.effective": "0-1,3\n" }), []);
  assert.deepEqual(open({ ...fourNodes, "/sys/fs/cgroup/nodeos-others/cpuset.mems.effective": "0-3\n" }), [2]);
});

Deno.test("readCensus() knows nodes that are one piece of hardware, and units over several", () => {
  const { nodes } = census(fakeNodes, container("sim", whole(2, 3)));
  assert.deepEqual(nodes[0].hardware, [0, 1, 2, 3]);
  assert.deepEqual(nodes.map(({ owner }) => owner), [null, null, "sim", "sim"]);
});

Deno.test("readCensus() says how much free memory is in blocks of huge pages, where the kernel does", () => {
  const buddyinfo = `Node 0, zone   Normal ${"0 ".repeat(9)}3 2 \n`;
  assert.equal(census({ ...oneNode, "/proc/buddyinfo": buddyinfo }).nodes[0].wholeBytes, (3 * 2 + 2 * 4) * MiB);
  assert.equal(census(oneNode).nodes[0].wholeBytes, null);
});

Deno.test("readCensus() lists devices over memory that the kernel never had, with their owners", () => {
  const device = "/sys/bus/dax/devices/dax0.0";
  const files = {
    ...fourNodes,
    [`${device}/size`]: `${512 * MiB}\n`,
    [`${device}/align`]: `${2 * MiB}\n`,
    [`${device}/target_node`]: "1\n",
  };
  const dax: Unit = { ...object("field", 1, 512 * MiB), backend: "devdax", pageBytes: 2 * MiB, device: "dax0.0" };
  assert.deepEqual(census(files).devices, [{ name: "dax0.0", bytes: 512 * MiB, node: 1, owner: null }]);
  const { devices, nodes } = census(files, container("sim", dax));
  assert.deepEqual(devices, [{ name: "dax0.0", bytes: 512 * MiB, node: 1, owner: "sim" }]);
  // It is none of the kernel's memory.
  assert.equal(nodes[1].ownedBytes, 0);
});
