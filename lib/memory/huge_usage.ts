import { cgroupDirectory, hierarchyOf } from "../kernel/cgroup.ts";
import type { Inventory } from "../kernel/inventory.ts";
import { parseNumaStat } from "../kernel/numa_stat.ts";
import { inLargestUnit } from "../kernel/value.ts";

/** A page size as the hugetlb controller's files name it: `2MB`, `1GB`. */
export function controllerSize(pageBytes: number): string {
  const [count, unit] = inLargestUnit(pageBytes, 4);
  return `${count}${["B", "KB", "MB", "GB"][unit]}`;
}

/** Reads the bytes of huge pages of one size that programs of a container have, by NUMA node; empty where nobody counts them. */
export function readHugeBytes(inventory: Inventory, container: string, pageBytes: number): ReadonlyMap<number, number> {
  return parseNumaStat(readFile(inventory, container, pageBytes, () => "numa_stat") ?? "");
}

/** Reads the bytes of huge pages of one size that mappings of a container were promised, there or not. */
export function readReservedBytes(inventory: Inventory, container: string, pageBytes: number): number {
  return Number(readFile(inventory, container, pageBytes, (version) => version === 2 ? "rsvd.current" : "rsvd.usage_in_bytes") ?? 0);
}

function readFile(inventory: Inventory, container: string, pageBytes: number, nameOf: (version: 1 | 2) => string): string | null {
  const hierarchy = hierarchyOf(inventory.cgroups, "hugetlb");
  if (hierarchy === null) return null;
  const file = `hugetlb.${controllerSize(pageBytes)}.${nameOf(hierarchy.version)}`;
  return inventory.files.tryRead(`${cgroupDirectory(hierarchy, container)}/${file}`);
}
