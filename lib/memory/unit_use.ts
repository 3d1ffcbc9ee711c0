import { type Mapper, readMappers } from "../kernel/holder.ts";
import type { Inventory } from "../kernel/inventory.ts";
import { readMemoryCount } from "./counts.ts";
import { readHugeBytes } from "./huge_usage.ts";
import { objectPath } from "./objects.ts";
import { type OwnMemory, type Unit } from "./unit.ts";
import { readNodeUsage } from "./usage.ts";

/** A unit, and how much of it is in use. */
export interface UnitUse {
  /** What it is. */
  readonly unit: Unit;
  /** Where programs find the object; `null` for memory of programs. */
  readonly path: string | null;
  /** Bytes that programs use of it: of an object, up to where it is mapped. */
  readonly usedBytes: number;
  /** Programs that map the object. */
  readonly mappers: readonly Mapper[];
}

/** Reads how much of each unit of a container is in use. */
export function readUnitUses(inventory: Inventory, container: string, { units }: OwnMemory): UnitUse[] {
  return units.map((unit): UnitUse => {
    if (unit.object === undefined) {
      return { unit, path: null, usedBytes: heapBytes(inventory, container, unit), mappers: [] };
    }
    const path = objectPath(container, unit);
    const mappers = readMappers(inventory.files, unit.device === undefined ? path : `/dev/${unit.device}`);
    return { unit, path, usedBytes: Math.min(unit.bytes, Math.max(0, ...mappers.map(({ endBytes }) => endBytes))), mappers };
  });
}

function heapBytes(inventory: Inventory, container: string, unit: Unit): number {
  switch (unit.backend) {
    case "hugetlb":
      return readHugeBytes(inventory, container, unit.pageBytes).get(unit.node) ?? 0;
    case "node": {
      const usage = readNodeUsage(inventory, container);
      return unit.nodes.reduce((sum, node) => sum + (usage.get(node) ?? 0), 0);
    }
    default:
      return readMemoryCount(inventory, container)?.currentBytes ?? 0;
  }
}
