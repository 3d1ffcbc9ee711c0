/** What one count of a RAPL field stands for: register 0x606. */
export interface RaplUnits {
  /** Of limits. */
  readonly wattsPerCount: number;
  /** Of energy counters. */
  readonly joulesPerCount: number;
  /** Of windows and throttled time. */
  readonly secondsPerCount: number;
}

/** What a domain can be limited to: register 0x614 or 0x61C. A 0 says that the machine does not tell. */
export interface PowerInfo {
  /** Thermal design power. */
  readonly tdpWatts: number;
  /** The least limit that is enforced. */
  readonly minWatts: number;
  /** The highest limit. */
  readonly maxWatts: number;
  /** The longest window. */
  readonly windowMaxSeconds: number;
}

/** One limit on the average power over a window. */
export interface PowerLimit {
  /** The limit. */
  readonly limitWatts: number;
  /** The time constant of the average. */
  readonly windowSeconds: number;
  /** Whether it is enforced. */
  readonly isEnabled: boolean;
  /** Whether it may push cores below the frequency that the kernel asks for. */
  readonly isClamped: boolean;
}

/** Both limits of a package: register 0x610. */
export interface PackageLimits {
  /** PL1, the long-term limit. */
  readonly first: PowerLimit;
  /** PL2, the short-term limit. */
  readonly second: PowerLimit;
  /** Whether the register is read-only until the next reset. */
  readonly isLocked: boolean;
}

/** Registers that we know, by their names in the manuals of Intel and AMD. */
export const register = {
  perfControl: 0x199,
  clockModulation: 0x19a,
  coreThermal: 0x19c,
  temperatureTarget: 0x1a2,
  packageThermal: 0x1b1,
  mperf: 0xe7,
  aperf: 0xe8,
  raplUnit: 0x606,
  packageLimit: 0x610,
  packageEnergy: 0x611,
  packageThrottled: 0x613,
  packageInfo: 0x614,
  dramLimit: 0x618,
  dramEnergy: 0x619,
  dramThrottled: 0x61b,
  dramInfo: 0x61c,
  coresLimit: 0x638,
  coresEnergy: 0x639,
  graphicsLimit: 0x640,
  graphicsEnergy: 0x641,
  platformEnergy: 0x64d,
  platformLimit: 0x65c,
  hwpEnable: 0x770,
  hwpCapabilities: 0x771,
  hwpRequest: 0x774,
  amdRaplUnit: 0xc0010299,
  amdCoreEnergy: 0xc001029a,
  amdPackageEnergy: 0xc001029b,
} as const;

/** Counts after which an energy counter begins again. */
export const energyCounts = 2 ** 32;

/** Which processor it is, as CPUID tells it and `/proc/cpuinfo` prints it. */
export interface CpuFamily {
  /** `GenuineIntel`, `AuthenticAMD`, `HygonGenuine`, or `""`. */
  readonly vendor: string;
  /** Family. */
  readonly family: number;
  /** Model. */
  readonly model: number;
}

/** Reads the first processor of the text of `/proc/cpuinfo`. */
export function parseCpuFamily(text: string): CpuFamily {
  const number = (name: string) => Number(new RegExp(`^${name}\\s*:\\s*(\\d+)$`, "m").exec(text)?.[1] ?? 0);
  return { vendor: /^vendor_id\s*:\s*(\S+)/m.exec(text)?.[1] ?? "", family: number("cpu family"), model: number("model") };
}

/** Servers whose memory counts in units of their own, whatever register 0x606 says: Haswell, Broadwell, Skylake, Ice Lake, Xeon Phi. */
const fixedDramUnit: ReadonlySet<number> = new Set([0x3f, 0x4f, 0x55, 0x57, 0x6a, 0x6c, 0x85]);
/** Servers whose platform domain counts whole joules: Sapphire and Emerald Rapids. */
const wholeJoules: ReadonlySet<number> = new Set([0x8f, 0xcf]);
/** Small cores (Silvermont, Airmont) where the fields are exponents of microjoules and milliwatts. */
const microUnits: ReadonlySet<number> = new Set([0x37, 0x4a, 0x4c, 0x5a]);

/** Whether the limits of the platform have a layout of their own, with 17 bits of power. */
export function hasWidePlatformLimits({ vendor, family, model }: CpuFamily): boolean {
  return vendor === "GenuineIntel" && family === 6 && wholeJoules.has(model);
}

/** Whether windows are plain numbers of units, and not 2^Y (1 + Z/4). */
export function hasPlainWindows({ vendor, family, model }: CpuFamily): boolean {
  return vendor === "GenuineIntel" && family === 6 && microUnits.has(model);
}

/** Decodes register 0x606, or 0xC0010299 of AMD, as most processors have it. */
export function decodeUnits(value: bigint): RaplUnits {
  return {
    wattsPerCount: 2 ** -field(value, 0, 4),
    joulesPerCount: 2 ** -field(value, 8, 5),
    secondsPerCount: 2 ** -field(value, 16, 4),
  };
}

/** The units of one domain, with what is peculiar to some processors. */
export function unitsOf(value: bigint, { vendor, family, model }: CpuFamily, domain: "package" | "dram" | "psys"): RaplUnits {
  const units = decodeUnits(value);
  if (vendor !== "GenuineIntel" || family !== 6) return units;
  if (microUnits.has(model)) {
    return { ...units, wattsPerCount: 2 ** field(value, 0, 4) / 1000, joulesPerCount: 2 ** field(value, 8, 5) / 1e6 };
  }
  if (domain === "dram" && fixedDramUnit.has(model)) return { ...units, joulesPerCount: 2 ** -16 };
  if (domain === "psys" && wholeJoules.has(model)) return { ...units, joulesPerCount: 1 };
  return units;
}

/** Decodes register 0x614 or 0x61C. */
export function decodePowerInfo(value: bigint, units: RaplUnits): PowerInfo {
  const window = field(value, 48, 6);
  return {
    tdpWatts: field(value, 0, 15) * units.wattsPerCount,
    minWatts: field(value, 16, 15) * units.wattsPerCount,
    maxWatts: field(value, 32, 15) * units.wattsPerCount,
    windowMaxSeconds: window === 0 ? 0 : decodeWindow(window, units),
  };
}

/** Decodes register 0x610. */
export function decodePackageLimits(value: bigint, units: RaplUnits): PackageLimits {
  return {
    first: decodeLimit(value, units),
    second: decodeLimit(value >> 32n, units),
    isLocked: field(value, 63, 1) === 1,
  };
}

/** Decodes the lower half of a limit register: 15 bits of power, enable, clamp, 7 bits of window. */
export function decodeLimit(half: bigint, units: RaplUnits): PowerLimit {
  return {
    limitWatts: field(half, 0, 15) * units.wattsPerCount,
    windowSeconds: decodeWindow(field(half, 17, 7), units),
    isEnabled: field(half, 15, 1) === 1,
    isClamped: field(half, 16, 1) === 1,
  };
}

/** Decodes a register of one limit, such as 0x618 (memory) and 0x638 (cores), whose lock is bit 31. */
export function decodeSingleLimit(value: bigint, units: RaplUnits): PowerLimit & { readonly isLocked: boolean } {
  return { ...decodeLimit(value, units), isLocked: field(value, 31, 1) === 1 };
}

/** The length of an encoded window: 2^Y (1 + Z/4) units, Y in the lower five bits, Z in the upper two. */
export function decodeWindow(encoded: number, units: RaplUnits): number {
  return 2 ** (encoded & 31) * (1 + (encoded >> 5) / 4) * units.secondsPerCount;
}

/** The temperature at which the hardware throttles (register 0x1A2), in degrees Celsius; 0 when it does not say. */
export function decodeTemperatureTarget(value: bigint): number {
  return field(value, 16, 8);
}

/** Decodes a thermal status (register 0x19C or 0x1B1) into degrees Celsius; `null` when the reading is not valid. */
export function decodeTemperature(value: bigint, throttleDegrees: number): number | null {
  return field(value, 31, 1) === 0 ? null : throttleDegrees - field(value, 16, 7);
}

/** Steps of the duty cycle that fit in register 0x19A: 16. A step is 6.25 %. */
export const dutySteps = 16;

/** Decodes register 0x19A into the percentage of time in which the clock runs; 100 when modulation is off. */
export function decodeDutyCycle(value: bigint): number {
  const steps = field(value, 0, 4);
  return field(value, 4, 1) === 0 || steps === 0 ? 100 : steps / dutySteps * 100;
}

/** Encodes a percentage for register 0x19A, rounded up to a whole step, so that no more is taken away than asked for. */
export function encodeDutyCycle(percent: number): bigint {
  const steps = Math.ceil(percent / 100 * dutySteps - 1e-9);
  return steps >= dutySteps ? 0n : BigInt(0x10 | steps);
}

/** Performance levels of a CPU: register 0x771. */
export interface HwpCapabilities {
  /** The highest level. */
  readonly highest: number;
  /** The one that it can always have. */
  readonly guaranteed: number;
  /** The one of the best efficiency. */
  readonly efficient: number;
  /** The lowest level. */
  readonly lowest: number;
}

/** Decodes register 0x771. */
export function decodeHwpCapabilities(value: bigint): HwpCapabilities {
  return { highest: field(value, 0, 8), guaranteed: field(value, 8, 8), efficient: field(value, 16, 8), lowest: field(value, 24, 8) };
}

/** What a CPU asks of its hardware: register 0x774. */
export interface HwpRequest {
  /** The lowest level that it shall have. */
  readonly minimum: number;
  /** The highest level that it may have. */
  readonly maximum: number;
  /** The one that it wants; 0 leaves it to the hardware. */
  readonly desired: number;
  /** Preference: 0 for performance, 255 for energy. */
  readonly preference: number;
}

/** Decodes register 0x774. */
export function decodeHwpRequest(value: bigint): HwpRequest {
  return { minimum: field(value, 0, 8), maximum: field(value, 8, 8), desired: field(value, 16, 8), preference: field(value, 24, 8) };
}

/** A field of a register: `width` bits from bit `low` on, at most 32. */
export function field(value: bigint, low: number, width: number): number {
  return Number(value >> BigInt(low) & (1n << BigInt(width)) - 1n);
}
