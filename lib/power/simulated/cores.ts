import { field } from "../registers.ts";
import { coreWatts, leakageFactor } from "./electrical.ts";
import type { PackageParameters } from "./parameters.ts";
import { registers, type WriteOutcome } from "./registers.ts";
import type { Heat } from "./thermal.ts";
import type { Phase } from "./workload.ts";

/** What the cores draw in a tick. */
export interface CoresLoad {
  /** The package. */
  readonly watts: number;
  /** The package, if the firmware allowed one bin more. */
  readonly nextWatts: number;
  /** The cores alone. */
  readonly coresWatts: number;
}

/** One core as software sees it. */
interface Core {
  perfControl: bigint;
  hwpRequest: bigint;
  clockModulation: bigint;
  mperf: number;
  aperf: number;
  frequencyHz: number;
  /** What the first two registers ask for. */
  ceilingHz: number;
  /** What the third one leaves of the clock. */
  duty: number;
}

/** The cores of a package: what they are asked for, what they run, and their counters. */
export class Cores {
  /** What each core draws. */
  readonly watts: Float64Array;
  readonly #parameters: PackageParameters;
  readonly #cores: Core[];
  #placement: number[];
  #threadOf: Int32Array;

  /** Cores with the first threads on the first of them. */
  constructor(parameters: PackageParameters, threadCount: number) {
    const { coreCount, maxHz, minHz } = parameters;
    const [low, high] = [BigInt(Math.round(minHz / 1e8)), BigInt(Math.round(maxHz / 1e8))];
    this.#parameters = parameters;
    this.watts = new Float64Array(coreCount);
    this.#cores = Array.from({ length: coreCount }, () => ({
      perfControl: high << 8n,
      hwpRequest: 0x80n << 24n | high << 8n | low,
      clockModulation: 0n,
      mperf: 0,
      aperf: 0,
      frequencyHz: maxHz,
      ceilingHz: maxHz,
      duty: 1,
    }));
    this.#placement = [];
    this.#threadOf = new Int32Array(coreCount).fill(-1);
    this.place(Array.from({ length: Math.min(threadCount, coreCount) }, (_, core) => core));
  }

  /** Whether there is a core of that number. */
  has(core: number): boolean {
    return Number.isInteger(core) && core >= 0 && core < this.#cores.length;
  }

  /** See {@link SimulatedPackage.place}. */
  place(cores: readonly number[]): void {
    this.#placement = [...new Set(cores)].filter((core) => this.has(core));
    this.#threadOf = new Int32Array(this.#cores.length).fill(-1);
    this.#placement.forEach((core, thread) => this.#threadOf[core] = thread);
  }

  /** The cores with threads, in the order of the threads. */
  get placement(): readonly number[] {
    return this.#placement;
  }

  /** The highest frequency that software asks for on a busy core. */
  get requestHz(): number {
    return this.#placement.reduce((most, core) => Math.max(most, this.#cores[core].ceilingHz), this.#parameters.minHz);
  }

  /** Frequency of the fastest busy core. */
  get fastestHz(): number {
    return this.#placement.reduce((most, core) => Math.max(most, this.#cores[core].frequencyHz), 0);
  }

  /** Sets frequencies for a tick; tells what is drawn. */
  load(phase: Phase, threads: readonly number[], heat: Heat, limitHz: number): CoresLoad {
    const { uncoreWatts, binHz } = this.#parameters;
    let [coresWatts, nextWatts] = [0, uncoreWatts];
    for (let index = 0; index < this.#cores.length; index++) {
      const core = this.#cores[index];
      const thread = this.#threadOf[index];
      const activity = thread < 0 ? 0 : phase.activity * (threads[thread % threads.length] ?? 1);
      const load = { isBusy: thread >= 0, activity, duty: core.duty };
      core.frequencyHz = Math.min(core.ceilingHz, limitHz);
      const leakage = leakageFactor(this.#parameters, heat.coreCelsius(index));
      this.watts[index] = coreWatts(this.#parameters, load, core.frequencyHz, leakage);
      coresWatts += this.watts[index];
      const nextHz = Math.min(core.ceilingHz, limitHz + binHz);
      nextWatts += nextHz === core.frequencyHz ? this.watts[index] : coreWatts(this.#parameters, load, nextHz, leakage);
    }
    return { watts: uncoreWatts + coresWatts, nextWatts, coresWatts };
  }

  /** Adds a tick to the counters of busy cores. */
  count(seconds: number): void {
    for (const core of this.#placement) {
      const one = this.#cores[core];
      one.mperf += seconds * this.#parameters.baseHz;
      one.aperf += seconds * one.frequencyHz * one.duty;
    }
  }

  /** Frequency of each busy core less what modulation takes. */
  effectiveHz(): number[] {
    return this.#placement.map((core) => this.#cores[core].frequencyHz * this.#cores[core].duty);
  }

  /** A register of a core; `null` when it is none. */
  read(index: number, register: number): bigint | null {
    const core = this.#cores[index];
    switch (register) {
      case registers.MPERF:
        return BigInt(Math.floor(core.mperf));
      case registers.APERF:
        return BigInt(Math.floor(core.aperf));
      case registers.PERF_STATUS:
        return BigInt(Math.round(core.frequencyHz / 1e8)) << 8n;
      case registers.PERF_CTL:
        return core.perfControl;
      case registers.CLOCK_MODULATION:
        return core.clockModulation;
      case registers.HWP_REQUEST:
        return core.hwpRequest;
      default:
        return null;
    }
  }

  /** Writes a register; `null` when it is none of a core that can be written. */
  write(index: number, register: number, value: bigint): WriteOutcome | null {
    const core = this.#cores[index];
    switch (register) {
      case registers.PERF_CTL:
        core.perfControl = value;
        core.ceilingHz = this.#ceilingHz(core);
        return "done";
      case registers.HWP_REQUEST:
        core.hwpRequest = value;
        core.ceilingHz = this.#ceilingHz(core);
        return "done";
      case registers.CLOCK_MODULATION:
        if (value > 0x1fn) return "invalid value";
        core.clockModulation = value;
        core.duty = dutyOf(value);
        return "done";
      case registers.MPERF:
        core.mperf = Number(value);
        return "done";
      case registers.APERF:
        core.aperf = Number(value);
        return "done";
      default:
        return null;
    }
  }

  /** The lower one of what PERF_CTL and HWP_REQUEST ask for; a ratio of 0 asks for nothing. */
  #ceilingHz({ perfControl, hwpRequest }: Core): number {
    const { minHz, maxHz } = this.#parameters;
    const asked = [field(perfControl, 8, 8), field(hwpRequest, 8, 8)].filter((ratio) => ratio > 0).map((ratio) => ratio * 1e8);
    return Math.max(minHz, Math.min(maxHz, ...asked));
  }
}

/** Bit 4 switches modulation on; bits 3:0 are the sixteenths, of which 0 is reserved. */
function dutyOf(clockModulation: bigint): number {
  const sixteenths = Number(clockModulation & 0xfn);
  return (clockModulation & 0x10n) === 0n || sixteenths === 0 ? 1 : sixteenths / 16;
}
