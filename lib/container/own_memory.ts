import type { Inventory } from "../kernel/inventory.ts";
import { decideUnits } from "../memory/decide.ts";
import { type Owned, Room } from "../memory/room.ts";
import { readSupply } from "../memory/supply.ts";
import { heapOf, nodesOf, type OwnMemory, type OwnMemoryRequest, unitsOf } from "../memory/unit.ts";
import type { Ledger } from "../plan/ledger.ts";
import { formatCpuList } from "../kernel/cpulist.ts";
import { specsOf } from "./ledger_specs.ts";
import type { SpecIssue, SpecPath } from "./spec.ts";

/** A container whose memory is to be decided. */
export interface MemoryWish {
  /** Its name. */
  readonly name: string;
  /** Memory for itself. */
  readonly memory?: OwnMemoryRequest;
  /** NUMA nodes that it asks for by number. */
  readonly nodes?: readonly number[];
  /** Where it stands in the request. */
  readonly path: SpecPath;
}

/** The memory of containers, decided together. */
export interface MemoryDecision {
  /** Memory for itself, of each container in order; `undefined` where it wished none, or it is wrong. */
  readonly memories: readonly (OwnMemory | undefined)[];
  /** NUMA nodes that nobody owns as a whole, ascending: where everybody else may take memory from. */
  readonly sharedNodes: readonly number[];
  /** What is wrong. */
  readonly issues: readonly SpecIssue[];
}

/** What of a container's memory was asked for, and is not what it is by default. */
const defaults = { policy: "bind", programs: "preload", owner: { uid: 0, gid: 0 } } as const;

/**
 * Decides which memory containers get for themselves. Nothing is read where nobody has or wishes any.
 *
 * @param ledger Who has what already; a container that is decided anew is not another one.
 */
export function decideMemories(inventory: Inventory, ledger: Ledger, wishes: readonly MemoryWish[]): MemoryDecision {
  const others = specsOf(ledger).filter(({ name }) => !wishes.some((wish) => wish.name === name));
  const own = specsOf(ledger).filter(({ name }) => wishes.some((wish) => wish.name === name));
  if ([...others, ...wishes].every(({ memory }) => memory === undefined)) {
    return { memories: wishes.map(() => undefined), sharedNodes: inventory.memoryNodes, issues: [] };
  }
  const owned = others.flatMap(({ name, memory }): Owned[] => memory?.units.map((unit) => ({ owner: name, unit })) ?? []);
  // Who names nodes, or has them already, is in the way of who wants them as a whole.
  const users = [
    ...others.map(({ name, nodes }) => ({ name, nodes })),
    ...wishes.flatMap(({ name, nodes }) => nodes === undefined ? [] : [{ name, nodes }]),
  ];
  // Huge pages of a container that owns no memory are a stranger's, here as in the plan of the pools.
  const owners = new Set([...others, ...wishes].filter(({ memory }) => memory !== undefined).map(({ name }) => name));
  const supply = readSupply(inventory, specsOf(ledger).filter(({ name }) => owners.has(name)).map(unitsOf));
  const room = new Room(supply, owned, users, own.flatMap(({ memory }) => memory?.units ?? []));
  const issues: SpecIssue[] = [];
  const memories = wishes.map(({ name, memory, path }): OwnMemory | undefined => {
    if (memory === undefined) return undefined;
    const at = [...path, "memory", "units"];
    const { units, problems } = decideUnits(room, name, memory.units);
    for (const { index, key, kind, message, remedy } of problems) {
      issues.push({ path: [...at, index, ...(key === null ? [] : [key])], kind, message, remedy });
    }
    return problems.length > 0 ? undefined : { ...defaults, ...definedOf(memory), units };
  });
  return { memories, sharedNodes: room.sharedNodes, issues };
}

function definedOf({ units: _, ...rest }: OwnMemoryRequest): Partial<OwnMemory> {
  return Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
}

/**
 * NUMA nodes that a container may take memory from.
 *
 * @param asked Those it named.
 * @param sharedNodes Those that nobody owns as a whole.
 */
export function nodesFor(
  asked: readonly number[] | undefined,
  memory: OwnMemory | undefined,
  sharedNodes: readonly number[],
  path: SpecPath,
): { nodes: readonly number[]; issues: SpecIssue[] } {
  const units = memory?.units ?? [];
  const heapNodes = nodesOf(heapOf(units));
  const needed = nodesOf(units);
  if (asked === undefined) {
    const nodes = heapNodes.length > 0 ? needed : [...new Set([...sharedNodes, ...needed])].sort((a, b) => a - b);
    return { nodes, issues: [] };
  }
  const at = [...path, "memory", "nodes"];
  const issues: SpecIssue[] = [];
  const missing = needed.filter((node) => !asked.includes(node));
  if (missing.length > 0) {
    const message = `the units lie on nodes ${formatCpuList(needed)}, and ${formatCpuList(missing)} is not among the nodes`;
    issues.push({ path: at, kind: "usage", message, remedy: "Leave nodes out: units say where memory comes from" });
  }
  const foreign = asked.filter((node) => !sharedNodes.includes(node) && !needed.includes(node));
  if (foreign.length > 0) {
    const message = `NUMA node ${formatCpuList(foreign)} belongs to another container as a whole`;
    issues.push({ path: at, kind: "refused", message, remedy: `Shared by all: ${formatCpuList(sharedNodes)}` });
  }
  return { nodes: asked, issues };
}
