import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { listNumbered, readCpuList, readNumber, readText } from "./value.ts";

/** Where the kernel has its classes of cache and memory bandwidth, once they are mounted. */
export const resctrlMount = "/sys/fs/resctrl";

/** Values of a class: by resource (`L3`, `MB`), then by domain, which is one cache. */
export type Schemata = ReadonlyMap<string, ReadonlyMap<number, string>>;

/** A class of cache and memory bandwidth, other than the root that everything without one belongs to. */
export interface ResourceClass {
  /** Name of its directory below {@link resctrlMount}. */
  readonly name: string;
  /** CPUs that belong to it, ascending. */
  readonly cpus: readonly number[];
  /** Tasks belong to it, whatever CPU they run on. */
  readonly hasTasks: boolean;
  /** The kernel lets no other class have bits that it has. */
  readonly isExclusive: boolean;
  /** What it has. */
  readonly schemata: Schemata;
}

/** What masks of a cache look like on this machine. */
export interface CacheMasks {
  /** One bit for each part that can be given away. */
  readonly all: bigint;
  /** Parts that devices write to as well. */
  readonly shareable: bigint;
  /** The least number of bits in a mask. */
  readonly bitsMin: number;
}

/**
 * Reads a `schemata` file. Values are as short as can be: kernels print masks with leading zeros, and percentages with
 * leading spaces, or not. What a class that is being locked has is left out.
 */
export function parseSchemata(text: string): Schemata {
  const schemata = new Map<string, ReadonlyMap<number, string>>();
  for (const line of text.split("\n")) {
    const [, resource, entries] = /^\s*(\w+):(.*)$/.exec(line) ?? [];
    if (resource === undefined) continue;
    const values = entries.matchAll(/(\d+)=\s*([0-9a-f]+)/g);
    schemata.set(resource, new Map([...values].map(([, domain, value]) => [Number(domain), value.replace(/^0+(?=.)/, "")])));
  }
  return schemata;
}

/** Reads what a class has; `null` when there is no such class. */
export function readSchemata(files: KernelFiles, directory: string): Schemata | null {
  const text = files.tryRead(`${directory}/schemata`);
  return text === null ? null : parseSchemata(text);
}

/** Reads all classes but the root. */
export function readResourceClasses(files: KernelFiles): ResourceClass[] {
  return files.list(resctrlMount).flatMap(({ name, kind }) => {
    const directory = `${resctrlMount}/${name}`;
    const schemata = kind === "directory" ? readSchemata(files, directory) : null;
    if (schemata === null) return [];
    const mode = readText(files, `${directory}/mode`);
    return [{
      name,
      cpus: readCpuList(files, `${directory}/cpus_list`) ?? [],
      hasTasks: (readText(files, `${directory}/tasks`) ?? "") !== "",
      isExclusive: mode === "exclusive" || mode === "pseudo-locked",
      schemata,
    }];
  });
}

/** Reads what masks of a resource look like; `null` when this CPU does not divide it. */
export function readCacheMasks(files: KernelFiles, resource: string): CacheMasks | null {
  const directory = `${resctrlMount}/info/${resource}`;
  const all = readText(files, `${directory}/cbm_mask`);
  if (all === null) return null;
  const shareable = readText(files, `${directory}/shareable_bits`) ?? "0";
  // AMD takes empty masks; nothing could be kept in such a class.
  const bitsMin = Math.max(1, readNumber(files, `${directory}/min_cbm_bits`) ?? 1);
  return { all: BigInt(`0x${all}`), shareable: BigInt(`0x${shareable}`), bitsMin };
}

/** How many classes this machine has, the root among them: the least of all its resources. */
export function readClassCount(files: KernelFiles): number {
  const counts = files.list(`${resctrlMount}/info`)
    .flatMap(({ name }) => readNumber(files, `${resctrlMount}/info/${name}/num_closids`) ?? []);
  return Math.min(...counts);
}

/** The CPUs of each last-level cache among `cpus`, by its number; CPUs without one are left out. */
export function readCacheDomains(files: KernelFiles, cpus: readonly number[]): Map<number, number[]> {
  const domains = new Map<number, number[]>();
  for (const cpu of cpus) {
    const caches = `/sys/devices/system/cpu/cpu${cpu}/cache`;
    const index = listNumbered(files, caches, "index").find((index) => readNumber(files, `${caches}/index${index}/level`) === 3);
    const id = index === undefined ? null : readNumber(files, `${caches}/index${index}/id`);
    if (id !== null) domains.set(id, [...domains.get(id) ?? [], cpu]);
  }
  return domains;
}
