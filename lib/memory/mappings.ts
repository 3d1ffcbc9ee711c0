import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { readText } from "../kernel/value.ts";
import { objectsDirectory } from "./objects.ts";
import { heapOf, nodesOf, type Unit } from "./unit.ts";

/** Mappings of one name in one process, together. */
export interface MappedMemory {
  /** The file, `[heap]`, `[stack]`, or `anonymous`. */
  readonly name: string;
  /** Memory that is the process's own: no copy of a file, and not huge pages of a pool. */
  readonly anonymousBytes: number;
  /** Copies of files and shared memory, which others may use as well. */
  readonly sharedBytes: number;
}

/** What one process of a container uses, in its units and outside of them. */
export interface ProcessMemory {
  /** Its number. */
  readonly pid: number;
  /** Its name. */
  readonly command: string;
  /** Memory in units of its container. */
  readonly unitBytes: number;
  /** Mappings with memory outside of them, the largest first. */
  readonly outside: readonly MappedMemory[];
}

/** One mapping, as smaps has it. */
interface Mapping {
  readonly start: string;
  readonly path: string;
  readonly residentBytes: number;
  readonly anonymousBytes: number;
  readonly hugeBytes: number;
}

/**
 * Reads what a process uses, by its mappings; `null` when it has ended, or is not ours to look at.
 *
 * @param container Name of its container.
 * @param units Units of it.
 */
export function readProcessMemory(files: KernelFiles, pid: number, container: string, units: readonly Unit[]): ProcessMemory | null {
  const text = readText(files, `/proc/${pid}/smaps`);
  if (text === null) return null;
  const nodes = nodesOf(heapOf(units).filter(({ backend }) => backend === "node"));
  const shares = nodes.length > 0 ? readNodeShares(readText(files, `/proc/${pid}/numa_maps`) ?? "", nodes) : new Map<string, number>();
  const outside = new Map<string, MappedMemory>();
  let unitBytes = 0;
  for (const { start, path, residentBytes, anonymousBytes, hugeBytes } of parseSmaps(text)) {
    if (hugeBytes > 0 || isObject(path, container, units)) {
      unitBytes += hugeBytes + residentBytes;
      continue;
    }
    const outsideBytes = Math.round(residentBytes * (1 - (shares.get(start) ?? 0)));
    unitBytes += residentBytes - outsideBytes;
    // Numbers by node are of both together, and memory of programs follows the cpuset: what lies elsewhere is of files first.
    const sharedBytes = Math.min(outsideBytes, residentBytes - anonymousBytes);
    const ownBytes = outsideBytes - sharedBytes;
    if (ownBytes + sharedBytes === 0) continue;
    const name = path === "" ? "anonymous" : path;
    const known = outside.get(name) ?? { name, anonymousBytes: 0, sharedBytes: 0 };
    outside.set(name, { name, anonymousBytes: known.anonymousBytes + ownBytes, sharedBytes: known.sharedBytes + sharedBytes });
  }
  const command = readText(files, `/proc/${pid}/comm`) ?? "?";
  const sizeOf = ({ anonymousBytes, sharedBytes }: MappedMemory) => anonymousBytes + sharedBytes;
  return { pid, command, unitBytes, outside: [...outside.values()].sort((a, b) => sizeOf(b) - sizeOf(a)) };
}

function isObject(path: string, container: string, units: readonly Unit[]): boolean {
  return path.startsWith(`${objectsDirectory(container)}/`) ||
    units.some(({ device }) => device !== undefined && path === `/dev/${device}`);
}

/**
 * Parses `/proc/PID/smaps`: a line for each mapping, then what is there of it.
 *
 * Source: Documentation/filesystems/proc.rst. Huge pages of a pool are in no other count.
 */
function parseSmaps(text: string): Mapping[] {
  return text.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m).flatMap((part): Mapping[] => {
    const [, start, path] = /^([0-9a-f]+)-\S+ \S+ \S+ \S+ \d+ *(.*)$/m.exec(part) ?? [];
    if (start === undefined) return [];
    const bytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(part)?.[1] ?? 0) * 1024;
    return [{
      start,
      path,
      residentBytes: bytes("Rss"),
      anonymousBytes: bytes("Anonymous"),
      hugeBytes: bytes("Private_Hugetlb") + bytes("Shared_Hugetlb"),
    }];
  });
}

/** Which part of each mapping lies on some nodes, by its start: `7f12 default anon=3 N0=2 N1=1 kernelpagesize_kB=4`. */
function readNodeShares(text: string, nodes: readonly number[]): Map<string, number> {
  const shares = new Map<string, number>();
  for (const line of text.split("\n")) {
    const counts = [...line.matchAll(/ N(\d+)=(\d+)/g)].map(([, node, count]) => ({ node: Number(node), count: Number(count) }));
    const all = counts.reduce((sum, { count }) => sum + count, 0);
    const there = counts.filter(({ node }) => nodes.includes(node)).reduce((sum, { count }) => sum + count, 0);
    if (all > 0) shares.set(line.slice(0, line.indexOf(" ")).replace(/^0+(?=.)/, ""), there / all);
  }
  return shares;
}
