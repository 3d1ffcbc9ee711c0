import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { nodeFeatures } from "../feature/node_features.ts";
import type { NodeFeature, Scene } from "../feature/node_feature.ts";
import { idleSiblings, smtSiblings } from "../feature/smt.ts";
import type { Inventory } from "../kernel/inventory.ts";
import { planPools } from "../memory/plan.ts";
import { nodesOf } from "../memory/unit.ts";
import { drivers } from "../plan/driver.ts";
import { type Change, isSame, type Step } from "../plan/step.ts";
import type { ContainerSpec } from "./spec.ts";

/** What stays on the containers' CPUs although a feature wishes it away. */
export interface Left {
  /** Name of the feature. */
  readonly feature: string;
  /** One line each: what, and why. */
  readonly lines: readonly string[];
}

/**
 * Plans what containers together wish of the whole node: the pools of huge pages that their units are of, then each
 * feature once, for all that wish it.
 *
 * @param held What an earlier plan changed: those things had another value before us.
 * @throws {RefusedError} If this machine cannot do what a feature is asked for.
 */
export function planNode(inventory: Inventory, specs: readonly ContainerSpec[], held: readonly Step[]): Change[] {
  const units = specs.flatMap(({ name, memory }) => memory === undefined ? [] : [{ name, units: memory.units }]);
  const features = wished(specs).flatMap(({ feature, names, cpus }) =>
    feature.plan(sceneOf(inventory, specs, cpus, held)).map((change) => ({ ...change, why: `${change.why} (${names.join(", ")})` }))
  );
  return [...planPools(inventory, units, (thing) => originalOf(inventory.files, thing, held)), ...features];
}

/** Whether containers wish anything of the whole node. */
export function wishAnything(specs: readonly ContainerSpec[]): boolean {
  return specs.some(({ quiet, memory }) => quiet.length > 0 || memory?.units.some(({ backend }) => backend === "hugetlb"));
}

/** Says what the wished features could not move. */
export function leftOf(inventory: Inventory, specs: readonly ContainerSpec[], held: readonly Step[]): Left[] {
  return wished(specs).flatMap(({ feature, cpus }) => {
    const lines = feature.left?.(sceneOf(inventory, specs, cpus, held)) ?? [];
    return lines.length > 0 ? [{ feature: feature.name, lines }] : [];
  });
}

/** Features that somebody wishes, in the order of their planning. */
function wished(specs: readonly ContainerSpec[]): { feature: NodeFeature; names: string[]; cpus: number[] }[] {
  return nodeFeatures.flatMap((feature) => {
    const wishing = specs.filter(({ quiet }) => quiet.includes(feature.name));
    const cpus = cpusOf(wishing);
    return cpus.length === 0 ? [] : [{ feature, names: wishing.map(({ name }) => name), cpus }];
  });
}

function sceneOf(inventory: Inventory, specs: readonly ContainerSpec[], cpus: readonly number[], held: readonly Step[]): Scene {
  const service = specs.find(({ role }) => role === "service");
  const ownedNodes = nodesOf(specs.flatMap(({ memory }) => memory?.units.filter(({ backend }) => backend === "node") ?? []));
  const original = (thing: Pick<Change, "kind" | "what">) => originalOf(inventory.files, thing, held);
  const idle = idleSiblings({ cpus: cpusOf(specs.filter(({ quiet }) => quiet.includes(smtSiblings.name))), original });
  return {
    inventory,
    cpus,
    otherCpus: inventory.onlineCpus.filter((cpu) => !cpus.includes(cpu) && !idle.includes(cpu)),
    taken: cpusOf(specs),
    isolatedCpus: cpusOf(specs.filter(({ role, loadBalancing }) => role === "compute" && loadBalancing === "off")),
    sharedNodes: inventory.memoryNodes.filter((node) => !ownedNodes.includes(node)),
    serviceCpus: service?.cpus ?? null,
    protect: service?.protect ?? [],
    original,
  };
}

function originalOf(files: KernelFiles, thing: Pick<Change, "kind" | "what">, held: readonly Step[]): string | null {
  const known = held.find((step) => isSame(step, thing));
  return known ? known.from : drivers[thing.kind].read(files, thing.what);
}

function cpusOf(specs: readonly ContainerSpec[]): number[] {
  return [...new Set(specs.flatMap(({ cpus }) => cpus))].sort((a, b) => a - b);
}
