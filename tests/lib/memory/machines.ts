import { Inventory } from "../../../lib/kernel/inventory.ts";
import { type Owned, Room, type User } from "../../../lib/memory/room.ts";
import { readSupply, type Supply } from "../../../lib/memory/supply.ts";
import type { Unit } from "../../../lib/memory/unit.ts";
import { captured, type CapturedFiles } from "../../captured.ts";
import { v2 } from "../../small_machines.ts";

export const MiB = 2 ** 20;
export const GiB = 2 ** 30;

/** Files of a NUMA node with 1 GiB, of it `freeMib` free, and a pool of huge pages. */
function node(id: number, distances: string, freeMib: number, pool: { total: number; free: number }): Record<string, string> {
  const directory = `/sys/devices/system/node/node${id}`;
  const huge = `${directory}/hugepages`;
  return {
    [`${directory}/meminfo`]: [
      `Node ${id} MemTotal:       ${GiB / 1024} kB`,
      `Node ${id} MemFree:        ${freeMib * 1024} kB`,
      `Node ${id} Active(file):   ${64 * 1024} kB`,
      `Node ${id} Inactive(file): ${32 * 1024} kB`,
      "",
    ].join("\n"),
    [`${directory}/distance`]: `${distances}\n`,
    [`${huge}/hugepages-2048kB/nr_hugepages`]: `${pool.total}\n`,
    [`${huge}/hugepages-2048kB/free_hugepages`]: `${pool.free}\n`,
    [`${huge}/hugepages-1048576kB/nr_hugepages`]: "0\n",
    [`${huge}/hugepages-1048576kB/free_hugepages`]: "0\n",
  };
}

const meminfo = `MemTotal:        ${4 * GiB / 1024} kB\nHugepagesize:       2048 kB\n`;
const release = { "/proc/sys/kernel/osrelease": "6.12.0\n", "/proc/swaps": "Filename Type Size Used Priority\n" };

/** Four NUMA nodes of 1 GiB with 512 MiB free and 96 MiB of files; node 3 has 16 huge pages, 6 in use. Cgroup v2. */
export const fourNodes: CapturedFiles = {
  ...v2,
  ...release,
  "/proc/meminfo": meminfo,
  "/sys/devices/system/node/has_memory": "0-3\n",
  "/sys/devices/system/node/online": "0-3\n",
  ...node(0, "10 20 20 20", 512, { total: 0, free: 0 }),
  ...node(1, "20 10 20 20", 512, { total: 0, free: 0 }),
  ...node(2, "20 20 10 20", 512, { total: 0, free: 0 }),
  ...node(3, "20 20 20 10", 512, { total: 16, free: 10 }),
};

/** The same memory as one piece of hardware that `numa=fake=4` splits. */
export const fakeNodes: CapturedFiles = {
  ...fourNodes,
  ...Object.fromEntries([0, 1, 2, 3].map((id) => [`/sys/devices/system/node/node${id}/distance`, "10 10 10 10\n"])),
};

/** One node. */
export const oneNode: CapturedFiles = {
  ...Object.fromEntries(Object.entries(fourNodes).filter(([path]) => !/node[1-9]/.test(path))),
  "/sys/devices/system/node/has_memory": "0\n",
  "/sys/devices/system/node/online": "0\n",
  ...node(0, "10", 512, { total: 0, free: 0 }),
};

/** What a machine has. */
export function supplyOf(files: CapturedFiles, containers: readonly string[] = []): Supply {
  using machine = captured(files);
  return readSupply(new Inventory(machine), containers.map((name) => ({ name, units: [] })));
}

/** Room on a machine. */
export function roomOf(files: CapturedFiles, owned: readonly Owned[] = [], users: readonly User[] = [], own: readonly Unit[] = []): Room {
  return new Room(supplyOf(files, owned.map(({ owner }) => owner)), owned, users, own);
}
