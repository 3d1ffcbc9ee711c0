import { cache } from "../feature/cache.ts";
import { cpuset } from "../feature/cpuset.ts";
import { devices } from "../feature/devices.ts";
import type { Birth } from "../feature/feature.ts";
import { loadBalancing } from "../feature/load_balancing.ts";
import { memory } from "../feature/memory.ts";
import { pids } from "../feature/pids.ts";
import { scheduling } from "../feature/scheduling.ts";
import { swap } from "../feature/swap.ts";
import type { Inventory } from "../kernel/inventory.ts";
import { planUnits } from "../memory/plan.ts";
import type { Site } from "../plan/seat.ts";
import { type Change, isSame } from "../plan/step.ts";
import type { ContainerSpec } from "./spec.ts";

/**
 * Plans a container: what each of its features wants to change, in an order that the kernel accepts.
 *
 * @param others Changes of all other containers, made or about to be: some things are dealt out among them.
 */
export function planContainer(inventory: Inventory, spec: ContainerSpec, others: readonly Change[] = []): Change[] {
  const site = siteOf(inventory, spec);
  const changes = [
    ...cpuset.plan(site),
    ...loadBalancing.plan(site, spec.loadBalancing),
    ...memory.plan(site, spec.memoryBytes),
    ...planUnits(site, spec.memory),
    ...pids.plan(site, spec.pidsMax),
    ...scheduling.plan(site, spec.scheduling),
    ...swap.plan(site, spec.swap),
    ...cache.plan(site, spec.cache, others),
    ...devices.plan(site, spec.devices),
  ];
  return changes.filter((change, index) => changes.findIndex((other) => isSame(other, change)) === index);
}

/** How programs of a container are born. */
export function birthOf(inventory: Inventory, spec: ContainerSpec): Birth {
  const site = siteOf(inventory, spec);
  return { ...scheduling.birth?.(site, spec.scheduling), ...loadBalancing.birth?.(site, spec.loadBalancing) };
}

function siteOf(inventory: Inventory, { name, role, cpus, nodes }: ContainerSpec): Site {
  return { inventory, name, role, cpus, nodes };
}
