import type { CacheMasks, ResourceClass } from "../kernel/resctrl.ts";
import { splitSchemata } from "../plan/resource_class.ts";
import type { Change } from "../plan/step.ts";

/** Somebody who has parts of a cache. */
export interface Holder {
  /** Name of its class. */
  readonly name: string;
  /** The parts, one bit each. */
  readonly mask: bigint;
}

/**
 * Who has parts of one last-level cache: classes with CPUs or tasks that run there, those that the kernel lets nobody
 * overlap with, and those that are planned.
 *
 * @param domain Number of the cache.
 * @param cpus Its CPUs, all of them.
 */
export function holdersOf(
  domain: number,
  cpus: readonly number[],
  classes: readonly ResourceClass[],
  planned: readonly Change[],
): Holder[] {
  const masks = new Map<string, bigint>();
  const add = (name: string, value: string) => masks.set(name, (masks.get(name) ?? 0n) | BigInt(`0x${value}`));
  for (const { name, hasTasks, isExclusive, cpus: own, schemata } of classes) {
    if (!hasTasks && !isExclusive && !own.some((cpu) => cpus.includes(cpu))) continue;
    for (const [resource, values] of schemata) if (isLastLevel(resource)) add(name, values.get(domain) ?? "0");
  }
  for (const { kind, what, to } of planned) {
    if (kind !== "schemata") continue;
    const part = splitSchemata(what);
    if (isLastLevel(part.resource) && part.domain === domain) add(part.directory.slice(part.directory.lastIndexOf("/") + 1), to);
  }
  return [...masks].map(([name, mask]) => ({ name, mask })).filter(({ mask }) => mask !== 0n);
}

/** With `cdp`, data and code have masks of their own. */
function isLastLevel(resource: string): boolean {
  return ["L3", "L3CODE", "L3DATA"].includes(resource);
}

/**
 * Chooses parts in a row that nobody has: those of now when they suit, so that a plan for a class that is there moves
 * nothing without need; else the first that no device writes to; else the first. `null` when there is no room.
 *
 * @param count How many.
 * @param own The mask of now, if there is one.
 */
export function chooseMask(masks: CacheMasks, holders: readonly Holder[], count: number, own: bigint | null): bigint | null {
  const free = holders.reduce((bits, { mask }) => bits & ~mask, masks.all);
  if (own !== null && countBits(own) === count && (own & free) === own) return own;
  return firstRun(free & ~masks.shareable, count) ?? firstRun(free, count);
}

function firstRun(free: bigint, count: number): bigint | null {
  const run = (1n << BigInt(count)) - 1n;
  for (let mask = run; mask <= free; mask <<= 1n) if ((free & mask) === mask) return mask;
  return null;
}

/** How many parts a mask has. */
export function countBits(mask: bigint): number {
  return mask.toString(2).replaceAll("0", "").length;
}
