import { RefusedError } from "../errors.ts";
import { cgroupPrefix } from "../kernel/cgroup.ts";
import { formatCpuList } from "../kernel/cpulist.ts";
import {
  readCacheDomains,
  readCacheMasks,
  readClassCount,
  readResourceClasses,
  readSchemata,
  resctrlMount,
  type ResourceClass,
} from "../kernel/resctrl.ts";
import { readNumber } from "../kernel/value.ts";
import type { Site } from "../plan/seat.ts";
import type { Change } from "../plan/step.ts";
import { chooseMask, countBits, type Holder, holdersOf } from "./cache_masks.ts";
import type { Feature } from "./feature.ts";

/** A part of a whole: above 0 and up to 100. */
export type Percent = number;

/** What a container shall have of the caches that its CPUs share with others; `null` is what everybody has. */
export type CacheWish = null | {
  /** Parts of the last-level cache, for its CPUs alone among all classes. */
  readonly l3?: Percent;
  /** The most of the memory bandwidth that each of its cores may use, from 10 % on most CPUs. */
  readonly memoryBandwidth?: Percent;
};

/** {@link cache}, which has to know what is planned for others at the same time. */
export interface CacheFeature extends Feature<CacheWish> {
  /**
   * See {@link Feature.plan}.
   *
   * @param others Changes for other containers, on the machine already or not yet: what they have is not given twice.
   */
  plan(site: Site, wish: CacheWish, others?: readonly Change[]): Change[];
}

/**
 * A class of last-level cache and memory bandwidth for the container's CPUs, by the kernel's resctrl.
 *
 * The parts of the cache are the container's alone among all classes, but not against what has no class: programs on
 * other CPUs under the same cache may still bring their data into them. Give the ServiceOS a part of its own, and only
 * CPUs of neither are left to do so. Bandwidth is limited core by core, in steps of the CPU's; threads of one core share
 * one limit.
 *
 * Written from the kernel's documentation and source, and tested on a model of it: no machine of ours has the hardware.
 */
export const cache: CacheFeature = {
  name: "cache",
  doc: "Parts of the last-level cache for the container alone, and a limit of its memory bandwidth, where the CPU has such classes",
  default: null,
  plan(site: Site, wish: CacheWish, others: readonly Change[] = []): Change[] {
    if (wish === null || (wish.l3 === undefined && wish.memoryBandwidth === undefined)) return [];
    requireResctrl(site);
    const { files, onlineCpus } = site.inventory;
    const name = `${cgroupPrefix}${site.name}`;
    const directory = `${resctrlMount}/${name}`;
    const classes = readResourceClasses(files).filter((other) => other.name !== name);
    const planned = others.filter(({ what }) => what !== directory && !what.startsWith(`${directory}:`));
    requireFreeClass(site, classes, planned);
    requireNoStranger(site, classes);
    const changes: Change[] = [];
    const add = (resource: string, domain: number, to: string, initial: string, why: string) =>
      changes.push({ kind: "schemata", what: `${directory}:${resource}:${domain}`, to, why, initial });
    const all = readCacheDomains(files, onlineCpus);
    for (const [domain, own] of readCacheDomains(files, site.cpus)) {
      const cpus = formatCpuList(own);
      if (wish.l3 !== undefined) {
        const holders = holdersOf(domain, all.get(domain) ?? own, classes, planned);
        const { resources, mask, initial, why } = chooseParts(site, wish.l3, `the L3 cache of CPUs ${cpus}`, domain, directory, holders);
        for (const resource of resources) add(resource, domain, mask, initial, why);
      }
      if (wish.memoryBandwidth === undefined) continue;
      const percent = roundBandwidth(site, wish.memoryBandwidth);
      add("MB", domain, `${percent}`, "100", `${percent} % of the memory bandwidth for CPUs ${cpus}`);
    }
    if (changes.length === 0) refuse(site, "the kernel does not say which last-level cache its CPUs have", "Leave cache out");
    return [
      { kind: "class", what: directory, to: "", why: `container ${site.name}, to divide caches and memory bandwidth` },
      ...changes,
      // Last: from here on it counts.
      {
        kind: "file",
        what: `${directory}/cpus_list`,
        to: formatCpuList([...site.cpus]),
        why: "whatever runs there is in the class",
        initial: "",
      },
    ];
  },
};

function refuse({ name }: Site, what: string, remedy: string): never {
  throw new RefusedError(`Cannot divide caches for container ${name}: ${what}`, { remedy });
}

function requireResctrl(site: Site): void {
  const { files } = site.inventory;
  if (files.exists(`${resctrlMount}/schemata`)) return;
  // The kernel makes the directory only when the CPU has something to put there.
  if (files.exists(resctrlMount)) refuse(site, "resctrl is not mounted", `Mount it: mount -t resctrl resctrl ${resctrlMount}`);
  const flags = (/^flags\s*:(.*)$/m.exec(files.tryRead("/proc/cpuinfo") ?? "")?.[1] ?? "").split(" ");
  if (!["cat_l3", "cdp_l3", "mba"].some((flag) => flags.includes(flag))) refuse(site, "this CPU has no classes for it", "Leave cache out");
  refuse(site, "this CPU could, but the kernel does not", "Boot one with CONFIG_X86_CPU_RESCTRL, and without rdt= to turn it off");
}

function requireFreeClass(site: Site, classes: readonly ResourceClass[], planned: readonly Change[]): void {
  const others = planned.filter(({ kind }) => kind === "class").map(({ what }) => what.slice(resctrlMount.length + 1));
  const taken = new Set([...classes.map(({ name }) => name), ...others]);
  const count = readClassCount(site.inventory.files);
  // One is everybody's, and one would be ours.
  if (taken.size + 2 <= count) return;
  refuse(
    site,
    `there are ${count} classes: that of everybody, ${[...taken].join(", ")}`,
    `Remove one that nobody needs: rmdir ${resctrlMount}/NAME`,
  );
}

/** CPUs that somebody put into a class would be in none when ours goes. */
function requireNoStranger(site: Site, classes: readonly ResourceClass[]): void {
  const isStranger = ({ name, cpus }: ResourceClass) => !name.startsWith(cgroupPrefix) && cpus.some((cpu) => site.cpus.includes(cpu));
  const stranger = classes.find(isStranger);
  if (stranger === undefined) return;
  const path = `${resctrlMount}/${stranger.name}`;
  refuse(
    site,
    `class ${stranger.name} has CPUs ${formatCpuList([...stranger.cpus])}`,
    `Write other CPUs to ${path}/cpus_list, or rmdir ${path}`,
  );
}

function chooseParts(site: Site, percent: Percent, cacheName: string, domain: number, directory: string, holders: readonly Holder[]) {
  const { files } = site.inventory;
  // With `cdp`, data and code have a mask each: both get the same.
  const resources = ["L3", "L3CODE", "L3DATA"].filter((resource) => readCacheMasks(files, resource) !== null);
  if (resources.length === 0) refuse(site, "this CPU does not divide its L3 cache", "Leave l3 out");
  const masks = readCacheMasks(files, resources[0])!;
  const count = Math.max(masks.bitsMin, Math.ceil(percent * countBits(masks.all) / 100));
  const own = readSchemata(files, directory)?.get(resources[0])?.get(domain);
  const mask = chooseMask(masks, holders, count, own === undefined ? null : BigInt(`0x${own}`));
  if (mask === null) {
    const list = holders.map(({ name, mask }) => `; class ${name} has ${mask.toString(16)}`).join("");
    const room = `it needs ${count} parts in a row of ${cacheName}, which is ${masks.all.toString(16)}${list}`;
    refuse(site, room, "Wish a smaller part, or take down who has the others");
  }
  const shared = (mask & masks.shareable) === 0n ? "" : ", devices write there as well";
  const why = `${countBits(mask)} of ${countBits(masks.all)} parts of ${cacheName}${shared}`;
  return { resources, mask: mask.toString(16), initial: masks.all.toString(16), why };
}

/** As the kernel rounds it, since the step is read back. */
function roundBandwidth(site: Site, percent: Percent): number {
  const { files } = site.inventory;
  const info = `${resctrlMount}/info/MB`;
  const least = readNumber(files, `${info}/min_bandwidth`);
  if (least === null) refuse(site, "this CPU does not limit memory bandwidth", "Leave memoryBandwidth out");
  const most = Math.max(...[...readSchemata(files, resctrlMount)?.get("MB")?.values() ?? []].map(Number));
  if (most > 100) {
    refuse(site, "its memory bandwidth is not counted in percent here", "Leave memoryBandwidth out, or mount resctrl without mba_MBps");
  }
  const grain = readNumber(files, `${info}/bandwidth_gran`) ?? 1;
  return Math.min(100, Math.ceil(Math.max(percent, least) / grain) * grain);
}
