import assert from "node:assert/strict";
import { Inventory } from "../../../lib/kernel/inventory.ts";
import { planPools, planUnits } from "../../../lib/memory/plan.ts";
import type { OwnMemory, Unit } from "../../../lib/memory/unit.ts";
import { drivers } from "../../../lib/plan/driver.ts";
import { captured, type CapturedFiles } from "../../captured.ts";
import { v1 } from "../../small_machines.ts";
import { planned } from "../feature/site.ts";
import { fourNodes, GiB, MiB, oneNode } from "./machines.ts";

const heap: Unit = { id: "node1", backend: "hugetlb", node: 1, nodes: [1], bytes: 64 * MiB, pageBytes: 2 * MiB };
const halo: Unit = { id: "halo", backend: "tmpfs", node: 2, nodes: [2], bytes: 8192, pageBytes: 4096, object: "halo" };
const frame: Unit = { ...heap, id: "frame", bytes: 4 * MiB, object: "frame" };
const lent: Unit = { ...halo, id: "near", backend: "devdax", bytes: GiB, pageBytes: 2 * MiB, object: "near", device: "dax0.0" };
const whole: Unit = { id: "node3", backend: "node", node: 3, nodes: [3], bytes: GiB, pageBytes: 4096 };

function own(...units: Unit[]): OwnMemory {
  return { units, policy: "bind", programs: "preload", owner: { uid: 1000, gid: 100 } };
}

const lines = (files: CapturedFiles, memory: OwnMemory | undefined) => planned(files, (site) => planUnits(site, memory));
const cgroup = "/sys/fs/cgroup/nodeos-sim";

Deno.test("planUnits() changes nothing for a container without memory of its own", () => {
  assert.deepEqual(lines(fourNodes, undefined), []);
});

const noHugePages = [
  "/sys/fs/cgroup/cgroup.subtree_control <- +hugetlb (shared)",
  `${cgroup}/ <- (new cgroup)`,
  ...["2MB.rsvd.max", "2MB.max", "1GB.rsvd.max", "1GB.max"].map((file) => `${cgroup}/hugetlb.${file} <- 0`),
];

Deno.test("planUnits() keeps a container whose units are no huge pages off those that others have reserved", () => {
  assert.deepEqual(lines(fourNodes, own({ ...heap, backend: "limit" })), noHugePages);
  assert.deepEqual(lines(fourNodes, own(whole)), noHugePages);
});

Deno.test("planUnits() limits huge pages of every size: reservations before pages", () => {
  assert.deepEqual(lines(fourNodes, own(heap)), [
    "/sys/fs/cgroup/cgroup.subtree_control <- +hugetlb (shared)",
    `${cgroup}/ <- (new cgroup)`,
    "/run/nodeos/memory/sim/shares <- (all of one node)",
    `${cgroup}/hugetlb.2MB.rsvd.max <- ${64 * MiB}`,
    `${cgroup}/hugetlb.2MB.max <- ${64 * MiB}`,
    `${cgroup}/hugetlb.1GB.rsvd.max <- 0`,
    `${cgroup}/hugetlb.1GB.max <- 0`,
  ]);
});

Deno.test("planUnits() puts objects on file systems of their page size and node, counted for the container", () => {
  const objects = lines(fourNodes, own(halo, frame, heap)).filter((line) => line.startsWith("/run") && !line.includes("/shares"));
  assert.deepEqual(objects, [
    "/run/nodeos/memory/sim/2MiB-node1/ <- hugetlbfs pagesize=2M",
    "/run/nodeos/memory/sim/2MiB-node1/frame <- 4194304 bytes of node 1 for 1000:100",
    "/run/nodeos/memory/sim/4KiB-node2/ <- tmpfs mpol=bind:2 noswap",
    "/run/nodeos/memory/sim/4KiB-node2/halo <- 8192 bytes of node 2 for 1000:100",
  ]);
  assert.equal(
    lines(fourNodes, own(halo, { ...halo, id: "b", object: "b" })).at(-1),
    "room of /run/nodeos/memory/sim/4KiB-node2 <- 16384 bytes",
  );
  // The limit is that of the programs: what is an object's, they cannot take.
  assert.ok(lines(fourNodes, own(halo, frame, heap)).includes(`${cgroup}/hugetlb.2MB.max <- ${64 * MiB}`));
});

Deno.test("planUnits() asks for no more than the kernel knows: no node without NUMA, no noswap before Linux 6.4 or without swap", () => {
  const mount = (files: CapturedFiles) => lines(files, own({ ...halo, node: 0, nodes: [0] })).find((line) => line.includes("tmpfs"));
  const without = (path: string) => Object.fromEntries(Object.entries(oneNode).filter(([key]) => !key.startsWith(path)));
  assert.match(mount(oneNode)!, /<- tmpfs mpol=bind:0 noswap$/);
  assert.match(mount({ ...oneNode, "/proc/sys/kernel/osrelease": "6.1.0\n" })!, /<- tmpfs mpol=bind:0$/);
  assert.match(mount(without("/proc/swaps"))!, /<- tmpfs mpol=bind:0$/);
  assert.match(mount(without("/sys/devices/system/node"))!, /<- tmpfs noswap$/);
});

Deno.test("planUnits() lends a device, and tells version 1 that memory follows the nodes", () => {
  assert.deepEqual(lines(fourNodes, own(lent)), ["/run/nodeos/memory/sim/devdax/near <- /dev/dax0.0 for 1000:100", ...noHugePages]);
  assert.deepEqual(lines({ ...v1 }, own(whole)), ["/sys/fs/cgroup/cpuset/nodeos-sim/cpuset.memory_migrate <- 1"]);
});

Deno.test("planUnits() on version 1 uses the hierarchy that has the controller, with its own file names", () => {
  const huge = {
    "/sys/fs/cgroup/hugetlb/hugetlb.2MB.limit_in_bytes": "9223372036852678656\n",
    "/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages": "0\n",
    "/proc/self/mountinfo": `${v1["/proc/self/mountinfo"]}50 30 0:50 / /sys/fs/cgroup/hugetlb rw - cgroup cgroup rw,hugetlb\n`,
  };
  assert.deepEqual(lines({ ...v1, ...huge }, own(heap)), [
    "/sys/fs/cgroup/hugetlb/nodeos-sim/ <- (new cgroup)",
    "/run/nodeos/memory/sim/shares <- (all of one node)",
    `/sys/fs/cgroup/hugetlb/nodeos-sim/hugetlb.2MB.rsvd.limit_in_bytes <- ${64 * MiB}`,
    `/sys/fs/cgroup/hugetlb/nodeos-sim/hugetlb.2MB.limit_in_bytes <- ${64 * MiB}`,
  ]);
  assert.throws(() => lines(v1, own(heap)), /no mounted cgroup hierarchy has the hugetlb controller/);
});

/** What pools become, for containers and strangers. */
function pools(files: CapturedFiles, containers: Readonly<Record<string, Unit[]>>, originals: Record<string, string> = {}): string[] {
  using machine = captured(files);
  const inventory = new Inventory(machine);
  const original = ({ kind, what }: Parameters<Parameters<typeof planPools>[2]>[0]) => originals[what] ?? drivers[kind].read(machine, what);
  return planPools(inventory, Object.entries(containers).map(([name, units]) => ({ name, units })), original)
    .map(({ what, to, why }) => `${/node\d/.exec(what)?.[0] ?? "all"} ${/(\d+)kB/.exec(what)![1]} <- ${to} ${why}`);
}

Deno.test("planPools() adds up what containers have of a pool", () => {
  const one = { ...heap, bytes: GiB, pageBytes: GiB };
  assert.deepEqual(pools(fourNodes, { sim: [heap, frame, halo], viz: [{ ...heap, bytes: 2 * MiB }, one] }), [
    "node1 2048 <- 35 huge pages of 2MiB on node 1 (sim, viz)",
    "node1 1048576 <- 1 huge pages of 1GiB on node 1 (viz)",
  ]);
  assert.deepEqual(pools(fourNodes, { sim: [halo, whole] }), []);
});

Deno.test("planPools() leaves strangers what they use, and takes what lies idle", () => {
  const on3 = (count: number) => ({ sim: [{ ...heap, node: 3, nodes: [3], bytes: count * 2 * MiB }] });
  // Six of sixteen pages are in use by strangers.
  assert.deepEqual(pools(fourNodes, on3(4)).map((line) => line.split(" ")[3]), ["16"]);
  assert.deepEqual(pools(fourNodes, on3(12)).map((line) => line.split(" ")[3]), ["18"]);
  // Two of the six are the container's own by now, and the pool had sixteen before.
  const grown = { ...fourNodes, [`${cgroup}/hugetlb.2MB.numa_stat`]: `total=${4 * MiB} N0=0 N1=0 N2=0 N3=${4 * MiB}\n` };
  assert.deepEqual(pools(grown, on3(12)).map((line) => line.split(" ")[3]), ["16"]);
});
