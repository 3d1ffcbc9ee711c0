import { SysError } from "../../../ffi/errors.ts";
import type { KernelFiles } from "../../../ffi/kernel_root.ts";
import { type PerfEvent, PerfGroup } from "../../../ffi/perf_group.ts";
import { RefusedError } from "../../errors.ts";
import type { Topology } from "../../kernel/topology.ts";
import { readCpuList, readNumber, readText } from "../../kernel/value.ts";
import type { Change } from "../../plan/step.ts";
import { type Domain, type Lack, type Meter, type Provider, type Reading, reasonOf } from "../meter.ts";

/** Counters that are open, as a {@link PerfGroup} has them. */
export type OpenCounters = Pick<PerfGroup, "read"> & Disposable;

/** Opens counters of a CPU together. */
export type CountersOpener = (events: readonly PerfEvent[], cpu: number) => OpenCounters;

/** Counters of one CPU, read at once. */
interface Group {
  readonly counters: OpenCounters;
}

interface Place {
  readonly group: Group;
  readonly index: number;
  readonly scale: number;
}

const root = "/sys/bus/event_source/devices";

/**
 * Energy counters of the kernel (perf): it widens the 32 bits of the registers by itself. Those of one CPU are one group, and are
 * read at once.
 *
 * Source: Documentation/ABI/testing/sysfs-bus-event_source-devices-events.
 */
export class PerfProvider implements Provider {
  /** See {@link Provider.name}. */
  readonly name = "perf";
  /** See {@link Provider.meters}. */
  readonly meters: readonly Meter[];
  /** See {@link Provider.lacks}. */
  readonly lacks: readonly Lack[];
  readonly #places = new Map<Meter, Place>();
  readonly #groups: Group[] = [];

  /**
   * Opens them.
   *
   * @param open Opens counters; those of the running machine by default. A captured machine counts nothing.
   */
  constructor(readonly files: KernelFiles, readonly topology: Topology, open: CountersOpener | null = defaultOpener(files)) {
    const lacks: Lack[] = [];
    for (const source of ["power", "power_core"]) {
      const type = readNumber(files, `${root}/${source}/type`);
      const cpus = readCpuList(files, `${root}/${source}/cpumask`);
      if (type === null || cpus === null) continue;
      for (const cpu of cpus) this.#find(source, type, cpu, open, lacks);
    }
    this.meters = [...this.#places.keys()];
    this.lacks = lacks;
  }

  #find(source: string, type: number, cpu: number, open: CountersOpener | null, lacks: Lack[]): void {
    const found = this.#events(source, type, cpu);
    if (found.length === 0) return;
    let counters: OpenCounters;
    try {
      if (open === null) throw new Error("a captured machine counts nothing");
      counters = open(found.map(({ event }) => event), cpu);
    } catch (error) {
      const paranoid = error instanceof SysError && (error.code === "EACCES" || error.code === "EPERM")
        ? "it needs CAP_PERFMON, or kernel.perf_event_paranoid of 0 or less"
        : reasonOf(error);
      for (const { meter } of found) lacks.push({ what: meter.name, why: paranoid });
      return;
    }
    const group = { counters };
    this.#groups.push(group);
    // The kernel itself leaves out counters with nothing behind them.
    for (const [index, { meter, scale }] of found.entries()) {
      if (!this.#has(meter.name)) this.#places.set(meter, { group, index, scale });
    }
  }

  #has(name: string): boolean {
    return [...this.#places.keys()].some((meter) => meter.name === name);
  }

  #events(source: string, type: number, cpu: number): { event: PerfEvent; scale: number; meter: Meter }[] {
    const directory = `${root}/${source}/events`;
    return this.files.list(directory).flatMap(({ name }) => {
      const config = /^event=0x([0-9a-f]+)$/.exec(readText(this.files, `${directory}/${name}`) ?? "")?.[1];
      const scale = Number(readText(this.files, `${directory}/${name}.scale`) ?? NaN);
      const place = this.#domainOf(name, cpu);
      if (config === undefined || !(scale > 0) || place === null || readText(this.files, `${directory}/${name}.unit`) !== "Joules") {
        return [];
      }
      const wrap = 2 ** 63 * scale;
      const meter: Meter = {
        name: place.name,
        provider: this.name,
        unit: "J",
        kind: "counter",
        range: { min: 0, max: wrap },
        resolution: scale,
        wrap,
        domain: place.domain,
        permission: null,
        provenance: `counter ${source}/${name}/ on CPU ${cpu}`,
        isWritable: false,
      };
      return [{ event: { type, config: BigInt(`0x${config}`) }, scale, meter }];
    });
  }

  #domainOf(event: string, cpu: number): { name: string; domain: Domain } | null {
    const index = this.topology.cpus.find(({ id }) => id === cpu)?.package ?? 0;
    const inPackage = (part: string) => ({ name: `package${index}/${part}energy`, domain: { kind: "package", index } as const });
    if (event === "energy-pkg") return inPackage("");
    if (event === "energy-cores") return inPackage("cores-");
    if (event === "energy-gpu") return inPackage("graphics-");
    if (event === "energy-ram") return { name: `dram${index}/energy`, domain: { kind: "dram", index } };
    if (event === "energy-psys") return { name: `psys${index}/energy`, domain: { kind: "psys", index } };
    if (event !== "energy-core") return null;
    const core = this.topology.cores.findIndex(({ cpus }) => cpus.includes(cpu));
    return { name: `core${core}/energy`, domain: { kind: "core", index: core } };
  }

  /** See {@link Provider.prepare}. */
  prepare(meters: readonly Meter[]): () => readonly Reading[] {
    const places = meters.map((meter) => this.#places.get(meter)!);
    return () => {
      const read = new Map<Group, readonly bigint[] | string>();
      return places.map(({ group, index, scale }): Reading => {
        const values = read.get(group) ?? valuesOf(group);
        read.set(group, values);
        return typeof values === "string" ? { reason: values } : Number(values[index]) * scale;
      });
    };
  }

  /** Always throws a `RefusedError`: these only count. */
  plan(meter: Meter): Change[] {
    throw new RefusedError(`Cannot set ${meter.name}: it is not an actuator`);
  }

  /** Closes all counters; again does nothing. */
  [Symbol.dispose](): void {
    for (const { counters } of this.#groups.splice(0)) counters[Symbol.dispose]();
  }
}

function valuesOf({ counters }: Group): readonly bigint[] | string {
  try {
    return counters.read().values;
  } catch (error) {
    return reasonOf(error);
  }
}

function defaultOpener(files: KernelFiles): CountersOpener | null {
  return files.base === "/" ? (events, cpu) => new PerfGroup(events, { cpu }) : null;
}
