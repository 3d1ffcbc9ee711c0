import { cgroupDirectory, hierarchyOf } from "../kernel/cgroup.ts";
import { readMappers } from "../kernel/holder.ts";
import type { Inventory } from "../kernel/inventory.ts";
import { readHugeBytes, readReservedBytes } from "./huge_usage.ts";
import { objectPath } from "./objects.ts";
import { bytesOf, formatSize, type OwnMemory, type Unit } from "./unit.ts";

/** Bytes of ordinary memory that programs of a container have on each NUMA node, copies of files left out. */
export function readNodeUsage(inventory: Inventory, container: string): ReadonlyMap<number, number> {
  const hierarchy = hierarchyOf(inventory.cgroups, "memory");
  if (hierarchy === null) return new Map();
  const text = inventory.files.tryRead(`${cgroupDirectory(hierarchy, container)}/memory.numa_stat`) ?? "";
  // Version 2 in bytes: anon N0=4096 N1=0; version 1 in pages: anon=1 N0=1 N1=0.
  const [, line = ""] = /^anon[ =](.*)$/m.exec(text) ?? [];
  const factor = hierarchy.version === 2 ? 1 : 4096;
  return new Map([...line.matchAll(/\bN(\d+)=(\d+)/g)].map(([, node, count]) => [Number(node), Number(count) * factor]));
}

/**
 * Why a container's units cannot become smaller, or go: what is in use of them, by whom. `null` when they can.
 *
 * @param from What it has.
 * @param to What it shall have.
 */
export function inUse(inventory: Inventory, container: string, from: OwnMemory, to: OwnMemory | undefined): string | null {
  for (const unit of from.units) {
    const next = to?.units.find(({ id }) => id === unit.id);
    const nextBytes = next?.bytes ?? 0;
    if (nextBytes >= unit.bytes) continue;
    const problem = unit.object === undefined
      ? heapInUse(inventory, container, to, unit, nextBytes)
      : objectInUse(inventory, container, unit, nextBytes);
    if (problem !== null) return problem;
  }
  return null;
}

function objectInUse({ files }: Inventory, container: string, unit: Unit, nextBytes: number): string | null {
  const path = unit.device === undefined ? objectPath(container, unit) : `/dev/${unit.device}`;
  const users = readMappers(files, path).filter(({ endBytes }) => endBytes > nextBytes);
  if (users.length === 0) return null;
  const names = users.map(({ pid, name }) => `${name} (process ${pid})`).join(", ");
  return nextBytes === 0
    ? `object ${unit.object} is mapped by ${names}`
    : `object ${unit.object} is mapped beyond ${formatSize(nextBytes)} by ${names}`;
}

function heapInUse(
  inventory: Inventory,
  container: string,
  to: OwnMemory | undefined,
  unit: Unit,
  nextBytes: number,
): string | null {
  if (unit.backend === "hugetlb") {
    const isAlike = ({ backend, pageBytes, object }: Unit) => backend === "hugetlb" && object === undefined && pageBytes === unit.pageBytes;
    const usedBytes = readHugeBytes(inventory, container, unit.pageBytes).get(unit.node) ?? 0;
    if (usedBytes > nextBytes) return `its programs use ${formatSize(usedBytes)} of the huge pages of node ${unit.node}`;
    const allBytes = bytesOf((to?.units ?? []).filter(isAlike));
    const reservedBytes = readReservedBytes(inventory, container, unit.pageBytes);
    return reservedBytes > allBytes ? `its programs were promised ${formatSize(reservedBytes)} of huge pages` : null;
  }
  if (unit.backend !== "node") return null;
  const nodes = to?.units.flatMap((other) => other.backend === "limit" ? [] : other.nodes) ?? [];
  const leaving = unit.nodes.filter((node) => !nodes.includes(node));
  const staying = inventory.numaNodes.filter(({ id }) => nodes.length === 0 ? !leaving.includes(id) : nodes.includes(id));
  const usage = readNodeUsage(inventory, container);
  const movingBytes = leaving.reduce((sum, node) => sum + (usage.get(node) ?? 0), 0);
  const roomBytes = staying.reduce((sum, { freeBytes, fileBytes }) => sum + freeBytes + fileBytes, 0);
  if (movingBytes <= roomBytes) return null;
  return `its programs use ${formatSize(movingBytes)} of node ${leaving.join(", ")}, and its other nodes have ${
    formatSize(roomBytes)
  } free`;
}
