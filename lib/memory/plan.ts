import { hierarchyOf } from "../kernel/cgroup.ts";
import type { Inventory } from "../kernel/inventory.ts";
import type { Site } from "../plan/seat.ts";
import type { Change } from "../plan/step.ts";
import { hugePages } from "./huge_pages.ts";
import { memoryNodes } from "./memory_nodes.ts";
import { poolFile, readSupply } from "./supply.ts";
import { formatSize, type OwnMemory, type UnitsOf } from "./unit.ts";

/** Plans what a container's units change in its own cgroup, and the files of its objects. */
export function planUnits(site: Site, memory: OwnMemory | undefined): Change[] {
  if (memory === undefined) return [];
  return memoryNodes.flatMap((node) => {
    const units = memory.units.filter(({ backend }) => backend === node.name);
    // Who has none of them would otherwise take those that others have not touched yet.
    const isBound = units.length > 0 || (node === hugePages && hierarchyOf(site.inventory.cgroups, "hugetlb") !== null);
    return isBound ? node.plan(site, units, memory) : [];
  });
}

/**
 * Plans the pools of huge pages, each for all containers that have units of it: what was there before stays for everybody
 * else, as far as it is in use.
 *
 * @param original The value of a thing before we changed it.
 */
export function planPools(
  inventory: Inventory,
  containers: readonly UnitsOf[],
  original: (thing: Pick<Change, "kind" | "what">) => string | null,
): Change[] {
  const huge = containers.flatMap(({ name, units }) =>
    units.filter(({ backend }) => backend === "hugetlb").map((unit) => ({ name, node: unit.node, pageBytes: unit.pageBytes, unit }))
  );
  if (huge.length === 0) return [];
  const supply = readSupply(inventory, containers);
  const pools = Map.groupBy(huge, ({ node, pageBytes }) => `${node}:${pageBytes}`);
  return [...pools.values()].map((parts): Change => {
    const [{ node, pageBytes }] = parts;
    const what = poolFile(inventory, node, pageBytes);
    const pool = supply.nodes.find(({ id }) => id === node)?.pools.find((pool) => pool.pageBytes === pageBytes);
    const unitCount = parts.reduce((sum, { unit }) => sum + unit.bytes / pageBytes, 0);
    const formerCount = Number(original({ kind: "pool", what }) ?? 0);
    const names = [...new Set(parts.map(({ name }) => name))].join(", ");
    return {
      kind: "pool",
      what,
      to: `${Math.max(formerCount, unitCount + (pool?.strangersCount ?? 0))}`,
      why: `huge pages of ${formatSize(pageBytes)} on node ${node} (${names})`,
    };
  });
}
