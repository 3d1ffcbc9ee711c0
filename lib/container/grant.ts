import { didYouMean, NoSuchObjectError, RefusedError, UsageError } from "../errors.ts";
import type { Inventory } from "../kernel/inventory.ts";
import { inUse } from "../memory/usage.ts";
import { describeUnit, formatSize, limitBytesOf, nodesOf, type OwnMemory, type Unit, type UnitRequest } from "../memory/unit.ts";
import type { Ledger } from "../plan/ledger.ts";
import { quote } from "../quote.ts";
import { findSpec } from "./ledger_specs.ts";
import { decideMemories, nodesFor } from "./own_memory.ts";
import { type ContainerSpec, SpecError, type SpecIssue } from "./spec.ts";

/** How the memory of a container that runs becomes another one. */
export type MemoryChange =
  /** One more unit; of memory that is like what it has, that becomes larger. */
  | { readonly kind: "grant"; readonly unit: UnitRequest }
  /** One unit less, by its id. */
  | { readonly kind: "revoke"; readonly id: string }
  /** One unit of another size, by its id: it keeps its contents, or as much of them from the beginning as there is room. */
  | { readonly kind: "resize"; readonly id: string; readonly bytes: number };

/**
 * Decides what a container becomes when its memory changes.
 *
 * @throws {SpecError} If the change is wrong or there is no room for it, {RefusedError} if what would go is in use,
 * {NoSuchObjectError} if there is no such container or unit.
 */
export function decideMemoryChange(inventory: Inventory, ledger: Ledger, name: string, change: MemoryChange): ContainerSpec {
  const old = findSpec(ledger, name);
  if (old.role === "service") {
    throw new UsageError("Cannot give the ServiceOS memory of its own", { remedy: "It has what containers leave; nodeos memory shows it" });
  }
  const had = old.memory?.units ?? [];
  const requests = changed(name, had, change);
  const wished = requests.length === 0 ? undefined : { ...old.memory, units: requests };
  const { memories: [memory], sharedNodes, issues } = decideMemories(inventory, ledger, [{ name, memory: wished, path: [] }]);
  const { nodes, issues: ofNodes } = nodesFor(namedNodes(old, memory), memory, sharedNodes, []);
  if (issues.length + ofNodes.length > 0) throw new SpecError([...issues, ...ofNodes], locate(name, had, change));
  if (old.memory !== undefined) {
    const problem = inUse(inventory, name, old.memory, memory);
    if (problem !== null) {
      throw new RefusedError(`Cannot take memory from container ${name}: ${problem}`, { remedy: "End or shrink what uses it first" });
    }
  }
  const hadLimit = limitBytesOf(old.memory) !== null;
  const memoryBytes = limitBytesOf(memory) ?? (hadLimit ? null : old.memoryBytes);
  const { memory: _, ...rest } = old;
  return { ...rest, nodes, memoryBytes, ...(memory === undefined ? {} : { memory }) };
}

function changed(name: string, had: readonly Unit[], change: MemoryChange): UnitRequest[] {
  const requests = had.map(requestOf);
  if (change.kind === "grant") {
    const { object } = change.unit;
    if (object !== undefined && had.some((unit) => unit.object === object)) {
      throw new UsageError(`Cannot grant object ${quote(object)} twice`, {
        remedy: `Make it larger: nodeos memory resize ${name} ${object} SIZE`,
      });
    }
    return [...requests, change.unit];
  }
  const index = had.findIndex(({ id }) => id === change.id);
  if (index < 0) {
    const remedy = had.length > 0 ? `It has ${had.map(({ id }) => id).join(", ")}` : `Give it one: nodeos memory grant ${name} 1GiB@0`;
    const guess = didYouMean(change.id, had.map(({ id }) => id));
    throw new NoSuchObjectError(`Cannot find unit ${quote(change.id)} of container ${name}${guess}`, { remedy });
  }
  if (change.kind === "revoke") return requests.filter((_, other) => other !== index);
  if (["node", "devdax"].includes(had[index].backend)) {
    throw new UsageError(`Cannot resize ${change.id}: it is ${describeUnit(had[index])}`, { remedy: "Grant another one, or revoke it" });
  }
  return requests.with(index, { ...requests[index], bytes: change.bytes });
}

/** A unit that is there, as a request for the same. */
function requestOf({ backend, bytes, node, pageBytes, object }: Unit): UnitRequest {
  return {
    backend,
    bytes,
    ...(backend === "limit" ? {} : { node }),
    ...(backend === "hugetlb" || backend === "tmpfs" ? { pageBytes } : {}),
    ...(object === undefined ? {} : { object }),
  };
}

/** NUMA nodes that somebody named, with those of the units; `undefined` when nobody did. */
function namedNodes({ nodes, namesNodes }: ContainerSpec, memory: OwnMemory | undefined): readonly number[] | undefined {
  if (!namesNodes) return undefined;
  return [...new Set([...nodes, ...nodesOf(memory?.units ?? [])])].sort((a, b) => a - b);
}

/** Says where an issue is: what was asked for, not a place in a file. */
function locate(name: string, had: readonly Unit[], change: MemoryChange): (path: SpecIssue["path"]) => string {
  return (path) => {
    const index = path.find((part) => typeof part === "number");
    const unit = index === undefined ? undefined : had[index];
    if (unit !== undefined && change.kind !== "resize") return `unit ${unit.id} of container ${name}`;
    return change.kind === "resize" ? `unit ${change.id} at ${formatSize(change.bytes)}` : `the new unit of container ${name}`;
  };
}
