import { decodePackageLimits, decodeUnits, field, type PackageLimits, type RaplUnits } from "../registers.ts";
import { Cores } from "./cores.ts";
import { EnergyCounter } from "./counters.ts";
import { Firmware } from "./firmware.ts";
import { Memory } from "./memory.ts";
import { type PackageParameters, serverPackage } from "./parameters.ts";
import { Noise } from "./random.ts";
import { registers, withField, type WriteOutcome } from "./registers.ts";
import { Heat } from "./thermal.ts";
import { phaseAt, Progress, speedOf, steadyWorkload, type Workload } from "./workload.ts";

/** How a package begins. */
export interface PackageOptions {
  /** What it runs; sixteen steady threads when left out. */
  readonly workload?: Workload;
  /** Seed of everything that is random. */
  readonly seed?: number;
  /** What the energy counters show first: near 2^32, they wrap soon. */
  readonly energyCount?: number;
  /** What it drew long before the start, which has made it warm; the power of an idle package when left out. */
  readonly priorWatts?: number;
}

/** What is true of a package at a moment, whatever its registers show. */
export interface PackageTruth {
  /** Time since the start. */
  readonly seconds: number;
  /** What the package draws, without memory. */
  readonly powerWatts: number;
  /** Energy since the start. */
  readonly energyJoules: number;
  /** What its memory draws. */
  readonly dramWatts: number;
  /** Frequency of the fastest busy core. */
  readonly frequencyHz: number;
  /** Mean temperature of the die. */
  readonly dieCelsius: number;
  /** Temperature of the hottest core. */
  readonly hottestCelsius: number;
  /** Time in which a power limit held cores back. */
  readonly limitedSeconds: number;
  /** Time in which the thermal limit held cores back. */
  readonly throttledSeconds: number;
  /** Work done, in seconds of one thread at the nominal frequency. */
  readonly work: number;
}

const tickSeconds = 0.001;

/**
 * A processor package with its firmware, cooling and program, advanced by hand and reached by its registers. Repeatable: the
 * same writes at the same times give the same reads.
 */
export class SimulatedPackage {
  /** What it is made of; the air around it may change. */
  readonly parameters: PackageParameters;
  readonly #noise: Noise;
  readonly #cores: Cores;
  readonly #firmware: Firmware;
  readonly #memory: Memory;
  readonly #heat: Heat;
  readonly #progress: Progress;
  readonly #packageEnergy: EnergyCounter;
  readonly #coreEnergy: EnergyCounter;
  readonly #units: RaplUnits;
  readonly #units606: bigint;
  #workload: Workload;
  #limitRegister: bigint;
  #limits: PackageLimits;
  #ambientCelsius: number;
  #powerWatts: number;
  #ticks = 0;
  #restSeconds = 0;

  /** A package at the moment when its program begins. */
  constructor(
    parameters: PackageParameters = serverPackage,
    { workload = steadyWorkload, seed = 1, energyCount = 0, priorWatts = parameters.uncoreWatts }: PackageOptions = {},
  ) {
    this.parameters = parameters;
    this.#powerWatts = priorWatts;
    this.#noise = new Noise(seed);
    this.#workload = workload;
    this.#cores = new Cores(parameters, workload.threads.length);
    this.#firmware = new Firmware(parameters, priorWatts);
    this.#heat = new Heat(parameters, priorWatts);
    this.#progress = new Progress(workload, this.#noise);
    this.#packageEnergy = new EnergyCounter(parameters.energyExponent, energyCount);
    this.#coreEnergy = new EnergyCounter(parameters.energyExponent, energyCount);
    this.#memory = new Memory(parameters, energyCount);
    this.#ambientCelsius = parameters.ambientCelsius;
    this.#units606 = BigInt(parameters.powerExponent | parameters.energyExponent << 8 | parameters.timeExponent << 16);
    this.#units = decodeUnits(this.#units606);
    // After a reset: PL1 at the TDP over 1 s, PL2 a fifth above over 2.4 ms, both enabled and clamped.
    this.#limitRegister = this.#defaultLimit(parameters.tdpWatts, 0x0a) | this.#defaultLimit(parameters.tdpWatts * 1.2, 0x21) << 32n;
    this.#limits = decodePackageLimits(this.#limitRegister, this.#units);
  }

  #defaultLimit(limitWatts: number, window: number): bigint {
    return BigInt(Math.floor(limitWatts / this.#units.wattsPerCount) | 1 << 15 | 1 << 16 | window << 17);
  }

  /** Lets time pass. What is less than a tick of 1 ms is kept for the next call. */
  advance(seconds: number): void {
    this.#restSeconds += seconds;
    while (this.#restSeconds >= tickSeconds - 1e-9) {
      this.#restSeconds -= tickSeconds;
      this.#ticks++;
      this.#tick();
    }
  }

  #tick(): void {
    const [seconds, phase] = [this.#ticks * tickSeconds, phaseAt(this.#workload, this.#ticks * tickSeconds)];
    const { watts, nextWatts, coresWatts } = this.#cores.load(phase, this.#workload.threads, this.#heat, this.#firmware.limitHz);
    this.#powerWatts = watts;
    this.#packageEnergy.add(watts * tickSeconds, this.#noise);
    this.#coreEnergy.add(coresWatts * tickSeconds, this.#noise);
    this.#heat.step(this.parameters, tickSeconds, this.#ambientCelsius, watts, this.#cores.watts);
    this.#work(phase, seconds);
    this.#cores.count(tickSeconds);
    this.#firmware.tick(tickSeconds, this.#limits, {
      powerWatts: watts,
      nextWatts,
      hottestCelsius: this.#heat.hottestCelsius,
      requestHz: this.#cores.requestHz,
    });
  }

  #work(phase: ReturnType<typeof phaseAt>, seconds: number): void {
    const { baseHz } = this.parameters;
    let work = 0;
    for (const frequencyHz of this.#cores.effectiveHz()) work += speedOf(phase, frequencyHz / baseHz);
    const slowdown = this.#memory.tick(tickSeconds, phase, work / Math.max(1, this.#workload.threads.length), this.#noise);
    this.#progress.add(work * slowdown * tickSeconds, seconds);
  }

  /** Puts the threads on these cores, one each; fewer cores than threads are a runtime that has shrunk. */
  place(cores: readonly number[]): void {
    this.#cores.place(cores);
  }

  /** The cores with threads, in the order of the threads. */
  get placement(): readonly number[] {
    return this.#cores.placement;
  }

  /** Changes the temperature of the air. */
  setAmbient(celsius: number): void {
    this.#ambientCelsius = celsius;
  }

  /** Sets the lock bit, as the firmware of a board does. */
  lockLimits(): void {
    this.#limitRegister |= 1n << 63n;
  }

  /** Takes the heartbeats since the last call, as seconds since the start. */
  takeHeartbeats(): number[] {
    return this.#progress.heartbeats.splice(0);
  }

  /** What is true now. */
  truth(): PackageTruth {
    return {
      seconds: this.#ticks * tickSeconds,
      powerWatts: this.#powerWatts,
      energyJoules: this.#packageEnergy.joules,
      dramWatts: this.#memory.powerWatts,
      frequencyHz: this.#cores.fastestHz,
      dieCelsius: this.#heat.dieCelsius,
      hottestCelsius: this.#heat.hottestCelsius,
      limitedSeconds: this.#firmware.limitedSeconds,
      throttledSeconds: this.#firmware.hotSeconds,
      work: this.#progress.work,
    };
  }

  /**
   * Reads a register of a CPU as `rdmsr` does.
   *
   * @returns Its 64 bits; `null` when there is no such CPU or register.
   */
  read(cpu: number, register: number): bigint | null {
    if (!this.#cores.has(cpu)) return null;
    const { parameters } = this;
    switch (register) {
      case registers.RAPL_POWER_UNIT:
        return this.#units606;
      case registers.PKG_POWER_LIMIT:
        return this.#limitRegister;
      case registers.PKG_ENERGY_STATUS:
        return this.#packageEnergy.shown;
      case registers.PP0_ENERGY_STATUS:
        return this.#coreEnergy.shown;
      case registers.PKG_PERF_STATUS:
        return BigInt(Math.floor(this.#firmware.limitedSeconds * 2 ** parameters.timeExponent)) & 0xffffffffn;
      case registers.PKG_POWER_INFO:
        return this.#powerInfo();
      case registers.TEMPERATURE_TARGET:
        return BigInt(Math.round(parameters.prochotCelsius)) << 16n;
      case registers.THERM_STATUS:
        return this.#thermalStatus(this.#heat.sensedCelsius(cpu));
      case registers.PACKAGE_THERM_STATUS:
        return this.#thermalStatus(this.#heat.sensedHottestCelsius);
      default:
        return this.#memory.read(register) ?? this.#cores.read(cpu, register);
    }
  }

  #powerInfo(): bigint {
    const { tdpWatts, limitMinWatts, limitMaxWatts } = this.parameters;
    let value = withField(0n, 0, 15, tdpWatts / this.#units.wattsPerCount);
    value = withField(value, 16, 15, limitMinWatts / this.#units.wattsPerCount);
    value = withField(value, 32, 15, limitMaxWatts / this.#units.wattsPerCount);
    return withField(value, 48, 6, 0x2f);
  }

  /** Readout below TjMax in bits 22:16, resolution 1, valid; bit 0 while the thermal limit is active, bit 10 while a power limit is. */
  #thermalStatus(celsius: number): bigint {
    const below = Math.min(127, Math.max(0, Math.round(this.parameters.prochotCelsius) - celsius));
    return BigInt(Number(this.#firmware.isHot) | Number(this.#firmware.isLimiting) << 10 | below << 16 | 1 << 27) | 1n << 31n;
  }

  /** Writes a register of a CPU as `wrmsr` does; says what became of it. */
  write(cpu: number, register: number, value: bigint): WriteOutcome {
    if (!this.#cores.has(cpu) || this.read(cpu, register) === null) return "unknown register";
    if (value < 0n || value >= 1n << 64n) return "invalid value";
    if (register === registers.PKG_POWER_LIMIT) return this.#writeLimit(value);
    return this.#memory.write(register, value) ?? this.#cores.write(cpu, register, value) ?? "read-only";
  }

  #writeLimit(value: bigint): WriteOutcome {
    if (field(this.#limitRegister, 63, 1) === 1) return "locked";
    this.#limitRegister = value & 0x80ffffff00ffffffn;
    this.#limits = decodePackageLimits(this.#limitRegister, this.#units);
    return "done";
  }
}
