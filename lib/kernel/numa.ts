import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { listNumbered, parseMeminfo, readCpuList, readNumber, readText } from "./value.ts";

/** The huge pages of one size on one memory node. */
export interface HugePagePool {
  /** Size of one page. */
  readonly pageBytes: number;
  /** Pages in the pool, those in use included. */
  readonly totalCount: number;
  /** Pages that nobody uses; some of them may be promised to a mapping already. */
  readonly freeCount: number;
  /** Pages beyond the pool's configured size, given back as soon as they are free. */
  readonly surplusCount: number;
}

/** A NUMA node of the kernel. Nodes without CPUs (device or slow memory) and without memory exist. */
export interface NumaNode {
  /** The kernel's number; numbers may have holes. */
  readonly id: number;
  /** Its online CPUs, ascending; emulated nodes (`numa=fake`) may share theirs. */
  readonly cpus: readonly number[];
  /** Memory that the kernel manages there. */
  readonly memoryBytes: number;
  /** Part of it that nobody uses. */
  readonly freeBytes: number;
  /** Part of it that holds copies of files, most of which the kernel gives up when somebody needs memory. */
  readonly fileBytes: number;
  /** Distance to every node, in the order of the array this node is in; 10 is the node itself. */
  readonly distances: readonly number[];
  /** Huge page pools, ascending by page size. */
  readonly hugePages: readonly HugePagePool[];
}

const nodeDirectory = "/sys/devices/system/node";

/**
 * Reads the memory nodes, ascending by number. A kernel without NUMA has one, number 0, with everything.
 *
 * @param onlineCpus The CPUs of that one node.
 */
export function readMemoryNodes(files: KernelFiles, onlineCpus: readonly number[]): NumaNode[] {
  const present = listNumbered(files, nodeDirectory, "node");
  const online = readCpuList(files, `${nodeDirectory}/online`)?.filter((node) => present.includes(node)) ?? present;
  if (online.length === 0) return [wholeMachine(files, onlineCpus)];
  return online.map((id, index) => {
    const directory = `${nodeDirectory}/node${id}`;
    const memory = parseMeminfo(readText(files, `${directory}/meminfo`) ?? "");
    return {
      id,
      cpus: readCpuList(files, `${directory}/cpulist`) ?? [],
      memoryBytes: memory.get("MemTotal") ?? 0,
      freeBytes: memory.get("MemFree") ?? 0,
      fileBytes: fileBytes(memory),
      distances: distances(readText(files, `${directory}/distance`), index, online.length),
      hugePages: readHugePages(files, `${directory}/hugepages`),
    };
  });
}

function wholeMachine(files: KernelFiles, cpus: readonly number[]): NumaNode {
  const memory = parseMeminfo(readText(files, "/proc/meminfo") ?? "");
  return {
    id: 0,
    cpus,
    memoryBytes: memory.get("MemTotal") ?? 0,
    freeBytes: memory.get("MemFree") ?? 0,
    fileBytes: fileBytes(memory),
    distances: [10],
    hugePages: readHugePages(files, "/sys/kernel/mm/hugepages"),
  };
}

function fileBytes(memory: ReadonlyMap<string, number>): number {
  return (memory.get("Active(file)") ?? 0) + (memory.get("Inactive(file)") ?? 0);
}

/**
 * Groups nodes that are one piece of hardware: `numa=fake` splits a node into several, at the distance of a node to itself.
 *
 * @returns Numbers of the nodes, group by group, ascending.
 */
export function hardwareNodes(nodes: readonly NumaNode[]): number[][] {
  const groups: number[][] = [];
  nodes.forEach((node, index) => {
    const group = groups.find(([first]) => node.distances[nodes.findIndex(({ id }) => id === first)] === node.distances[index]);
    if (group === undefined) groups.push([node.id]);
    else group.push(node.id);
  });
  return groups;
}

/** Sizes of huge pages that any node has, ascending. */
export function hugePageSizes(nodes: readonly Pick<NumaNode, "hugePages">[]): number[] {
  const sizes = nodes.flatMap(({ hugePages }) => hugePages.map(({ pageBytes }) => pageBytes));
  return [...new Set(sizes)].sort((a, b) => a - b);
}

/** The kernel prints one distance per online node; anything else is answered as the kernel's own default. */
function distances(text: string | null, self: number, count: number): number[] {
  const values = text?.split(/\s+/).map(Number) ?? [];
  if (values.length === count && values.every((value) => value > 0)) return values;
  return Array.from({ length: count }, (_, index) => index === self ? 10 : 20);
}

function readHugePages(files: KernelFiles, directory: string): HugePagePool[] {
  const pools: HugePagePool[] = [];
  for (const { name } of files.list(directory)) {
    const kilobytes = /^hugepages-(\d+)kB$/.exec(name)?.[1];
    if (!kilobytes) continue;
    const count = (file: string) => readNumber(files, `${directory}/${name}/${file}`) ?? 0;
    pools.push({
      pageBytes: Number(kilobytes) * 1024,
      totalCount: count("nr_hugepages"),
      freeCount: count("free_hugepages"),
      surplusCount: count("surplus_hugepages"),
    });
  }
  return pools.sort((a, b) => a.pageBytes - b.pageBytes);
}
