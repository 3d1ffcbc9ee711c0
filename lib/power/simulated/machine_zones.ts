import { encodeWindow } from "../control/rapl.ts";
import { decodeLimit, decodePowerInfo, decodeUnits, field, type PowerLimit } from "../registers.ts";
import type { SimulatedMachine } from "./machine.ts";
import type { SimulatedPackage } from "./package.ts";
import { registers, withField } from "./registers.ts";

const microsPerUnit = 1e6;
/** Fields of a limit register for each constraint: limit and window begin here. */
const shifts = { long_term: 0, short_term: 32 } as const;

interface Zone {
  readonly directory: string;
  readonly name: string;
  readonly energyRegister: number;
  readonly energyExponent: number;
  readonly limitRegister?: number;
  readonly lockBit?: bigint;
  readonly constraints: readonly (keyof typeof shifts)[];
  /** Of each constraint. */
  readonly maxWatts: readonly number[];
}

/** Adds the power zones of a package, as the module intel_rapl_msr shows them. */
export function addZones(machine: SimulatedMachine, package_: SimulatedPackage, index: number): void {
  const { parameters } = package_;
  const root = "sys/class/powercap";
  const top = `intel-rapl/intel-rapl:${index}`;
  const info = decodePowerInfo(package_.read(0, registers.PKG_POWER_INFO) ?? 0n, unitsOf(package_));
  if (index === 0) machine.addNumber(`${root}/intel-rapl/enabled`, { read: () => 1n });
  const zones: Zone[] = [{
    directory: top,
    name: `package-${index}`,
    energyRegister: registers.PKG_ENERGY_STATUS,
    energyExponent: parameters.energyExponent,
    limitRegister: registers.PKG_POWER_LIMIT,
    lockBit: 1n << 63n,
    constraints: ["long_term", "short_term"],
    maxWatts: [info.tdpWatts, info.maxWatts],
  }, {
    directory: `${top}/intel-rapl:${index}:0`,
    name: "core",
    energyRegister: registers.PP0_ENERGY_STATUS,
    energyExponent: parameters.energyExponent,
    constraints: [],
    maxWatts: [],
  }, {
    directory: `${top}/intel-rapl:${index}:1`,
    name: "dram",
    energyRegister: registers.DRAM_ENERGY_STATUS,
    energyExponent: parameters.dram.energyExponent,
    limitRegister: registers.DRAM_POWER_LIMIT,
    lockBit: 1n << 31n,
    constraints: ["long_term"],
    maxWatts: [decodePowerInfo(package_.read(0, registers.DRAM_POWER_INFO) ?? 0n, unitsOf(package_)).tdpWatts],
  }];
  if (index === 0) machine.addLink(`${root}/intel-rapl/subsystem`, "..");
  for (const zone of zones) {
    addZone(machine, package_, { ...zone, directory: `${root}/${zone.directory}` }, index);
    machine.addLink(`${root}/${zone.directory.replace(/.*\//, "")}`, zone.directory);
  }
}

function unitsOf(package_: SimulatedPackage) {
  return decodeUnits(package_.read(0, registers.RAPL_POWER_UNIT) ?? 0n);
}

function addZone(machine: SimulatedMachine, package_: SimulatedPackage, zone: Zone, index: number): void {
  const { directory, name, energyRegister, energyExponent, limitRegister, lockBit } = zone;
  const exponent = BigInt(energyExponent);
  const microjoules = (count: bigint) => (count * BigInt(microsPerUnit)) >> exponent;
  machine.addText(`${directory}/name`, name);
  machine.addText(`${directory}/max_energy_range_uj`, String(microjoules(0xffffffffn)));
  machine.addNumber(
    `${directory}/energy_uj`,
    { read: () => microjoules(package_.read(0, energyRegister) ?? 0n) },
    undefined,
    // Since it was used to spy on programs, only root reads it.
    0o400,
  );
  if (limitRegister === undefined) return machine.addNumber(`${directory}/enabled`, { read: () => 0n });
  const read = () => package_.read(0, limitRegister) ?? 0n;
  const write = (value: bigint) => void package_.write(0, limitRegister, value);
  const lock = { value: machine.sharedRegister(index, limitRegister), bits: lockBit ?? 0n };
  machine.addNumber(`${directory}/enabled`, {
    read: () => BigInt(field(read(), 15, 1)),
    // The kernel sets or takes both: enable, and clamp beside it.
    write: (bits) => write(withField(read(), 15, 2, bits === 0n ? 0 : 3)),
  }, { high: 1n, lock });
  zone.constraints.forEach((constraint, number) => {
    const path = `${directory}/constraint_${number}`;
    machine.addText(`${path}_name`, constraint);
    machine.addText(`${path}_max_power_uw`, Math.round(zone.maxWatts[number] * microsPerUnit));
    addLimit(machine, path, { shift: shifts[constraint], units: unitsOf(package_), read, write }, lock);
  });
}

interface LimitField {
  readonly shift: number;
  readonly units: ReturnType<typeof decodeUnits>;
  read(): bigint;
  write(value: bigint): void;
}

function addLimit(machine: SimulatedMachine, path: string, register: LimitField, lock: { value: string; bits: bigint }): void {
  const { shift, units, read, write } = register;
  const micros = (key: "limitWatts" | "windowSeconds") => () => {
    const limit: PowerLimit = decodeLimit(read() >> BigInt(shift), units);
    return BigInt(Math.floor(limit[key] * microsPerUnit));
  };
  const limitMaxWatts = 0x7fff * units.wattsPerCount;
  machine.addNumber(`${path}_power_limit_uw`, {
    read: micros("limitWatts"),
    write: (bits) => write(withField(read(), shift, 15, Number(bits) / microsPerUnit / units.wattsPerCount)),
  }, { high: BigInt(limitMaxWatts * microsPerUnit), lock });
  machine.addNumber(`${path}_time_window_us`, {
    read: micros("windowSeconds"),
    write: (bits) => write(withField(read(), shift + 17, 7, encodeWindow(Number(bits) / microsPerUnit, units))),
  }, { low: BigInt(Math.ceil(units.secondsPerCount * microsPerUnit)), high: BigInt(64 * microsPerUnit), lock });
}
