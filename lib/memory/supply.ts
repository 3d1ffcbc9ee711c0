import { cgroupDirectory, hierarchyOf } from "../kernel/cgroup.ts";
import { type DaxDevice, readDaxDevices } from "../kernel/dax.ts";
import type { Inventory } from "../kernel/inventory.ts";
import { hardwareNodes } from "../kernel/numa.ts";
import { inLargestUnit, readNumber } from "../kernel/value.ts";
import { objectPath } from "./objects.ts";
import type { Unit, UnitsOf } from "./unit.ts";

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

/** A page size as the hugetlb controller's files name it: `2MB`, `1GB`. */
export function controllerSize(pageBytes: number): string {
  const [count, unit] = inLargestUnit(pageBytes, 4);
  return `${count}${["B", "KB", "MB", "GB"][unit]}`;
}

/**
 * Reads what units can be made of.
 *
 * @param containers Our containers, whose huge pages are not strangers'.
 */
export function readSupply(inventory: Inventory, containers: readonly UnitsOf[]): Supply {
  const groups = hardwareNodes(inventory.numaNodes);
  const nodes = inventory.numaNodes.filter(({ memoryBytes }) => memoryBytes > 0).map((node): NodeSupply => ({
    id: node.id,
    hardware: groups.find((group) => group.includes(node.id))!,
    bytes: node.memoryBytes,
    availableBytes: node.freeBytes + node.fileBytes,
    pools: node.hugePages.map(({ pageBytes, totalCount }) => ({
      pageBytes,
      totalCount,
      strangersCount: countStrangers(inventory, containers, node.id, pageBytes),
    })),
  }));
  return {
    nodes,
    basePageBytes: basePageBytes(inventory),
    hugePageBytes: usualHugePageBytes(inventory),
    hugeLimitProblem: hierarchyOf(inventory.cgroups, "hugetlb") === null
      ? "no mounted cgroup hierarchy has the hugetlb controller, and nothing would keep others from a container's huge pages"
      : null,
    daxDevices: readDaxDevices(inventory.files),
  };
}

/**
 * Pages of a pool that are in use, and not by containers. Programs take and free pages while we look: what containers had
 * just before or just after counts as theirs.
 */
function countStrangers(inventory: Inventory, containers: readonly UnitsOf[], node: number, pageBytes: number): number {
  const ours = () => usedBy(inventory, containers, node, pageBytes) / pageBytes;
  const before = ours();
  const pool = poolFile(inventory, node, pageBytes);
  const count = (file: string) => readNumber(inventory.files, pool.replace(/nr_hugepages$/, file)) ?? 0;
  const usedCount = count("nr_hugepages") - count("free_hugepages");
  return Math.max(0, usedCount - Math.max(before, ours()));
}

/**
 * Bytes of huge pages that containers have on a node: their programs, as the cgroups count them, and their objects, which no
 * cgroup does.
 */
function usedBy(inventory: Inventory, containers: readonly UnitsOf[], node: number, pageBytes: number): number {
  const hierarchy = hierarchyOf(inventory.cgroups, "hugetlb");
  if (hierarchy === null) return 0;
  const file = `hugetlb.${controllerSize(pageBytes)}.numa_stat`;
  return containers.reduce((sum, { name, units }) => {
    const isHere = (unit: Unit) =>
      unit.backend === "hugetlb" && unit.object !== undefined && unit.node === node && unit.pageBytes === pageBytes;
    const allocated = (unit: Unit) => inventory.files.memory?.file(objectPath(name, unit))?.allocatedBytes ?? 0;
    const objectBytes = units.filter(isHere).reduce((sum, unit) => sum + allocated(unit), 0);
    const text = inventory.files.tryRead(`${cgroupDirectory(hierarchy, name)}/${file}`) ?? "";
    // total=2097152 N0=0 N1=2097152; version 1 has a second line for what is below.
    return sum + objectBytes + Number(new RegExp(`^total=.*\\bN${node}=(\\d+)`, "m").exec(text)?.[1] ?? 0);
  }, 0);
}

function usualHugePageBytes({ files }: Inventory): number | null {
  const kilobytes = /^Hugepagesize:\s+(\d+) kB/m.exec(files.tryRead("/proc/meminfo") ?? "")?.[1];
  return kilobytes === undefined ? null : Number(kilobytes) * 1024;
}

/** A page table of the lowest level maps one huge page of the next: 512 entries of 4 KiB, 2,048 of 16, 8,192 of 64. */
function basePageBytes({ files }: Inventory): number {
  const middleBytes = readNumber(files, "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size") ?? 2 ** 21;
  return Math.sqrt(middleBytes * 8);
}
