import { inLargestUnit } from "../kernel/value.ts";

/**
 * How a unit's memory is owned:
 * - `devdax`: a device over memory that the kernel never had.
 * - `hugetlb`: huge pages of a pool, which the kernel gives to nobody else.
 * - `tmpfs`: pages of a file, held for as long as the file is there.
 * - `node`: a whole NUMA node, real or made by `numa=fake`.
 * - `limit`: an amount, and no pages of its own.
 */
export type Backend = "devdax" | "hugetlb" | "tmpfs" | "node" | "limit";

/** An amount of physical memory that one container owns. */
export interface Unit {
  /** What commands call it: the object's name, `node1`, or with huge pages of another size than usual `node1:1GiB`. */
  readonly id: string;
  /** How it is owned. */
  readonly backend: Backend;
  /** The NUMA node that was asked for, by the kernel's number; -1 for `limit`, which has none. */
  readonly node: number;
  /** NUMA nodes that it lies on, ascending: several where `numa=fake` made them of one; none for `limit`. */
  readonly nodes: readonly number[];
  /** Its size; a multiple of `pageBytes`. */
  readonly bytes: number;
  /** Size of its pages. */
  readonly pageBytes: number;
  /** Programs map it by this name, and it keeps its contents while they come and go. Otherwise it is memory of theirs. */
  readonly object?: string;
  /** The device of `devdax`, such as `dax0.0`. */
  readonly device?: string;
}

/** A unit as somebody asks for it. */
export interface UnitRequest {
  /** Its size; of a whole NUMA node when absent. */
  readonly bytes?: number;
  /** The NUMA node; the one with the most room when absent. */
  readonly node?: number;
  /** Size of its pages; huge pages where the size is a multiple of theirs when absent. */
  readonly pageBytes?: number;
  /** How it shall be owned; the strongest way that this machine has when absent. */
  readonly backend?: Backend;
  /** Makes it an object of this name. */
  readonly object?: string;
}

/** Which of its units memory of programs comes from: `bind` the nearest, `interleave` all in turn, `preferred` the first. */
export type MemoryPolicy = "bind" | "interleave" | "preferred";

/**
 * How unmodified programs come to huge pages: `preload` of our allocator, glibc's own by its `tunable`, or `none`: they have
 * to ask for them.
 */
export type Programs = "preload" | "tunable" | "none";

/** The memory that a container has for itself, fully decided. */
export interface OwnMemory {
  /** In the order they were asked for. */
  readonly units: readonly Unit[];
  /** Which unit comes first. */
  readonly policy: MemoryPolicy;
  /** How programs come to it. */
  readonly programs: Programs;
  /** User and group that may map the objects. */
  readonly owner: { readonly uid: number; readonly gid: number };
}

/** The memory that somebody wants a container to have for itself. */
export interface OwnMemoryRequest extends Partial<Omit<OwnMemory, "units">> {
  /** At least one. */
  readonly units: readonly UnitRequest[];
}

/** Bytes of units together. */
export function bytesOf(units: readonly Pick<Unit, "bytes">[]): number {
  return units.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Units that are memory of a container's programs. */
export function heapOf(units: readonly Unit[]): Unit[] {
  return units.filter(({ object }) => object === undefined);
}

/** NUMA nodes of units, ascending. */
export function nodesOf(units: readonly Unit[]): number[] {
  return [...new Set(units.flatMap(({ nodes }) => nodes))].sort((a, b) => a - b);
}

/** A size in the largest unit that divides it, as the kernel and people write it: `2MiB`, `1536KiB`. */
export function formatSize(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const [count, unit] = inLargestUnit(bytes, units.length);
  return `${count}${units[unit]}`;
}

/** One line for people: `1GiB of node 1 in huge pages of 2MiB`. */
export function describeUnit({ backend, bytes, node, nodes, pageBytes, object, device }: Unit): string {
  const size = formatSize(bytes);
  const at = nodes.length > 1 ? `nodes ${nodes.join(", ")}` : `node ${node}`;
  const named = object === undefined ? "" : `, object ${object}`;
  switch (backend) {
    case "devdax":
      return `${size} of ${at} on device ${device}${named}`;
    case "hugetlb":
      return `${size} of ${at} in huge pages of ${formatSize(pageBytes)}${named}`;
    case "tmpfs":
      return `${size} of ${at} in pages of ${formatSize(pageBytes)}${named}`;
    case "node":
      return `${nodes.length > 1 ? "the whole of nodes" : "the whole of node"} ${nodes.join(", ")}, ${size}`;
    case "limit":
      return `at most ${size} from anywhere, no pages of its own`;
  }
}

/** Memory that covers both of what a container has and what it will have: each unit at its larger size. */
export function widest(from: OwnMemory | undefined, to: OwnMemory | undefined): OwnMemory | undefined {
  if (from === undefined || to === undefined) return from ?? to;
  const units = to.units.map((unit) => from.units.find(({ id, bytes }) => id === unit.id && bytes > unit.bytes) ?? unit);
  return { ...to, units: [...units, ...from.units.filter(({ id }) => !to.units.some((unit) => unit.id === id))] };
}

/** Whether a unit goes or becomes smaller, and what is in it with it. */
export function losesUnits(from: OwnMemory | undefined, to: OwnMemory | undefined): boolean {
  return from?.units.some(({ id, bytes }) => (to?.units.find((unit) => unit.id === id)?.bytes ?? 0) < bytes) ?? false;
}

/**
 * What units of the backend `limit` bound, in bytes: memory of the programs, and the files in memory that the kernel counts
 * with it. `null` when there is none of the kind.
 */
export function limitBytesOf(memory: Pick<OwnMemory, "units"> | undefined): number | null {
  const units = memory?.units ?? [];
  if (!units.some(({ backend }) => backend === "limit")) return null;
  return bytesOf(units.filter(({ backend }) => backend === "limit" || backend === "tmpfs"));
}

/** A container and its units. */
export interface UnitsOf {
  /** Its name. */
  readonly name: string;
  /** What it has. */
  readonly units: readonly Unit[];
}

/** What a container has, none where it has no memory for itself. */
export function unitsOf({ name, memory }: { readonly name: string; readonly memory?: OwnMemory }): UnitsOf {
  return { name, units: memory?.units ?? [] };
}
