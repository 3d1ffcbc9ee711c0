import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { type Cache, readCaches } from "./cache.ts";
import { type NumaNode, readMemoryNodes } from "./numa.ts";
import { listNumbered, parseMeminfo, readCpuList, readNumber, readText } from "./value.ts";

/** What a hybrid machine is made of: `performance` for the fastest cores, `efficiency` for all others. */
export type CoreKind = "performance" | "efficiency";

/** An online CPU, that is one hardware thread, and where it sits. */
export interface Cpu {
  /** The kernel's number. */
  readonly id: number;
  /** `id` of its package. */
  readonly package: number;
  /** `id` of its die within the package. */
  readonly die: number;
  /** `id` of its cluster within the die; `null` where the machine has none. */
  readonly cluster: number | null;
  /** Index of its core in `Topology.cores`. */
  readonly core: number;
  /** Position among the threads of its core, from 0. */
  readonly thread: number;
  /** `id` of its memory node. */
  readonly node: number;
}

/** A core with its hardware threads. */
export interface Core {
  /** The kernel's `core_id`: unique within a package at best, with holes, and not an index. */
  readonly id: number;
  /** Its online CPUs, ascending. */
  readonly cpus: readonly number[];
  /** `null` unless the kernel tells cores apart. */
  readonly kind: CoreKind | null;
  /** Relative speed, 1024 for the fastest; `null` when the kernel does not say. */
  readonly capacity: number | null;
}

/** CPUs that the hardware keeps together: a package, a die or a cluster. */
export interface CpuGroup {
  /** The kernel's number, unique within what is around it. */
  readonly id: number;
  /** `id` of the package it is (or is part of). */
  readonly package: number;
  /** Its online CPUs, ascending. */
  readonly cpus: readonly number[];
}

/** A machine as its kernel describes it: plain data, every list of CPUs ascending. */
export interface Topology {
  /** Name of the processor, or `null` (Arm kernels print none). */
  readonly model: string | null;
  /** CPUs the kernel has room for. */
  readonly possibleCpus: readonly number[];
  /** CPUs that are plugged in. */
  readonly presentCpus: readonly number[];
  /** CPUs that run. */
  readonly onlineCpus: readonly number[];
  /** Present, but not running: nothing else is known of them. */
  readonly offlineCpus: readonly number[];
  /** CPUs that the boot parameter `isolcpus` took from the scheduler. */
  readonly bootIsolatedCpus: readonly number[];
  /** CPUs that the boot parameter `nohz_full` keeps the tick away from. */
  readonly nohzFullCpus: readonly number[];
  /** Online CPUs with their places. */
  readonly cpus: readonly Cpu[];
  /** Cores, ascending by their first CPU. */
  readonly cores: readonly Core[];
  /** Packages, ascending by `id`. */
  readonly packages: readonly CpuGroup[];
  /** Dies; a package that has only one is one die. */
  readonly dies: readonly CpuGroup[];
  /** Groups of cores smaller than a die, such as those that share an L2; often `[]`. */
  readonly clusters: readonly CpuGroup[];
  /** Caches, ascending by level, then by first CPU. */
  readonly caches: readonly Cache[];
  /** Memory nodes, ascending by `id`; at least one. */
  readonly nodes: readonly NumaNode[];
  /** Memory of the machine that the kernel manages. */
  readonly memoryBytes: number;
  /** Memory that programs could get now, without swapping. */
  readonly availableBytes: number;
}

interface Seat {
  readonly id: number;
  readonly package: number;
  readonly die: number;
  readonly cluster: number | null;
}

const cpuDirectory = "/sys/devices/system/cpu";

/**
 * Reads what the kernel knows of its hardware.
 *
 * It never refuses: a file that is missing (virtual machines, Arm, old kernels, containers) makes the description
 * coarser, down to one package of one-thread cores on one memory node.
 */
export function readTopology(files: KernelFiles): Topology {
  const list = (name: string) => readCpuList(files, `${cpuDirectory}/${name}`);
  const onlineCpus = list("online") ?? fallbackCpus(files);
  const presentCpus = list("present") ?? onlineCpus;
  const nodes = readMemoryNodes(files, onlineCpus);
  const seats = readSeats(files, onlineCpus);
  const cores = readCores(files, onlineCpus);
  const memory = parseMeminfo(readText(files, "/proc/meminfo") ?? "");
  return {
    model: /^model name\s*:\s*(.+)$/m.exec(readText(files, "/proc/cpuinfo") ?? "")?.[1] ?? null,
    possibleCpus: list("possible") ?? presentCpus,
    presentCpus,
    onlineCpus,
    offlineCpus: presentCpus.filter((cpu) => !onlineCpus.includes(cpu)),
    bootIsolatedCpus: list("isolated") ?? [],
    nohzFullCpus: list("nohz_full") ?? [],
    cpus: seats.map((seat) => {
      const core = cores.findIndex(({ cpus }) => cpus.includes(seat.id));
      return { ...seat, core, thread: cores[core].cpus.indexOf(seat.id), node: nodeOf(files, seat.id, nodes) };
    }),
    cores,
    packages: group(seats, (seat) => seat.package, (seat) => seat.package),
    dies: group(seats, (seat) => `${seat.package}/${seat.die}`, (seat) => seat.die),
    clusters: group(
      seats.filter(({ cluster }) => cluster !== null),
      ({ package: id, die, cluster }) => `${id}/${die}/${cluster}`,
      ({ cluster }) => cluster!,
    ),
    caches: readCaches(files, onlineCpus),
    nodes,
    memoryBytes: memory.get("MemTotal") ?? nodes.reduce((sum, node) => sum + node.memoryBytes, 0),
    availableBytes: memory.get("MemAvailable") ?? memory.get("MemFree") ?? nodes.reduce((sum, node) => sum + node.freeBytes, 0),
  };
}

/** Without `online` (sysfs hidden) the processors of `/proc/cpuinfo` are what there is; at least CPU 0. */
function fallbackCpus(files: KernelFiles): number[] {
  const directories = listNumbered(files, cpuDirectory, "cpu");
  if (directories.length > 0) return directories;
  const processors = [...(readText(files, "/proc/cpuinfo") ?? "").matchAll(/^processor\s*:\s*(\d+)$/gm)].map((match) => Number(match[1]));
  return processors.length > 0 ? processors : [0];
}

function readSeats(files: KernelFiles, onlineCpus: readonly number[]): Seat[] {
  const packages = readPackages(files, onlineCpus);
  const seats = onlineCpus.map((id) => {
    const topology = `${cpuDirectory}/cpu${id}/topology`;
    const die = readNumber(files, `${topology}/die_id`) ?? 0;
    return { id, package: packages.get(id)!, die: Math.max(0, die), cluster: readNumber(files, `${topology}/cluster_id`) };
  });
  // Where there are no clusters, the kernel reports -1, 65535, the core itself or the whole package as one.
  const isCluster = (seat: Seat) => {
    if (seat.cluster === null || seat.cluster < 0 || seat.cluster === 0xffff) return false;
    const topology = `${cpuDirectory}/cpu${seat.id}/topology`;
    const cluster = readCpuList(files, `${topology}/cluster_cpus_list`) ?? [];
    const core = readSiblings(files, seat.id);
    return cluster.length > core.length && cluster.length < seats.filter((other) => other.package === seat.package).length;
  };
  return seats.map((seat) => isCluster(seat) ? seat : { ...seat, cluster: null });
}

/** Package of each CPU. Some Arm kernels print -1 for all: those packages are told apart by their CPU lists. */
function readPackages(files: KernelFiles, onlineCpus: readonly number[]): Map<number, number> {
  const packages = new Map<number, number>();
  const unnamed = new Map<string, number[]>();
  for (const cpu of onlineCpus) {
    const topology = `${cpuDirectory}/cpu${cpu}/topology`;
    const id = readNumber(files, `${topology}/physical_package_id`);
    if (id !== null && id >= 0) {
      packages.set(cpu, id);
    } else {
      const siblings = readText(files, `${topology}/package_cpus_list`) ?? readText(files, `${topology}/core_siblings_list`) ?? "";
      unnamed.set(siblings, [...unnamed.get(siblings) ?? [], cpu]);
    }
  }
  const taken = new Set(packages.values());
  let next = 0;
  for (const cpus of unnamed.values()) {
    while (taken.has(next)) next++;
    taken.add(next);
    for (const cpu of cpus) packages.set(cpu, next);
  }
  return packages;
}

function readCores(files: KernelFiles, onlineCpus: readonly number[]): Core[] {
  const kinds = readKinds(files, onlineCpus);
  const seen = new Set<number>();
  const cores: Core[] = [];
  for (const cpu of onlineCpus) {
    if (seen.has(cpu)) continue;
    const siblings = readSiblings(files, cpu).filter((sibling) => onlineCpus.includes(sibling) && !seen.has(sibling));
    const cpus = siblings.includes(cpu) ? siblings : [cpu];
    for (const sibling of cpus) seen.add(sibling);
    const id = readNumber(files, `${cpuDirectory}/cpu${cpu}/topology/core_id`);
    cores.push({ id: id === null || id < 0 ? cpu : id, cpus, ...kinds(cpu) });
  }
  return cores;
}

/** `thread_siblings_list` is the name before Linux 5.1. */
function readSiblings(files: KernelFiles, cpu: number): number[] {
  const topology = `${cpuDirectory}/cpu${cpu}/topology`;
  return readCpuList(files, `${topology}/core_cpus_list`) ?? readCpuList(files, `${topology}/thread_siblings_list`) ?? [cpu];
}

/** Intel kernels name the two kinds by their counters, Arm kernels give each CPU a capacity. */
function readKinds(files: KernelFiles, onlineCpus: readonly number[]): (cpu: number) => Pick<Core, "kind" | "capacity"> {
  const capacities = new Map(onlineCpus.map((cpu) => [cpu, readNumber(files, `${cpuDirectory}/cpu${cpu}/cpu_capacity`)]));
  const performance = readCpuList(files, "/sys/devices/cpu_core/cpus");
  const efficiency = readCpuList(files, "/sys/devices/cpu_atom/cpus");
  const known = [...capacities.values()].filter((capacity) => capacity !== null);
  const fastest = Math.max(...known);
  const differ = known.some((capacity) => capacity < fastest);
  return (cpu) => {
    const capacity = capacities.get(cpu) ?? null;
    if (performance && efficiency) return { kind: performance.includes(cpu) ? "performance" : "efficiency", capacity };
    return { kind: !differ || capacity === null ? null : capacity === fastest ? "performance" : "efficiency", capacity };
  };
}

/** The link in the CPU's directory is the one answer when emulated nodes share CPUs. */
function nodeOf(files: KernelFiles, cpu: number, nodes: readonly NumaNode[]): number {
  const [linked] = listNumbered(files, `${cpuDirectory}/cpu${cpu}`, "node");
  return linked ?? nodes.find(({ cpus }) => cpus.includes(cpu))?.id ?? nodes[0].id;
}

function group(seats: readonly Seat[], key: (seat: Seat) => string | number, id: (seat: Seat) => number): CpuGroup[] {
  const groups = new Map<string | number, Seat[]>();
  for (const seat of seats) groups.set(key(seat), [...groups.get(key(seat)) ?? [], seat]);
  return [...groups.values()]
    .map((members) => ({ id: id(members[0]), package: members[0].package, cpus: members.map((seat) => seat.id) }))
    .sort((a, b) => a.package - b.package || a.cpus[0] - b.cpus[0]);
}
