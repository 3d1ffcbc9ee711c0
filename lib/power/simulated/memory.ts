import { decodeLimit, decodeUnits } from "../registers.ts";
import { EnergyCounter } from "./counters.ts";
import type { PackageParameters } from "./parameters.ts";
import type { Noise } from "./random.ts";
import { registers, withField, type WriteOutcome } from "./registers.ts";
import type { Phase } from "./workload.ts";

const lockBit = 1n << 31n;

/** Memory beside a package: power by traffic, a counter and a limit of its own. */
export class Memory {
  /** What it draws. */
  powerWatts: number;
  #limit = 0n;
  #limitWatts = Infinity;
  #limitedSeconds = 0;
  readonly #energy: EnergyCounter;
  readonly #parameters: PackageParameters;

  /** Memory without traffic. */
  constructor(parameters: PackageParameters, energyCount: number) {
    this.#parameters = parameters;
    this.powerWatts = parameters.dram.idleWatts;
    this.#energy = new EnergyCounter(parameters.dram.energyExponent, energyCount);
  }

  /**
   * Goes on for `seconds` at a speed of the cores beside the nominal one.
   *
   * @returns What is left of that speed under the limit.
   */
  tick(seconds: number, phase: Phase, speed: number, noise: Noise): number {
    const { idleWatts, wattsPerGigabyte } = this.#parameters.dram;
    const wantedWatts = wattsPerGigabyte * phase.gigabytesPerSecond * speed;
    const trafficWatts = Math.min(wantedWatts, Math.max(0.05 * wantedWatts, this.#limitWatts - idleWatts));
    this.powerWatts = idleWatts + trafficWatts;
    this.#energy.add(this.powerWatts * seconds, noise);
    if (trafficWatts < wantedWatts) this.#limitedSeconds += seconds;
    return wantedWatts > 0 ? trafficWatts / wantedWatts : 1;
  }

  /** A register; `null` when it is none of memory. */
  read(register: number): bigint | null {
    const { powerExponent, timeExponent } = this.#parameters;
    switch (register) {
      case registers.DRAM_POWER_LIMIT:
        return this.#limit;
      case registers.DRAM_ENERGY_STATUS:
        return this.#energy.shown;
      case registers.DRAM_PERF_STATUS:
        return BigInt(Math.floor(this.#limitedSeconds * 2 ** timeExponent)) & 0xffffffffn;
      case registers.DRAM_POWER_INFO:
        return withField(
          withField(
            withField(withField(0n, 0, 15, 30 * 2 ** powerExponent), 16, 15, 10 * 2 ** powerExponent),
            32,
            15,
            40 * 2 ** powerExponent,
          ),
          48,
          6,
          0x2f,
        );
      default:
        return null;
    }
  }

  /** Writes a register; `null` when it is none of memory that can be written. */
  write(register: number, value: bigint): WriteOutcome | null {
    if (register !== registers.DRAM_POWER_LIMIT) return null;
    if ((this.#limit & lockBit) !== 0n) return "locked";
    this.#limit = value & 0x80ffffffn;
    const { isEnabled, limitWatts } = decodeLimit(this.#limit, this.#units());
    this.#limitWatts = isEnabled ? limitWatts : Infinity;
    return "done";
  }

  #units() {
    const { powerExponent, energyExponent, timeExponent } = this.#parameters;
    return decodeUnits(BigInt(powerExponent | energyExponent << 8 | timeExponent << 16));
  }
}
