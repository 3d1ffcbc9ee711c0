import type { GovernorRecord } from "../../lib/power/governor/governor.ts";

/** How a cap was kept on one package. */
export interface CapSummary {
  /** Which package. */
  readonly package: number;
  /** The cap. */
  readonly capWatts: number;
  /** Mean of the whole time. */
  readonly meanWatts: number | null;
  /** Mean of the window with the highest one, once there was time to settle; `null` when it was over before. */
  readonly worstWindowWatts: number | null;
  /** How long the mean of the window before was more than 2 % above the cap, once there was time to settle. */
  readonly aboveSeconds: number;
  /** The highest temperature of a core. */
  readonly hottestCelsius: number | null;
  /** The share of the time that each had in capping. */
  readonly hardwareShare: number;
  /** The lowest ceiling of frequencies that was set. */
  readonly frequencyMinHz: number;
  /** The shortest duty cycle that was set, as a share. */
  readonly dutyMinShare: number;
  /** The fewest cores that were used. */
  readonly activeCoresMin: number;
  /** The most cores that were used. */
  readonly activeCoresMax: number;
  /** Mean of the last window. */
  readonly lastWindowWatts: number;
  /** Whether nothing that can be set would bring it below the cap: it was above for most of the time. */
  readonly isOutOfReach: boolean;
}

/** A cap counts as kept up to here. */
const toleranceShare = 0.02;
/** So many windows a controller has to settle. */
const settleWindows = 3;

/** A moment, and the energy until then. */
interface Mark {
  readonly seconds: number;
  readonly joules: number;
}

/** Sums up what a governor reports of one package, step by step. */
export class CapTally {
  readonly #windowSeconds: number;
  /** Those of the last window, and one before. */
  readonly #marks: Mark[] = [{ seconds: 0, joules: 0 }];
  #last: GovernorRecord | null = null;
  #measuredSeconds = 0;
  #worst: number | null = null;
  #above = 0;
  #byHardware = 0;
  #hottest: number | null = null;
  #frequencyMin = Infinity;
  #dutyMin = Infinity;
  #coresMin = Infinity;
  #coresMax = 0;

  /** Nothing yet. */
  constructor(windowSeconds: number) {
    this.#windowSeconds = windowSeconds;
  }

  /** Takes the record of a step. */
  add(record: GovernorRecord): void {
    const { seconds, powerWatts, capWatts } = record;
    const passed = seconds - (this.#last?.seconds ?? 0);
    this.#last = record;
    this.#byHardware += record.by === "hardware" ? passed : 0;
    this.#frequencyMin = Math.min(this.#frequencyMin, record.frequencyHz);
    this.#dutyMin = Math.min(this.#dutyMin, record.dutySixteenths / 16);
    this.#coresMin = Math.min(this.#coresMin, record.activeCores);
    this.#coresMax = Math.max(this.#coresMax, record.activeCores);
    if (record.hottestCelsius !== null) this.#hottest = Math.max(this.#hottest ?? -Infinity, record.hottestCelsius);
    // Of a step that could not be measured it is taken that all went on as it was.
    const watts = powerWatts ?? this.#watts(capWatts);
    if (powerWatts !== null) this.#measuredSeconds += passed;
    this.#marks.push({ seconds, joules: this.#marks.at(-1)!.joules + watts * passed });
    while (this.#marks.length > 2 && this.#marks[1].seconds <= seconds - this.#windowSeconds) this.#marks.shift();
    if (seconds < settleWindows * this.#windowSeconds) return;
    const mean = this.#watts(capWatts);
    this.#worst = Math.max(this.#worst ?? -Infinity, mean);
    if (mean > capWatts * (1 + toleranceShare)) this.#above += passed;
  }

  /** Mean of the last window. */
  #watts(otherwise: number): number {
    const [first, last] = [this.#marks[0], this.#marks.at(-1)!];
    return last.seconds > first.seconds ? (last.joules - first.joules) / (last.seconds - first.seconds) : otherwise;
  }

  /**
   * What came of it.
   *
   * @param meanWatts Mean of the whole time as a counter of energy has it; `null` without one.
   */
  summary(meanWatts: number | null): CapSummary | null {
    const last = this.#last;
    if (last === null) return null;
    const ownMean = this.#measuredSeconds > 0 ? this.#marks.at(-1)!.joules / last.seconds : null;
    return {
      package: last.package,
      capWatts: last.capWatts,
      meanWatts: meanWatts ?? ownMean,
      worstWindowWatts: ownMean === null ? null : this.#worst,
      aboveSeconds: this.#above,
      hottestCelsius: this.#hottest,
      hardwareShare: last.seconds > 0 ? this.#byHardware / last.seconds : Number(last.by === "hardware"),
      frequencyMinHz: this.#frequencyMin,
      dutyMinShare: this.#dutyMin,
      activeCoresMin: this.#coresMin,
      activeCoresMax: this.#coresMax,
      lastWindowWatts: this.#watts(last.capWatts),
      isOutOfReach: this.#above > 0 && this.#above > (last.seconds - settleWindows * this.#windowSeconds) / 2,
    };
  }
}
