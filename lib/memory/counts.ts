import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { cgroupDirectory, hierarchyOf } from "../kernel/cgroup.ts";
import type { Inventory } from "../kernel/inventory.ts";
import { hugePageSizes } from "../kernel/numa.ts";
import { readNumber, readText } from "../kernel/value.ts";
import { controllerSize, readHugeBytes, readReservedBytes } from "./huge_usage.ts";

/** What the kernel counts of one size of huge pages for a container. */
export interface HugeCount {
  /** Size of a page. */
  readonly pageBytes: number;
  /** Bytes that are there. */
  readonly currentBytes: number;
  /** The most that may be there; `null` is no limit. */
  readonly maxBytes: number | null;
  /** Bytes that mappings were promised, there or not. */
  readonly reservedBytes: number;
  /** The most that may be promised; `null` is no limit. */
  readonly reservedMaxBytes: number | null;
  /** Bytes that are there, by NUMA node. */
  readonly bytesByNode: ReadonlyMap<number, number>;
}

/** What the kernel counts of ordinary memory for a container. */
export interface MemoryCount {
  /** Everything that is charged to it, kernel memory included. */
  readonly currentBytes: number;
  /** Its limit; `null` is none. */
  readonly maxBytes: number | null;
  /** Memory of programs that is no copy of a file. */
  readonly anonymousBytes: number;
  /** Copies of files, shared memory included. */
  readonly fileBytes: number;
  /** Shared memory, files in memory included. */
  readonly sharedBytes: number;
}

/** Reads what the hugetlb controller counts for a container, by page size; `[]` where no hierarchy has it. */
export function readHugeCounts(inventory: Inventory, container: string): HugeCount[] {
  const hierarchy = hierarchyOf(inventory.cgroups, "hugetlb");
  if (hierarchy === null) return [];
  const [current, max] = hierarchy.version === 2 ? ["current", "max"] : ["usage_in_bytes", "limit_in_bytes"];
  return hugePageSizes(inventory.numaNodes).flatMap((pageBytes): HugeCount[] => {
    const base = `${cgroupDirectory(hierarchy, container)}/hugetlb.${controllerSize(pageBytes)}`;
    const currentBytes = readNumber(inventory.files, `${base}.${current}`);
    if (currentBytes === null) return [];
    const maxBytes = readLimit(inventory.files, `${base}.${max}`);
    return [{
      pageBytes,
      currentBytes,
      maxBytes,
      reservedBytes: readReservedBytes(inventory, container, pageBytes),
      reservedMaxBytes: readLimit(inventory.files, `${base}.rsvd.${max}`),
      bytesByNode: readHugeBytes(inventory, container, pageBytes),
    }];
  });
}

/** Reads what the memory controller counts for a container; `null` where it has no cgroup of it. */
export function readMemoryCount({ files, cgroups }: Inventory, container: string): MemoryCount | null {
  const hierarchy = hierarchyOf(cgroups, "memory");
  if (hierarchy === null) return null;
  const directory = cgroupDirectory(hierarchy, container);
  const isNew = hierarchy.version === 2;
  const currentBytes = readNumber(files, `${directory}/memory.${isNew ? "current" : "usage_in_bytes"}`);
  if (currentBytes === null) return null;
  const counts = new Map(
    (readText(files, `${directory}/memory.stat`) ?? "").split("\n").map((line) => {
      const [name, value] = line.split(" ");
      return [name, Number(value)];
    }),
  );
  return {
    currentBytes,
    maxBytes: readLimit(files, `${directory}/memory.${isNew ? "max" : "limit_in_bytes"}`),
    // Version 1 counts its own processes, and with total_ those below as well.
    anonymousBytes: counts.get(isNew ? "anon" : "total_rss") ?? 0,
    fileBytes: counts.get(isNew ? "file" : "total_cache") ?? 0,
    sharedBytes: counts.get(isNew ? "shmem" : "total_shmem") ?? 0,
  };
}

/** `max`, and on version 1 a number that no machine has, is no limit. */
function readLimit(files: KernelFiles, path: string): number | null {
  const bytes = readNumber(files, path);
  return bytes === null || bytes >= 2 ** 60 ? null : bytes;
}
