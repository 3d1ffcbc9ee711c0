import { errno, SysError } from "../ffi/errors.ts";
import { formatCpuList, parseCpuList } from "../lib/kernel/cpulist.ts";
import { type FakeHierarchy, list, refuse, split } from "./fake_cgroups.ts";
import type { FakeKernel } from "./fake_kernel.ts";

/** What a machine with classes of cache and memory bandwidth is like. */
export interface FakeCaches {
  /** CPUs under each last-level cache. */
  readonly cpusPerCache: number;
  /** Parts of a cache; 20 by default. */
  readonly parts?: number;
  /** The least that a class may have; 1 by default. */
  readonly partsMin?: number;
  /** Mask of the parts that devices write to; 0 by default. */
  readonly shareable?: number;
  /** Classes, that of everybody among them; 4 by default. */
  readonly classCount?: number;
  /** Steps of the memory bandwidth, in percent, the least of them too; 10 by default, `null` when it is not limited. */
  readonly bandwidthStep?: number | null;
  /** Resources of the cache: `["L3"]` by default, data and code apart with `cdp`. */
  readonly resources?: readonly string[];
  /** Whether values are printed without zeros or spaces before them, as newer kernels do. */
  readonly short?: boolean;
}

interface FakeClass {
  cpus: number[];
  mode: string;
  /** By resource, then domain. */
  readonly values: Map<string, number[]>;
}

/** The file system of classes, as fs/resctrl has it: what it takes, refuses, rounds, prints and gives to a new class. */
export class Resctrl implements FakeHierarchy {
  readonly mount = "/sys/fs/resctrl";
  readonly type = "resctrl resctrl rw";
  readonly #classes = new Map<string, FakeClass>();
  readonly #domainCount: number;
  readonly #caches: Required<FakeCaches>;

  constructor(readonly kernel: FakeKernel, caches: FakeCaches) {
    this.#caches = {
      parts: 20,
      partsMin: 1,
      shareable: 0,
      classCount: 4,
      bandwidthStep: 10,
      resources: ["L3"],
      short: false,
      ...caches,
    };
    const { cpuCount } = kernel.machine;
    const { resources, parts, partsMin, shareable, classCount, bandwidthStep, cpusPerCache } = this.#caches;
    this.#domainCount = Math.ceil(cpuCount / cpusPerCache);
    for (let cpu = 0; cpu < cpuCount; cpu++) {
      const cache = `/sys/devices/system/cpu/cpu${cpu}/cache/index3`;
      kernel.files.set(`${cache}/level`, "3");
      kernel.files.set(`${cache}/id`, `${Math.floor(cpu / cpusPerCache)}`);
    }
    const info = (resource: string, files: Record<string, string | number>) => {
      for (const [name, value] of Object.entries(files)) kernel.files.set(`${this.mount}/info/${resource}/${name}`, `${value}`);
    };
    const cbm_mask = (2 ** parts - 1).toString(16);
    for (const name of resources) {
      info(name, { cbm_mask, min_cbm_bits: partsMin, shareable_bits: shareable.toString(16), num_closids: classCount });
    }
    if (bandwidthStep !== null) info("MB", { min_bandwidth: bandwidthStep, bandwidth_gran: bandwidthStep, num_closids: classCount });
    this.#say("ok");
    this.kernel.directories.add(this.mount);
    this.#add(this.mount, Array.from({ length: cpuCount }, (_, cpu) => cpu));
  }

  #say(status: string): void {
    this.kernel.files.set(`${this.mount}/info/last_cmd_status`, status);
  }

  #refuse(path: string, status: string): never {
    this.#say(status);
    refuse(path, errno.EINVAL);
  }

  make(path: string): void {
    if (split(path).directory !== this.mount) refuse(path, errno.EPERM);
    if (this.#classes.size >= this.#caches.classCount) throw new SysError(`make ${path}`, errno.ENOSPC);
    this.#add(path, []);
  }

  /** A new class has all that nobody has for itself. */
  #add(path: string, cpus: number[]): void {
    const { resources, parts, bandwidthStep } = this.#caches;
    const values = new Map<string, number[]>();
    for (const resource of resources) {
      values.set(
        resource,
        Array.from({ length: this.#domainCount }, (_, domain) => {
          const exclusive = [...this.#classes.values()].filter(({ mode }) => mode === "exclusive");
          return exclusive.reduce((mask, other) => mask & ~other.values.get(resource)![domain], 2 ** parts - 1);
        }),
      );
    }
    if (bandwidthStep !== null) values.set("MB", Array(this.#domainCount).fill(100));
    this.kernel.directories.add(path);
    this.#classes.set(path, { cpus, mode: "shareable", values });
    this.kernel.files.set(`${path}/tasks`, path === this.mount ? "1" : "");
    this.#print();
  }

  remove(path: string): void {
    this.#classes.get(this.mount)!.cpus.push(...this.#classes.get(path)!.cpus);
    this.#classes.delete(path);
    this.kernel.directories.delete(path);
    for (const file of this.kernel.files.keys()) if (file.startsWith(`${path}/`)) this.kernel.files.delete(file);
    this.#print();
  }

  write(path: string, value: string, text: string): void {
    const { directory, name } = split(path);
    const own = this.#classes.get(directory);
    this.#say("ok");
    if (own === undefined) refuse(path, errno.EACCES);
    switch (name) {
      case "cpus_list": {
        const cpus = parseCpuList(list(path, value, this.kernel.machine.cpuCount));
        const root = this.#classes.get(this.mount)!;
        root.cpus.push(...own.cpus.filter((cpu) => !cpus.includes(cpu)));
        for (const other of this.#classes.values()) if (other !== own) other.cpus = other.cpus.filter((cpu) => !cpus.includes(cpu));
        own.cpus = cpus;
        break;
      }
      case "mode":
        if (!text.endsWith("\n")) refuse(path, errno.EINVAL);
        if (value === "exclusive" && this.#overlaps(own, () => true)) this.#refuse(path, "Schemata overlaps");
        own.mode = value;
        break;
      case "schemata":
        if (!text.endsWith("\n")) refuse(path, errno.EINVAL);
        this.#writeSchemata(path, own, value);
        break;
      default:
        refuse(path, errno.EACCES);
    }
    this.#print();
  }

  #overlaps(own: FakeClass, counts: (other: FakeClass) => boolean, values = own.values): boolean {
    return [...this.#classes.values()].some((other) =>
      other !== own && counts(other) &&
      [...values].some(([resource, masks]) =>
        resource !== "MB" && masks.some((mask, domain) => (mask & other.values.get(resource)![domain]) !== 0)
      )
    );
  }

  /** One line: `L3:0=f;1=3`. Domains that it does not name stay. */
  #writeSchemata(path: string, own: FakeClass, line: string): void {
    const [resource, entries] = line.split(":");
    const before = own.values.get(resource.trim());
    if (before === undefined) this.#refuse(path, `Unknown or unsupported resource name '${resource}'`);
    const values = [...before];
    for (const entry of entries.split(";")) {
      const [domain, value] = entry.split("=");
      if (values[Number(domain)] === undefined) refuse(path, errno.EINVAL);
      values[Number(domain)] = resource === "MB" ? this.#bandwidth(path, value) : this.#mask(path, value);
    }
    const changed = new Map([[resource, values]]);
    if (this.#overlaps(own, ({ mode }) => mode === "exclusive", changed)) this.#refuse(path, "Overlaps with exclusive group");
    if (own.mode === "exclusive" && this.#overlaps(own, () => true, changed)) this.#refuse(path, "Overlaps with other group");
    own.values.set(resource, values);
  }

  #bandwidth(path: string, text: string): number {
    const step = this.#caches.bandwidthStep!;
    const percent = Number(text);
    if (!/^\d+$/.test(text)) this.#refuse(path, `Invalid MB value ${text}`);
    if (percent < step || percent > 100) this.#refuse(path, `MB value ${percent} out of range [${step},100]`);
    return Math.ceil(percent / step) * step;
  }

  #mask(path: string, text: string): number {
    const { parts, partsMin } = this.#caches;
    const mask = Number.parseInt(text, 16);
    if (!/^[0-9a-f]+$/.test(text)) this.#refuse(path, `Non-hex character in the mask ${text}`);
    if (mask === 0 || mask >= 2 ** parts) this.#refuse(path, "Mask out of range");
    const bits = mask.toString(2).replace(/0+$/, "");
    if (bits.includes("0")) this.#refuse(path, `The mask ${text} has non-consecutive 1-bits`);
    if (bits.length < partsMin) this.#refuse(path, `Need at least ${partsMin} bits in the mask`);
    return mask;
  }

  #print(): void {
    const { parts, short, resources } = this.#caches;
    const width = Math.max(...[...resources, "MB"].map((name) => name.length));
    for (const [path, { cpus, mode, values }] of this.#classes) {
      const lines = [...values].map(([resource, numbers]) => {
        const show = (value: number) =>
          resource === "MB" ? `${value}`.padStart(short ? 0 : 3) : value.toString(16).padStart(short ? 0 : Math.ceil(parts / 4), "0");
        return `${resource.padStart(width)}:${numbers.map((value, domain) => `${domain}=${show(value)}`).join(";")}`;
      });
      this.kernel.files.set(`${path}/schemata`, lines.join("\n"));
      this.kernel.files.set(`${path}/cpus_list`, formatCpuList(cpus.toSorted((a, b) => a - b)));
      this.kernel.files.set(`${path}/mode`, mode);
    }
  }
}
