/** Registers of a simulated package by number, with their usual names. */
export const registers = {
  MPERF: 0xe7,
  APERF: 0xe8,
  PERF_STATUS: 0x198,
  PERF_CTL: 0x199,
  CLOCK_MODULATION: 0x19a,
  THERM_STATUS: 0x19c,
  TEMPERATURE_TARGET: 0x1a2,
  PACKAGE_THERM_STATUS: 0x1b1,
  RAPL_POWER_UNIT: 0x606,
  PKG_POWER_LIMIT: 0x610,
  PKG_ENERGY_STATUS: 0x611,
  PKG_PERF_STATUS: 0x613,
  PKG_POWER_INFO: 0x614,
  DRAM_POWER_LIMIT: 0x618,
  DRAM_ENERGY_STATUS: 0x619,
  DRAM_PERF_STATUS: 0x61b,
  DRAM_POWER_INFO: 0x61c,
  PP0_ENERGY_STATUS: 0x639,
  HWP_REQUEST: 0x774,
} as const;

/** What became of a write: done, or why it is refused; a processor raises a fault for each refusal. */
export type WriteOutcome = "done" | "unknown register" | "read-only" | "locked" | "invalid value";

/** The value with `width` bits from `low` replaced; what does not fit is cut off. */
export function withField(register: bigint, low: number, width: number, value: number): bigint {
  const mask = (1n << BigInt(width)) - 1n;
  return register & ~(mask << BigInt(low)) | (BigInt(Math.max(0, Math.floor(value))) & mask) << BigInt(low);
}

/** The lower 32 bits of a count. */
export function wrapped(count: number): bigint {
  return BigInt(Math.floor(count)) & 0xffffffffn;
}
