import { hierarchyOf } from "../kernel/cgroup.ts";
import { type DaxDevice, readDaxDevices } from "../kernel/dax.ts";
import type { Inventory } from "../kernel/inventory.ts";
import { hardwareNodes, hugePageSizes } from "../kernel/numa.ts";
import { readNumber } from "../kernel/value.ts";
import { readHugeBytes } from "./huge_usage.ts";
import { objectPath } from "./objects.ts";
import type { UnitsOf } from "./unit.ts";

/** The huge pages of one size on one NUMA node, and who has them. */
export interface PoolSupply {
  /** Size of one page. */
  readonly pageBytes: number;
  /** Pages in the pool, those in use included. */
  readonly totalCount: number;
  /** Pages that programs outside of our containers use. */
  readonly strangersCount: number;
}

/** What one NUMA node has. */
export interface NodeSupply {
  /** The kernel's number. */
  readonly id: number;
  /** Nodes that are one piece of hardware, this one among them, ascending: several with `numa=fake`. */
  readonly hardware: readonly number[];
  /** Memory that the kernel manages there. */
  readonly bytes: number;
  /** Part of it that is free, or holds copies of files only. */
  readonly availableBytes: number;
  /** Its huge pages, ascending by page size. */
  readonly pools: readonly PoolSupply[];
}

/** What a machine has to make units of. */
export interface Supply {
  /** NUMA nodes with memory, ascending. */
  readonly nodes: readonly NodeSupply[];
  /** Size of the pages that are not huge. */
  readonly basePageBytes: number;
  /** Size of the huge pages that a program gets who asks for no size; `null` on a kernel without. */
  readonly hugePageBytes: number | null;
  /** Why huge pages cannot be counted by container, or `null`. */
  readonly hugeLimitProblem: string | null;
  /** Devices over memory that the kernel does not have. */
  readonly daxDevices: readonly DaxDevice[];
}

/** Where the kernel has the size of a pool, as the file to write. */
export function poolFile(inventory: Pick<Inventory, "files">, node: number, pageBytes: number): string {
  const pool = `hugepages/hugepages-${pageBytes / 1024}kB/nr_hugepages`;
  const ofNode = `/sys/devices/system/node/node${node}/${pool}`;
  // A kernel without NUMA has one place for all.
  return inventory.files.exists(ofNode) ? ofNode : `/sys/kernel/mm/${pool}`;
}

/**
 * Reads what units can be made of.
 *
 * @param containers Our containers, whose huge pages are not strangers'.
 */
export function readSupply(inventory: Inventory, containers: readonly UnitsOf[]): Supply {
  const groups = hardwareNodes(inventory.numaNodes);
  const strangersOf = countStrangers(inventory, containers);
  const nodes = inventory.numaNodes.filter(({ memoryBytes }) => memoryBytes > 0).map((node): NodeSupply => ({
    id: node.id,
    hardware: groups.find((group) => group.includes(node.id))!,
    bytes: node.memoryBytes,
    availableBytes: node.freeBytes + node.fileBytes,
    pools: node.hugePages.map(({ pageBytes, totalCount }) => ({
      pageBytes,
      totalCount,
      strangersCount: strangersOf(node.id, pageBytes),
    })),
  }));
  return {
    nodes,
    basePageBytes: readBasePageBytes(inventory),
    hugePageBytes: usualHugePageBytes(inventory),
    hugeLimitProblem: hierarchyOf(inventory.cgroups, "hugetlb") === null
      ? "no mounted cgroup hierarchy has the hugetlb controller, and nothing would keep others from a container's huge pages"
      : null,
    daxDevices: readDaxDevices(inventory.files),
  };
}

/**
 * Counts the pages of each pool that are in use, and not by containers; by node and page size. Programs take and free pages
 * while we look: what containers had just before or just after counts as theirs.
 */
function countStrangers(inventory: Inventory, containers: readonly UnitsOf[]): (node: number, pageBytes: number) => number {
  const sizes = hugePageSizes(inventory.numaNodes);
  const ours = () => new Map(sizes.map((pageBytes) => [pageBytes, bytesOfContainers(inventory, containers, pageBytes)]));
  const before = ours();
  const used = new Map(inventory.numaNodes.flatMap(({ id, hugePages }) =>
    hugePages.map(({ pageBytes }) => {
      const pool = poolFile(inventory, id, pageBytes);
      const count = (file: string) => readNumber(inventory.files, pool.replace(/nr_hugepages$/, file)) ?? 0;
      return [`${id}:${pageBytes}`, count("nr_hugepages") - count("free_hugepages")];
    })
  ));
  const after = ours();
  return (node, pageBytes) => {
    const oursBytes = Math.max(...[before, after].map((looked) => looked.get(pageBytes)?.get(node) ?? 0));
    return Math.max(0, (used.get(`${node}:${pageBytes}`) ?? 0) - oursBytes / pageBytes);
  };
}

/**
 * Bytes of huge pages of one size that containers have, by node: their programs, as the cgroups count them, and their
 * objects, which no cgroup does.
 */
function bytesOfContainers(inventory: Inventory, containers: readonly UnitsOf[], pageBytes: number): Map<number, number> {
  const sum = new Map<number, number>();
  const add = (node: number, bytes: number) => sum.set(node, (sum.get(node) ?? 0) + bytes);
  for (const { name, units } of containers) {
    for (const [node, bytes] of readHugeBytes(inventory, name, pageBytes)) add(node, bytes);
    for (const unit of units) {
      if (unit.backend !== "hugetlb" || unit.object === undefined || unit.pageBytes !== pageBytes) continue;
      add(unit.node, inventory.files.memory?.file(objectPath(name, unit))?.allocatedBytes ?? 0);
    }
  }
  return sum;
}

function usualHugePageBytes({ files }: Inventory): number | null {
  const kilobytes = /^Hugepagesize:\s+(\d+) kB/m.exec(files.tryRead("/proc/meminfo") ?? "")?.[1];
  return kilobytes === undefined ? null : Number(kilobytes) * 1024;
}

/** Size of the pages that are not huge: a page table of the lowest level maps one huge page of the next: 512 entries of 4 KiB, 2,048 of 16, 8,192 of 64. */
export function readBasePageBytes({ files }: Pick<Inventory, "files">): number {
  const middleBytes = readNumber(files, "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size") ?? 2 ** 21;
  return Math.sqrt(middleBytes * 8);
}
