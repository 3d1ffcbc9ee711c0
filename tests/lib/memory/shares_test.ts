import assert from "node:assert/strict";
import { Inventory } from "../../../lib/kernel/inventory.ts";
import { hasShares, planShares } from "../../../lib/memory/shares.ts";
import type { MemoryPolicy, Unit } from "../../../lib/memory/unit.ts";
import { captured, type CapturedFiles } from "../../captured.ts";
import { fourNodes, GiB, MiB, oneNode } from "./machines.ts";

function heap(node: number, bytes: number, pageBytes = 2 * MiB): Unit {
  return { id: `node${node}`, backend: "hugetlb", node, nodes: [node], bytes, pageBytes };
}

/** What the file says. */
function lines(units: readonly Unit[], nodes: readonly number[], files: CapturedFiles = fourNodes, policy: MemoryPolicy = "bind") {
  using machine = captured(files);
  const inventory = new Inventory(machine);
  const memory = { units, policy, programs: "preload", owner: { uid: 0, gid: 0 } } as const;
  const changes = planShares({ inventory, name: "sim", role: "compute", cpus: [2], nodes }, units, memory);
  assert.ok(changes.every(({ kind, what }) => kind === "shares" && what === "/run/nodeos/memory/sim/shares"));
  return changes.flatMap(({ to }) => to.split("\n"));
}

const count = (size: string) => `/sys/fs/cgroup/nodeos-sim/hugetlb.${size}.numa_stat`;

Deno.test("planShares() says how much of each node a container has, by page size, and where the kernel counts it", () => {
  assert.deepEqual(lines([heap(2, 8 * MiB), heap(1, 4 * MiB), heap(1, GiB, GiB)], [1, 2], fourNodes, "interleave"), [
    "policy interleave",
    `pages ${2 * MiB} ${count("2MB")} 1 ${4 * MiB} 2 ${8 * MiB}`,
    `pages ${GiB} ${count("1GB")} 1 ${GiB}`,
  ]);
});

Deno.test("planShares() says nothing of amounts where all is on one node, and all of them where other memory is on another", () => {
  assert.deepEqual(lines([heap(1, 4 * MiB)], [1]), ["policy bind"]);
  assert.deepEqual(lines([heap(1, 4 * MiB)], [0, 1]), ["policy bind", `pages ${2 * MiB} ${count("2MB")} 1 ${4 * MiB}`]);
});

Deno.test("planShares() leaves objects out, which have their pages already", () => {
  assert.deepEqual(lines([{ ...heap(1, 4 * MiB), object: "halo" }], [1, 2]), []);
});

Deno.test("planShares() says which nodes are near to which CPUs, where that is not the order of their numbers", () => {
  const files = {
    ...fourNodes,
    "/sys/devices/system/node/node0/cpulist": "0\n",
    "/sys/devices/system/node/node2/cpulist": "1\n",
    "/sys/devices/system/node/node3/distance": "40 30 20 10\n",
    "/sys/devices/system/node/node3/cpulist": "2-3\n",
  };
  const near = lines([heap(0, 2 * MiB), heap(1, 2 * MiB), heap(2, 2 * MiB)], [0, 1, 2], files).filter((line) => line.startsWith("near"));
  assert.deepEqual(near, ["near 2 2 0 1", "near 3 2 1 0"]);
});

Deno.test("planShares() plans nothing on one node, and where the kernel does not count by node", () => {
  const old = { ...fourNodes, "/proc/sys/kernel/osrelease": "5.16.9\n" };
  assert.deepEqual(lines([heap(0, 2 * MiB)], [0], oneNode), []);
  assert.deepEqual(lines([heap(0, 2 * MiB), heap(1, 2 * MiB)], [0, 1], old), []);
  const ask = (files: CapturedFiles) => {
    using machine = captured(files);
    return hasShares(new Inventory(machine));
  };
  assert.deepEqual([oneNode, old, fourNodes].map(ask), [false, false, true]);
});
