import type { Inventory } from "../kernel/inventory.ts";
import { memoryNodes } from "./memory_nodes.ts";
import { readSupply, type Supply } from "./supply.ts";
import { type Backend, formatSize, type UnitsOf } from "./unit.ts";

/** How strongly a container owns a unit, in words for a table. */
export const ownership: Readonly<Record<Backend, string>> = {
  devdax: "absolute: memory that the kernel never had",
  hugetlb: "strong: reserved, and counted; ordinary memory never lies there",
  tmpfs: "strong: fixed pages, held by a file from the grant on",
  node: "by place: all of a node, kept by cpuset",
  limit: "none: an amount, no page belongs to it",
};

/** One way to own memory, and whether this machine has it. */
export interface BackendState {
  /** Its word. */
  readonly name: Backend;
  /** One sentence. */
  readonly doc: string;
  /** What it makes: memory of programs, objects, or both. */
  readonly makes: readonly ("heap" | "object")[];
  /** How strongly it owns. */
  readonly ownership: string;
  /** Why this machine cannot have it; `null` when it can. */
  readonly problem: string | null;
  /** What this machine has of it now. */
  readonly here: string;
  /** What to boot with to have it, or more of it; `null` when booting makes no difference. */
  readonly boot: string | null;
}

/** Reads which ways to own memory this machine has, the strongest first. */
export function readBackends(inventory: Inventory, containers: readonly UnitsOf[]): BackendState[] {
  const supply = readSupply(inventory, containers);
  return memoryNodes.map(({ name, doc, makes, lacks }) => ({
    name,
    doc,
    makes,
    ownership: ownership[name],
    problem: lacks(supply),
    here: here[name](supply),
    boot: boot[name](supply),
  }));
}

const list = (parts: readonly string[]) => parts.join(", ") || "none";

const here: Readonly<Record<Backend, (supply: Supply) => string>> = {
  devdax: ({ daxDevices }) =>
    list(daxDevices.filter(({ bytes }) => bytes > 0).map(({ name, bytes, node }) => `${name} with ${formatSize(bytes)} at node ${node}`)),
  hugetlb: (supply) =>
    list(
      pageSizes(supply).map((pageBytes) => {
        const pools = supply.nodes.flatMap(({ pools }) => pools.filter((pool) => pool.pageBytes === pageBytes));
        return `pages of ${formatSize(pageBytes)}, ${pools.reduce((sum, { totalCount }) => sum + totalCount, 0)} reserved`;
      }),
    ),
  tmpfs: ({ basePageBytes }) => `pages of ${formatSize(basePageBytes)}`,
  node: ({ nodes }) => nodes.length === 1 ? "1 NUMA node" : `${nodes.length} NUMA nodes`,
  limit: ({ nodes }) => `${nodes.length === 1 ? "1 NUMA node" : `${nodes.length} NUMA nodes`}, shared`,
};

const boot: Readonly<Record<Backend, (supply: Supply) => string | null>> = {
  devdax: () => "memmap=512M%4G-1+0xefffffff sets 512 MiB at 4 GiB aside (x86-64; both must be memory)",
  hugetlb: (supply) => {
    if (pageSizes(supply).length === 0) return null;
    const largest = formatSize(pageSizes(supply).at(-1)!);
    // Hours after boot there is hardly a free block as large as the largest pages.
    return pageSizes(supply).length === 1
      ? null
      : `hugepagesz=${largest.slice(0, -2)} hugepages=8 reserves pages of ${largest} while memory is whole`;
  },
  tmpfs: () => null,
  node: ({ nodes }) =>
    nodes.some(({ hardware }) => hardware.length > 1) ? null : "numa=fake=8 makes eight nodes of the memory (needs CONFIG_NUMA_EMU)",
  limit: () => null,
};

function pageSizes({ nodes }: Supply): number[] {
  return [...new Set(nodes.flatMap(({ pools }) => pools.map(({ pageBytes }) => pageBytes)))].sort((a, b) => a - b);
}
