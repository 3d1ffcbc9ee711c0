import type { Inventory } from "../kernel/inventory.ts";

/** Who has which CPU already: container name, `ServiceOS`, or the path of another cgroup. */
export type Holders = ReadonlyMap<number, string>;

/**
 * Chooses CPUs for a container that asked for none by number: whole cores first, in the machine's order.
 *
 * @param count How many, or `undefined` for all that are free outside the core kept for the ServiceOS.
 * @returns Ascending CPUs, or `null` when there are not enough.
 */
export function chooseCpus(inventory: Inventory, holders: Holders, count: number | undefined): number[] | null {
  const online = inventory.onlineCpus;
  const kept = new Set(reservedCore(inventory, holders));
  const free = online.filter((cpu) => !holders.has(cpu) && !kept.has(cpu));
  if (count === undefined) return free.length > 0 ? free : null;
  if (free.length < count) return null;
  if (count === free.length) return free;
  const cores = new Map<string, number[]>();
  for (const cpu of free) {
    const core = inventory.siblings(cpu).join();
    cores.set(core, [...cores.get(core) ?? [], cpu]);
  }
  const chosen: number[] = [];
  // Full cores that fit, then the rest from one more: half a core is shared with a neighbour's noise.
  const split: number[][] = [];
  for (const core of [...cores.values()].sort((a, b) => b.length - a.length || a[0] - b[0])) {
    if (chosen.length + core.length <= count) chosen.push(...core);
    else split.push(core);
  }
  // The first of the smallest; each of them is larger than what is still to be chosen.
  const core = split.find(({ length }) => length === split.at(-1)!.length) ?? [];
  chosen.push(...core.slice(0, count - chosen.length));
  return chosen.sort((a, b) => a - b);
}

/** The core that stays with the ServiceOS when nobody gave it CPUs: that of the first CPU no container has. */
function reservedCore(inventory: Inventory, holders: Holders): readonly number[] {
  if ([...holders.values()].includes(serviceHolder)) return [];
  const first = inventory.onlineCpus.find((cpu) => !holders.has(cpu));
  return first === undefined ? [] : inventory.siblings(first);
}

/** Name of the ServiceOS among holders. */
export const serviceHolder = "the ServiceOS";
