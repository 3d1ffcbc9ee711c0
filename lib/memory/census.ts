import { hierarchyOf, refugeName } from "../kernel/cgroup.ts";
import type { Inventory } from "../kernel/inventory.ts";
import { readCpuList } from "../kernel/value.ts";
import { readHugeBytes } from "./huge_usage.ts";
import type { Owned } from "./room.ts";
import { readSupply, type Supply } from "./supply.ts";
import { bytesOf, heapOf, type OwnMemory, type Unit, unitsOf } from "./unit.ts";
import { readFreeBlocks } from "./zones.ts";

/** A container, as far as its memory is concerned. */
export interface ContainerMemory {
  /** Its name. */
  readonly name: string;
  /** Memory for itself; absent when it shares what there is. */
  readonly memory?: OwnMemory;
  /** NUMA nodes it may take memory from, ascending. */
  readonly nodes: readonly number[];
}

/** Huge pages of one size on one NUMA node, and whose they are. */
export interface PoolCensus {
  /** Size of one page. */
  readonly pageBytes: number;
  /** Pages in the pool. */
  readonly totalCount: number;
  /** Pages that nobody uses. */
  readonly freeCount: number;
  /** Pages that containers use. */
  readonly usedCount: number;
  /** Pages that programs outside of containers use. */
  readonly strangersCount: number;
  /** Pages that units have, used or not, by container. */
  readonly owners: readonly { readonly name: string; readonly count: number }[];
  /** Containers whose programs use more pages than their units have here, and how many that is. */
  readonly overdrawn: readonly { readonly name: string; readonly count: number; readonly ownCount: number }[];
}

/** One NUMA node, and whose its memory is. */
export interface NodeCensus {
  /** The kernel's number. */
  readonly id: number;
  /** Nodes that are one piece of hardware with it, itself among them. */
  readonly hardware: readonly number[];
  /** Memory that the kernel manages there. */
  readonly bytes: number;
  /** Part of it that nobody uses, free huge pages left out. */
  readonly freeBytes: number;
  /** Part of it that holds copies of files. */
  readonly fileBytes: number;
  /** Part of the free memory that is in blocks of at least one huge page; `null` when the kernel does not say. */
  readonly wholeBytes: number | null;
  /** Its huge pages, ascending by size; only sizes of which there are any. */
  readonly pools: readonly PoolCensus[];
  /** Who has all of it. */
  readonly owner: string | null;
  /** Who has it as a whole, and programs outside of containers may take memory there as well. */
  readonly isOpen: boolean;
  /** Memory that units have. */
  readonly ownedBytes: number;
  /** Memory that no unit has; the kernel's own is in it. */
  readonly unownedBytes: number;
}

/** The memory of a machine, and whose it is. */
export interface Census {
  /** Nodes with memory, ascending. */
  readonly nodes: readonly NodeCensus[];
  /** Every unit, by container. */
  readonly units: readonly Owned[];
  /** Devices over memory that the kernel never had; `owner` is `null` when nobody has it. */
  readonly devices: readonly { readonly name: string; readonly bytes: number; readonly node: number; readonly owner: string | null }[];
  /** Size of the huge pages that {@link NodeCensus.wholeBytes} is about; `null` on a kernel without. */
  readonly hugePageBytes: number | null;
  /** Containers without memory for themselves. */
  readonly sharers: readonly string[];
}

/** Takes a machine's memory down: every node, what there is of it, and whose. */
export function readCensus(inventory: Inventory, containers: readonly ContainerMemory[]): Census {
  const supply = readSupply(inventory, containers.map(unitsOf));
  const units = containers.flatMap(({ name, memory }): Owned[] => memory?.units.map((unit) => ({ owner: name, unit })) ?? []);
  const blocks = readFreeBlocks(inventory.files, supply.basePageBytes);
  const openNodes = readOpenNodes(inventory);
  const nodes = supply.nodes.map(({ id, hardware, bytes }): NodeCensus => {
    const { freeBytes, fileBytes } = inventory.numaNodes.find((node) => node.id === id)!;
    const owner = units.find(({ unit }) => unit.backend === "node" && unit.nodes.includes(id))?.owner ?? null;
    const partBytes = units.reduce((sum, { unit }) => sum + (unit.node === id && isTaken(unit.backend) ? unit.bytes : 0), 0);
    const ownedBytes = owner === null ? partBytes : bytes;
    return {
      id,
      hardware,
      bytes,
      freeBytes,
      fileBytes,
      wholeBytes: supply.hugePageBytes === null ? null : blocks.get(id)?.wholeBytes(supply.hugePageBytes) ?? null,
      pools: poolsOf(inventory, supply, id, containers),
      owner,
      isOpen: owner !== null && openNodes.includes(id),
      ownedBytes,
      unownedBytes: Math.max(0, bytes - ownedBytes),
    };
  });
  return {
    nodes,
    units,
    devices: supply.daxDevices.filter(({ bytes }) => bytes > 0).map(({ name, bytes, node }) => ({
      name,
      bytes,
      node,
      owner: units.find(({ unit }) => unit.device === name)?.owner ?? null,
    })),
    hugePageBytes: supply.hugePageBytes,
    sharers: containers.filter(({ memory }) => memory === undefined).map(({ name }) => name),
  };
}

/** Units that take a part of what the kernel manages on a node. */
function isTaken(backend: string): boolean {
  return backend === "hugetlb" || backend === "tmpfs";
}

function poolsOf(inventory: Inventory, supply: Supply, node: number, containers: readonly ContainerMemory[]): PoolCensus[] {
  const pools = supply.nodes.find(({ id }) => id === node)!.pools;
  return pools.flatMap(({ pageBytes, totalCount, strangersCount }): PoolCensus[] => {
    const isHere = (unit: Unit) => unit.backend === "hugetlb" && unit.node === node && unit.pageBytes === pageBytes;
    const shares = containers.map((container) => ({ name: container.name, own: unitsOf(container).units.filter(isHere) }));
    const owners = shares.filter(({ own }) => own.length > 0).map(({ name, own }) => ({ name, count: bytesOf(own) / pageBytes }));
    if (totalCount === 0 && owners.length === 0) return [];
    const { freeCount } = inventory.numaNodes.find(({ id }) => id === node)!.hugePages.find((pool) => pool.pageBytes === pageBytes)!;
    const overdrawn = shares.map(({ name, own }) => ({
      name,
      count: (readHugeBytes(inventory, name, pageBytes).get(node) ?? 0) / pageBytes,
      ownCount: bytesOf(heapOf(own)) / pageBytes,
    })).filter(({ count, ownCount }) => count > ownCount);
    const usedCount = totalCount - freeCount - strangersCount;
    return [{ pageBytes, totalCount, freeCount, usedCount, strangersCount, owners, overdrawn }];
  });
}

/** NUMA nodes that programs outside of containers may take memory from: all, unless the feature `tasks` keeps them off some. */
function readOpenNodes({ files, cgroups, memoryNodes }: Inventory): readonly number[] {
  const hierarchy = hierarchyOf(cgroups, "cpuset");
  if (hierarchy === null) return memoryNodes;
  const refuge = `${hierarchy.mount}/${refugeName}`;
  return readCpuList(files, `${refuge}/cpuset.mems.effective`) ?? readCpuList(files, `${refuge}/cpuset.effective_mems`) ?? memoryNodes;
}
