import { cgroupDirectory, hierarchyOf } from "../kernel/cgroup.ts";
import type { Inventory } from "../kernel/inventory.ts";
import { isKernelBefore } from "../kernel/release.ts";
import type { Site } from "../plan/seat.ts";
import { formatPageShares } from "../plan/shares.ts";
import type { Change } from "../plan/step.ts";
import { controllerSize } from "./huge_usage.ts";
import { objectsDirectory } from "./objects.ts";
import { heapOf, nodesOf, type OwnMemory, type Unit } from "./unit.ts";

/** Where programs of a container read how much of which NUMA node is theirs. */
export function sharesPath(container: string): string {
  return `${objectsDirectory(container)}/shares`;
}

/** Whether there are shares of NUMA nodes to keep, and Linux counts huge pages by node as it does from 5.17 on. */
export function hasShares({ files, memoryNodes }: Inventory): boolean {
  return memoryNodes.length > 1 && !isKernelBefore(files, 5, 17);
}

/**
 * Plans the file that says how much of each NUMA node's huge pages is a container's. The kernel counts them by container
 * only; programs that get them from our libraries keep to it. Where all that a container may take is on one node it says
 * nothing, and programs that are there when that changes know where to look.
 */
export function planShares(site: Site, units: readonly Unit[], { policy }: OwnMemory): Change[] {
  const { inventory, name, nodes } = site;
  const heap = heapOf(units);
  const hierarchy = hierarchyOf(inventory.cgroups, "hugetlb");
  if (heap.length === 0 || hierarchy === null || !hasShares(inventory)) return [];
  const lines = nodes.length === 1 ? [] : [
    ...nearLines(inventory, nodesOf(heap)),
    ...[...Map.groupBy(heap, ({ pageBytes }) => pageBytes)].sort(([a], [b]) => a - b).map(([pageBytes, alike]) =>
      formatPageShares({
        pageBytes,
        countPath: `${cgroupDirectory(hierarchy, name)}/hugetlb.${controllerSize(pageBytes)}.numa_stat`,
        bytesByNode: new Map(alike.map(({ node, bytes }) => [node, bytes] as const).sort(([a], [b]) => a - b)),
      })
    ),
  ];
  return [{
    kind: "shares",
    what: sharesPath(name),
    to: [`policy ${policy}`, ...lines].join("\n"),
    why: "its programs keep to what it has of each node",
  }];
}

/** Nodes in the order in which programs on a node's CPUs take from them, where it is not that of their numbers. */
function nearLines({ numaNodes }: Inventory, nodes: readonly number[]): string[] {
  return numaNodes.filter(({ cpus }) => cpus.length > 0).flatMap(({ id, distances }) => {
    const distanceOf = (node: number) => distances[numaNodes.findIndex(({ id }) => id === node)] ?? Infinity;
    const near = nodes.toSorted((a, b) => distanceOf(a) - distanceOf(b) || a - b);
    return near.join() === nodes.join() ? [] : [`near ${[id, ...near].join(" ")}`];
  });
}
