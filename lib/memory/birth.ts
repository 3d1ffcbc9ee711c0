import type { LaunchRequest } from "../../ffi/launch.ts";
import { memoryModes } from "../../ffi/task.ts";
import type { Inventory } from "../kernel/inventory.ts";
import { objectsDirectory } from "./objects.ts";
import { hasShares, sharesPath } from "./shares.ts";
import { bytesOf, heapOf, nodesOf, type OwnMemory } from "./unit.ts";

/** How programs of a container with units are started, and what they are told. */
export interface MemoryBirth extends Pick<LaunchRequest, "memory"> {
  /** Variables of its environment; those that a program has a list in already are to be put in front of it. */
  readonly variables: Readonly<Record<string, string>>;
  /** The most memory that one program may ask for (RLIMIT_DATA): the kernel refuses more with ENOMEM. */
  readonly dataBytes?: number;
}

/** What the kernel keeps of a node for page tables and the like, as a share. */
const keptShare = 1 / 16;

/**
 * Says how programs of a container come to their units.
 *
 * @param preloadPath Where the allocator lies that takes huge pages.
 */
export function memoryBirth(inventory: Inventory, name: string, memory: OwnMemory, preloadPath: string): MemoryBirth {
  const heap = heapOf(memory.units);
  const huge = heap.filter(({ backend }) => backend === "hugetlb");
  const sizes = [...new Set(huge.map(({ pageBytes }) => pageBytes))].sort((a, b) => a - b);
  const variables = {
    ...(memory.units.length > heap.length ? { NODEOS_MEMORY: objectsDirectory(name) } : {}),
    ...(huge.length > 0 ? { NODEOS_HUGE_PAGES: sizes.join(",") } : {}),
    ...(huge.length > 0 && hasShares(inventory) ? { NODEOS_HUGE_SHARES: sharesPath(name) } : {}),
    ...(huge.length > 0 ? allocator(memory, sizes[0], preloadPath) : {}),
  };
  const nodes = nodesOf(heap);
  const isChoice = nodes.length > 0 && inventory.memoryNodes.length > 1;
  const chosen = memory.policy === "preferred" ? nodes.slice(0, 1) : nodes;
  return {
    variables,
    ...(isChoice ? { memory: { mode: memoryModes[memory.policy], nodes: chosen } } : {}),
    ...dataLimit(inventory, memory),
  };
}

function allocator({ programs }: OwnMemory, pageBytes: number, preloadPath: string): Record<string, string> {
  switch (programs) {
    case "preload":
      return { LD_PRELOAD: preloadPath };
    case "tunable":
      // Chunks that glibc maps one by one are ordinary pages below the size of a huge one: those come from its heap.
      return { GLIBC_TUNABLES: `glibc.malloc.hugetlb=2:glibc.malloc.mmap_threshold=${pageBytes}` };
    case "none":
      return {};
  }
}

/**
 * Where pages come one by one there is no moment at which the kernel could refuse one but by ending a program. So each
 * program may ask for no more than is there when it starts; programs that together take more meet the kernel's own end.
 */
function dataLimit({ numaNodes }: Inventory, { units }: OwnMemory): { dataBytes?: number } {
  const heap = heapOf(units);
  if (heap.length === 0 || heap.some(({ backend }) => backend === "hugetlb")) return {};
  const nodes = nodesOf(heap);
  const limitBytes = bytesOf(heap.filter(({ backend }) => backend === "limit"));
  const availableBytes = numaNodes.filter(({ id }) => nodes.includes(id)).reduce(
    (sum, { freeBytes, fileBytes }) => sum + freeBytes + fileBytes,
    0,
  );
  return { dataBytes: Math.floor((availableBytes + limitBytes) * (1 - keptShare)) };
}
