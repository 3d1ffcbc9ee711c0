import { SysError } from "../../../ffi/errors.ts";
import type { MsrReader, MsrRequest } from "../../../ffi/msr.ts";
import type { Topology } from "../../kernel/topology.ts";
import { encodeLimit, encodeWindow, withLimit } from "../control/rapl.ts";
import { type Domain, type Lack, type Meter, reasonOf } from "../meter.ts";
import {
  type CpuFamily,
  decodeDutyCycle,
  decodeHwpCapabilities,
  decodeHwpRequest,
  decodeLimit,
  decodePowerInfo,
  decodeTemperature,
  decodeTemperatureTarget,
  dutySteps,
  encodeDutyCycle,
  energyCounts,
  field,
  hasPlainWindows,
  hasWidePlatformLimits,
  type PowerInfo,
  type RaplUnits,
  register,
  unitsOf,
} from "../registers.ts";

/** A meter whose value is in a register. */
export interface MsrMeter {
  /** What it is; the provider fills in the rest. */
  readonly meter: Omit<Meter, "provider" | "permission" | "isWritable" | "obstacle">;
  /** The register, by a CPU that has it. */
  readonly request: MsrRequest;
  /** Its value in the meter's unit; `null` when the register says that it has none. */
  readonly decode: (value: bigint) => number | null;
  /** How it is set: which bits, and the register with the new value in them. */
  readonly actuator?: { readonly mask: bigint; readonly encode: (value: number, register: bigint) => bigint };
  /** Why it cannot be set. */
  readonly obstacle?: string;
}

interface Found {
  readonly meters: MsrMeter[];
  readonly lacks: Lack[];
}

/** A part of a machine that RAPL counts for itself. */
interface RaplDomain {
  readonly prefix: string;
  readonly domain: Domain;
  readonly unit: "package" | "dram" | "psys";
  readonly energy: number;
  readonly throttled?: number;
  readonly limit?: number;
  readonly info?: number;
  readonly hasTwoLimits?: true;
}

/** Reads each register when it is asked for: finding out what there is happens once. */
class Probe {
  constructor(readonly reader: MsrReader, readonly device: string) {}

  /** The value, and 0 or its negative error number. */
  read(cpu: number, address: number): { value: bigint; error: number } {
    const { values: [value], errors: [error] } = this.reader.read([{ cpu, address }]);
    return { value, error };
  }

  /** The value; 0 for a register that is not there. */
  valueOf(cpu: number, address: number): bigint {
    return this.read(cpu, address).value;
  }
}

/**
 * Finds what a machine has, by the registers that answer.
 *
 * @param device The name of a CPU's device, for messages.
 */
export function msrMeters(reader: MsrReader, topology: Topology, family: CpuFamily, device: string): Found {
  const probe = new Probe(reader, device);
  const found: Found = { meters: [], lacks: [] };
  if (family.vendor === "GenuineIntel") findIntel(probe, topology, family, found);
  else if (family.vendor === "AuthenticAMD" || family.vendor === "HygonGenuine") findAmd(probe, topology, family, found);
  else {found.lacks.push({
      what: "registers of power",
      why: `we know those of Intel and AMD, and this is ${JSON.stringify(family.vendor)}`,
    });}
  return found;
}

/** Says why nothing can be read at all; a machine without RAPL still has temperatures. */
function unreadable({ device }: Probe, error: number, cpu: number): Lack {
  return { what: `/dev/cpu/${cpu}/${device}`, why: reasonOf(new SysError("read a register", -error)) };
}

function findIntel(probe: Probe, topology: Topology, family: CpuFamily, found: Found): void {
  for (const place of topology.dies) {
    const cpu = place.cpus[0];
    const hasDies = topology.dies.filter((other) => other.package === place.package).length > 1;
    const { value, error } = probe.read(cpu, register.raplUnit);
    if (error !== 0) found.lacks.push(error === -5 ? noRapl(place.package) : unreadable(probe, error, cpu));
    else if (value === 0n) found.lacks.push(noRapl(place.package));
    else {for (const domain of intelDomains(place.package, hasDies ? `die${place.id}-` : "")) {
        findDomain(probe, cpu, value, family, domain, found);
      }}
  }
  for (const { id, cpus } of topology.packages) {
    findThermal(probe, `package${id}/`, { kind: "package", index: id }, cpus[0], register.packageThermal, found);
  }
  for (const [index, core] of topology.cores.entries()) {
    findThermal(probe, `core${index}/`, { kind: "core", index }, core.cpus[0], register.coreThermal, found);
  }
  for (const cpu of topology.onlineCpus) findCpu(probe, cpu, found);
}

function noRapl(index: number): Lack {
  return { what: `package${index}/energy`, why: "the processor has no energy counters, or a virtual machine does not show them" };
}

function intelDomains(index: number, die: string): RaplDomain[] {
  const domain: Domain = { kind: "package", index };
  const { packageEnergy, packageThrottled, packageLimit, packageInfo, dramEnergy, dramThrottled, dramLimit, dramInfo } = register;
  const { coresEnergy, coresLimit, graphicsEnergy, graphicsLimit, platformEnergy, platformLimit } = register;
  return [
    {
      prefix: `package${index}/${die}`,
      domain,
      unit: "package",
      energy: packageEnergy,
      throttled: packageThrottled,
      limit: packageLimit,
      info: packageInfo,
      hasTwoLimits: true,
    },
    {
      prefix: `dram${index}/${die}`,
      domain: { kind: "dram", index },
      unit: "dram",
      energy: dramEnergy,
      throttled: dramThrottled,
      limit: dramLimit,
      info: dramInfo,
    },
    { prefix: `package${index}/${die}cores-`, domain, unit: "package", energy: coresEnergy, limit: coresLimit },
    { prefix: `package${index}/${die}graphics-`, domain, unit: "package", energy: graphicsEnergy, limit: graphicsLimit },
    {
      prefix: `psys${index}/${die}`,
      domain: { kind: "psys", index },
      unit: "psys",
      energy: platformEnergy,
      limit: platformLimit,
      hasTwoLimits: true,
    },
  ];
}

function findDomain(probe: Probe, cpu: number, unitRegister: bigint, family: CpuFamily, rapl: RaplDomain, found: Found): void {
  const units = unitsOf(unitRegister, family, rapl.unit);
  const { value, error } = probe.read(cpu, rapl.energy);
  const name = `${rapl.prefix}energy`;
  if (error !== 0) return;
  if (value === 0n) {
    found.lacks.push({ what: name, why: `its counter (register 0x${rapl.energy.toString(16)}) stands at 0: there is none behind it` });
    return;
  }
  found.meters.push(energyMeter(name, rapl.domain, cpu, rapl.energy, units.joulesPerCount));
  if (rapl.throttled !== undefined && probe.read(cpu, rapl.throttled).error === 0) {
    const seconds = units.secondsPerCount;
    found.meters.push(counter(`${rapl.prefix}throttled-time`, "s", rapl.domain, { cpu, address: rapl.throttled }, seconds));
  }
  if (rapl.limit === undefined || probe.read(cpu, rapl.limit).error !== 0) return;
  if (rapl.unit === "psys" && hasWidePlatformLimits(family)) {
    found.lacks.push({ what: `${rapl.prefix}power-limit`, why: "the register of this processor has another layout; see powercap" });
    return;
  }
  const limits = limitMeters(probe, cpu, rapl, units);
  found.meters.push(...hasPlainWindows(family) ? limits.filter(({ meter: { unit } }) => unit === "W") : limits);
}

function energyMeter(name: string, domain: Domain, cpu: number, address: number, joules: number): MsrMeter {
  return counter(name, "J", domain, { cpu, address }, joules);
}

/** A counter of 32 bits. */
function counter(name: string, unit: "J" | "s", domain: Domain, request: MsrRequest, resolution: number): MsrMeter {
  const wrap = energyCounts * resolution;
  return {
    meter: { name, unit, kind: "counter", range: { min: 0, max: wrap }, resolution, wrap, domain, provenance: provenanceOf(request) },
    request,
    decode: (value) => field(value, 0, 32) * resolution,
  };
}

function provenanceOf({ cpu, address }: MsrRequest): string {
  return `register 0x${address.toString(16)} of CPU ${cpu}`;
}

/** Bits of the power with its two switches, and of the window. */
const powerBits = 0x1ffffn;
const windowBits = 0xfe0000n;

function limitMeters(probe: Probe, cpu: number, rapl: RaplDomain, units: RaplUnits): MsrMeter[] {
  const request = { cpu, address: rapl.limit! };
  const info = decodePowerInfo(rapl.info === undefined ? 0n : probe.valueOf(cpu, rapl.info), units);
  const lockBit = rapl.hasTwoLimits ? 63 : 31;
  const isLocked = field(probe.valueOf(cpu, rapl.limit!), lockBit, 1) === 1;
  const common = { request, ...isLocked ? { obstacle: "the firmware has locked it until the next reset" } : {} };
  const provenance = provenanceOf(request);
  const gauge = { kind: "gauge", domain: rapl.domain, provenance } as const;
  // Without an upper bound of its own, it is what the register can hold.
  const power = { min: info.minWatts || units.wattsPerCount, max: Math.min(info.maxWatts || Infinity, 0x7fff * units.wattsPerCount) };
  const window = { min: units.secondsPerCount, max: info.windowMaxSeconds || 2 ** 17 * units.secondsPerCount };
  return (rapl.hasTwoLimits ? [1, 2] as const : [1] as const).flatMap((which): MsrMeter[] => {
    const shift = which === 1 ? 0n : 32n;
    const now = (value: bigint) => decodeLimit(value >> shift, units);
    const replace = limitWriter(rapl, which, units, info);
    const name = `${rapl.prefix}power-limit${which === 1 ? "" : "-short"}`;
    return [
      {
        ...common,
        meter: { ...gauge, name, unit: "W", range: power, resolution: units.wattsPerCount },
        decode: (value) => now(value).limitWatts,
        // As the kernel does it: a limit that is set counts, and may clamp.
        actuator: { mask: powerBits << shift, encode: (value, old) => replace(old, value, now(old).windowSeconds) },
      },
      {
        ...common,
        meter: { ...gauge, name: `${name}-window`, unit: "s", range: window, resolution: units.secondsPerCount },
        decode: (value) => now(value).windowSeconds,
        actuator: { mask: windowBits << shift, encode: (value, old) => old & ~(windowBits << shift) | windowOf(value, units) << shift },
      },
    ];
  });
}

function windowOf(seconds: number, units: RaplUnits): bigint {
  return BigInt(encodeWindow(seconds, units)) << 17n;
}

/** Sets a limit; its window stays as it is, also one that could not be set anew. */
function limitWriter(rapl: RaplDomain, which: 1 | 2, units: RaplUnits, info: PowerInfo) {
  return (old: bigint, limitWatts: number, windowSeconds: number): bigint => {
    const window = Math.max(windowSeconds, units.secondsPerCount);
    const limit = { limitWatts, windowSeconds: window, isEnabled: true, isClamped: true };
    const free = { ...info, windowMaxSeconds: 0 };
    return rapl.hasTwoLimits ? withLimit(old, which, limit, units, free) : old & ~0xffffffn | encodeLimit(limit, units, free);
  };
}

function findThermal(probe: Probe, prefix: string, domain: Domain, cpu: number, address: number, found: Found): void {
  const throttleDegrees = decodeTemperatureTarget(probe.valueOf(cpu, register.temperatureTarget));
  const { value, error } = probe.read(cpu, address);
  // Registers that a machine does not have read as 0 in some virtual machines.
  if (error !== 0 || value === 0n || throttleDegrees === 0) return;
  const request = { cpu, address };
  found.meters.push({
    meter: {
      name: `${prefix}temperature`,
      unit: "degC",
      kind: "gauge",
      range: { min: throttleDegrees - 127, max: throttleDegrees },
      resolution: 1,
      domain,
      provenance: provenanceOf(request),
    },
    request,
    decode: (value) => decodeTemperature(value, throttleDegrees),
  });
}

function findCpu(probe: Probe, cpu: number, found: Found): void {
  const domain: Domain = { kind: "cpu", index: cpu };
  for (const [name, address] of [["aperf", register.aperf], ["mperf", register.mperf]] as const) {
    const { value, error } = probe.read(cpu, address);
    if (error === 0 && value !== 0n) found.meters.push(cycleMeter(`cpu${cpu}/${name}`, domain, { cpu, address }));
  }
  if (probe.read(cpu, register.clockModulation).error === 0) found.meters.push(dutyMeter(cpu, domain));
  const isOn = field(probe.valueOf(cpu, register.hwpEnable), 0, 1) === 1;
  if (isOn && probe.read(cpu, register.hwpRequest).error === 0) found.meters.push(...hwpMeters(probe, cpu, domain));
}

/** A counter of 64 bits, of which a number holds the lower 53 exactly. */
function cycleMeter(name: string, domain: Domain, request: MsrRequest): MsrMeter {
  const wrap = 2 ** 53;
  return {
    meter: {
      name,
      unit: "count",
      kind: "counter",
      range: { min: 0, max: wrap },
      resolution: 1,
      wrap,
      domain,
      provenance: provenanceOf(request),
    },
    request,
    decode: (value) => Number(BigInt.asUintN(53, value)),
  };
}

function dutyMeter(cpu: number, domain: Domain): MsrMeter {
  const request = { cpu, address: register.clockModulation };
  const resolution = 100 / dutySteps;
  return {
    meter: {
      name: `cpu${cpu}/duty-cycle`,
      unit: "%",
      kind: "gauge",
      range: { min: resolution, max: 100 },
      resolution,
      domain,
      provenance: provenanceOf(request),
    },
    request,
    decode: decodeDutyCycle,
    actuator: { mask: 0x1fn, encode: (value) => encodeDutyCycle(value) },
  };
}

function hwpMeters(probe: Probe, cpu: number, domain: Domain): MsrMeter[] {
  const request = { cpu, address: register.hwpRequest };
  const { lowest, highest } = decodeHwpCapabilities(probe.valueOf(cpu, register.hwpCapabilities));
  const level = (name: string, low: number, range: { min: number; max: number }, key: "minimum" | "maximum" | "preference"): MsrMeter => {
    const mask = 0xffn << BigInt(low);
    return {
      meter: { name: `cpu${cpu}/${name}`, unit: "count", kind: "gauge", range, resolution: 1, domain, provenance: provenanceOf(request) },
      request,
      decode: (value) => decodeHwpRequest(value)[key],
      actuator: { mask, encode: (value, old) => old & ~mask | BigInt(Math.floor(value)) << BigInt(low) },
    };
  };
  return [
    level("performance-min", 0, { min: lowest, max: highest }, "minimum"),
    level("performance-max", 8, { min: lowest, max: highest }, "maximum"),
    level("energy-preference", 24, { min: 0, max: 255 }, "preference"),
  ];
}

function findAmd(probe: Probe, topology: Topology, family: CpuFamily, found: Found): void {
  for (const { id, cpus } of topology.packages) {
    const { value, error } = probe.read(cpus[0], register.amdRaplUnit);
    if (error !== 0 || value === 0n) {
      found.lacks.push(error === 0 || error === -5 ? noRapl(id) : unreadable(probe, error, cpus[0]));
      continue;
    }
    const { joulesPerCount } = unitsOf(value, family, "package");
    const add = (name: string, domain: Domain, cpu: number, address: number) => {
      const energy = probe.read(cpu, address);
      if (energy.error === 0 && energy.value !== 0n) found.meters.push(energyMeter(name, domain, cpu, address, joulesPerCount));
      else found.lacks.push({ what: name, why: "its counter stands at 0: there is none behind it" });
    };
    add(`package${id}/energy`, { kind: "package", index: id }, cpus[0], register.amdPackageEnergy);
    for (const [index, core] of topology.cores.entries()) {
      if (cpus.includes(core.cpus[0])) add(`core${index}/energy`, { kind: "core", index }, core.cpus[0], register.amdCoreEnergy);
    }
    found.lacks.push({ what: `package${id}/power-limit`, why: "AMD's processors have no register for it; the management port sets it" });
  }
}
