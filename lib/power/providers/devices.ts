import { SysError } from "../../../ffi/errors.ts";
import type { KernelFiles } from "../../../ffi/kernel_root.ts";
import { type CardFact, type Cards, cards } from "../../../ffi/cards.ts";
import { type ManagementPort, managementPort } from "../../../ffi/management_port.ts";
import type { Topology } from "../../kernel/topology.ts";
import type { Change } from "../../plan/step.ts";
import { type Domain, formatValue, type Lack, type Meter, type Provider, type Reading, reasonOf } from "../meter.ts";

/** A meter whose value a call of firmware or of a driver gives. */
interface CallMeter {
  readonly meter: Omit<Meter, "provider" | "permission">;
  /** `null` when it has no value. */
  readonly read: () => number | null;
  /** What a step about it is about; see `StepKind` `power`. */
  readonly what?: string;
}

/** A provider of meters that are read by calls, one after the other. */
class CallProvider implements Provider {
  readonly meters: readonly Meter[];
  readonly lacks: readonly Lack[];
  readonly #entries = new Map<Meter, CallMeter>();

  constructor(readonly name: string, found: readonly CallMeter[], lacks: readonly Lack[]) {
    const missing = [...lacks];
    for (const entry of found) {
      const reading = readNow(entry);
      if (typeof reading === "number") this.#entries.set({ ...entry.meter, provider: name, permission: null }, entry);
      else missing.push({ what: entry.meter.name, why: reading.reason });
    }
    this.meters = [...this.#entries.keys()];
    this.lacks = missing;
  }

  prepare(meters: readonly Meter[]): () => readonly Reading[] {
    const entries = meters.map((meter) => this.#entries.get(meter)!);
    return () => entries.map(readNow);
  }

  plan(meter: Meter, value: number): Change[] {
    const { what } = this.#entries.get(meter)!;
    const milliwatts = Math.floor(value * 1000 + 1e-6);
    return [{ kind: "power", what: what!, to: `${milliwatts}`, why: `${meter.name} to ${formatValue(value, meter.unit)}` }];
  }

  [Symbol.dispose](): void {}
}

function readNow({ read }: CallMeter): Reading {
  try {
    return read() ?? { reason: "it has none" };
  } catch (error) {
    if (error instanceof SysError) return { reason: reasonOf(error) };
    throw error;
  }
}

type Shape = Pick<Meter, "name" | "unit" | "kind" | "range" | "resolution"> & Partial<Pick<Meter, "wrap" | "isWritable">>;

/** Messages of the management port; see `power_hsmp.c`. */
const message = { version: 0x03, power: 0x04, limit: 0x06, limitMax: 0x07, isHot: 0x0b, awake: 0x11, temperature: 0x15 } as const;

/**
 * The management port (HSMP) of AMD's servers: power, its limit, temperature and residency of each package.
 *
 * Source: Documentation/arch/x86/amd_hsmp.rst.
 */
export function hsmpProvider(
  files: KernelFiles,
  topology: Topology,
  port: ManagementPort | null = files.base === "/" ? managementPort : null,
): Provider {
  if (port === null) return new CallProvider("hsmp", [], []);
  const found = topology.packages.flatMap(({ id }) => isThere(port, id) ? packageMeters(port, id) : []);
  return new CallProvider(
    "hsmp",
    found,
    found.length > 0 ? [] : [{ what: "/dev/hsmp", why: "the machine has no management port, or its module amd_hsmp is not loaded" }],
  );
}

function isThere(port: ManagementPort, socket: number): boolean {
  try {
    return port.call(socket, message.version).length > 0;
  } catch (error) {
    if (error instanceof SysError) return false;
    throw error;
  }
}

function packageMeters(port: ManagementPort, index: number): CallMeter[] {
  const ask = (id: number) => port.call(index, id)[0];
  const domain: Domain = { kind: "package", index };
  const of = (id: number, shape: Shape, scale: number, what?: string): CallMeter => ({
    meter: { isWritable: false, ...shape, domain, provenance: `message 0x${id.toString(16)} of the management port of package ${index}` },
    read: () => id === message.temperature ? decodePortTemperature(ask(id)) : ask(id) * scale,
    what,
  });
  const highest = () => ask(message.limitMax) / 1000;
  const watts = { unit: "W", kind: "gauge", resolution: 1e-3 } as const;
  return [
    of(message.power, { ...watts, name: `package${index}/power`, range: { min: 0, max: 4000 } }, 1e-3),
    of(
      message.limit,
      { ...watts, name: `package${index}/power-limit`, range: { min: 1, max: orElse(highest, 0) }, isWritable: true },
      1e-3,
      `hsmp:${index}`,
    ),
    of(message.temperature, {
      name: `package${index}/temperature`,
      unit: "degC",
      kind: "gauge",
      range: { min: 0, max: 150 },
      resolution: 0.125,
    }, 1),
    of(message.awake, { name: `package${index}/awake`, unit: "%", kind: "gauge", range: { min: 0, max: 100 }, resolution: 1 }, 1),
    of(message.isHot, { name: `package${index}/is-hot`, unit: "count", kind: "gauge", range: { min: 0, max: 1 }, resolution: 1 }, 1),
  ];
}

/** Whole degrees in bits 15 to 8, eighths of one in bits 7 to 5. */
export function decodePortTemperature(word: number): number {
  return (word >> 8 & 0xff) + (word >> 5 & 7) / 8;
}

function orElse(read: () => number, otherwise: number): number {
  try {
    return read();
  } catch (error) {
    if (error instanceof SysError) return otherwise;
    throw error;
  }
}

/** Graphics cards whose driver has the library NVML: energy, power and its limit, temperature and clock. */
export function nvmlProvider(files: KernelFiles, list: Cards | null = files.base === "/" ? cards : null): Provider {
  const lacks: Lack[] = [];
  const found = Array.from({ length: list?.count() ?? 0 }, (_, card) => {
    try {
      return cardMeters(list!, card);
    } catch (error) {
      if (!(error instanceof SysError)) throw error;
      lacks.push({ what: `gpu${card}`, why: reasonOf(error) });
      return [];
    }
  });
  return new CallProvider("nvml", found.flat(), lacks);
}

function cardMeters(list: Cards, index: number): CallMeter[] {
  const domain: Domain = { kind: "gpu", index };
  const fact = (name: CardFact, scale: number) => () => {
    const value = list.fact(index, name);
    return value === null ? null : value / scale;
  };
  const of = (shape: Shape, name: CardFact, scale: number, what?: string): CallMeter => ({
    meter: { isWritable: false, ...shape, domain, provenance: `${name} of graphics card ${index} (NVML)` },
    read: fact(name, scale),
    what,
  });
  const bound = (name: CardFact) => orElse(() => list.fact(index, name) ?? 0, 0) / 1000;
  const range = { min: bound("limitMinMilliwatts"), max: bound("limitMaxMilliwatts") };
  const watts = { unit: "W", kind: "gauge", resolution: 1e-3 } as const;
  const wrap = 2 ** 53 / 1000;
  return [
    of(
      { name: `gpu${index}/energy`, unit: "J", kind: "counter", range: { min: 0, max: wrap }, resolution: 1e-3, wrap },
      "energyMillijoules",
      1000,
    ),
    of({ ...watts, name: `gpu${index}/power`, range: { min: 0, max: 4000 } }, "powerMilliwatts", 1000),
    of(
      { ...watts, name: `gpu${index}/power-limit`, range, isWritable: range.max > 0 },
      "limitMilliwatts",
      1000,
      `nvml:${list.uuid(index)}`,
    ),
    of(
      { name: `gpu${index}/temperature`, unit: "degC", kind: "gauge", range: { min: 0, max: 150 }, resolution: 1 },
      "temperatureDegrees",
      1,
    ),
    of({ name: `gpu${index}/frequency`, unit: "Hz", kind: "gauge", range: { min: 0, max: 1e10 }, resolution: 1e6 }, "clockMegahertz", 1e-6),
  ];
}
