import type { PackageLimits } from "../registers.ts";
import type { PackageParameters } from "./parameters.ts";

/** What the firmware sees in a tick. */
export interface FirmwareView {
  /** What the package draws. */
  readonly powerWatts: number;
  /** What it would draw one bin higher. */
  readonly nextWatts: number;
  /** Temperature of the hottest core. */
  readonly hottestCelsius: number;
  /** The highest frequency that software asks for. */
  readonly requestHz: number;
}

/** An average drawn back to its limit faster than this asks for more steps than cores can take. */
const recoverySeconds = 0.02;
const strengthMax = 20;

/**
 * What the firmware of a package does each millisecond: it keeps exponentially weighted averages of power below two limits and
 * the hottest core below PROCHOT, by one frequency for all cores, a bin at a time.
 *
 * The power that it allows at a moment is the limit and a multiple of what the average has left; with the average alone, windows
 * that are long beside the time of a frequency change would make it swing over many bins.
 */
export class Firmware {
  /** The highest frequency that cores may have. */
  limitHz: number;
  /** Whether the thermal limit is active. */
  isHot = false;
  /** Whether a power limit holds cores below what software asks for. */
  isLimiting = false;
  /** Time in which `isLimiting`. */
  limitedSeconds = 0;
  /** Time in which `isHot`. */
  hotSeconds = 0;
  readonly #averageWatts: [number, number];
  readonly #parameters: PackageParameters;

  /** Firmware of a package that has drawn `watts` so far. */
  constructor(parameters: PackageParameters, watts: number) {
    this.#parameters = parameters;
    this.limitHz = parameters.maxHz;
    this.#averageWatts = [watts, watts];
  }

  /** One tick of `seconds`. */
  tick(seconds: number, limits: PackageLimits, view: FirmwareView): void {
    const { binHz, maxHz, minHz, prochotCelsius, prochotHysteresisKelvin, raplSlope, raplOffsetWatts } = this.#parameters;
    const estimate = (watts: number) => (watts - raplOffsetWatts) / raplSlope;
    const allowedWatts = this.#allowed(seconds, limits, estimate(view.powerWatts));
    this.isHot = view.hottestCelsius > prochotCelsius - (this.isHot ? prochotHysteresisKelvin : 0);
    const floorHz = this.isHot ? minHz : this.#floor(limits, view.requestHz);
    if (this.isHot || estimate(view.powerWatts) > allowedWatts) {
      this.limitHz = Math.max(floorHz, Math.min(this.limitHz, view.requestHz) - binHz);
    } else if (this.limitHz < maxHz && estimate(view.nextWatts) < allowedWatts) this.limitHz = Math.min(maxHz, this.limitHz + binHz);
    this.limitHz = Math.max(this.limitHz, floorHz);
    this.isLimiting = !this.isHot && this.limitHz < view.requestHz;
    if (this.isLimiting) this.limitedSeconds += seconds;
    if (this.isHot) this.hotSeconds += seconds;
  }

  #allowed(seconds: number, { first, second }: PackageLimits, powerWatts: number): number {
    const { limitMinWatts, limitMaxWatts, windowMinSeconds } = this.#parameters;
    let allowedWatts = Infinity;
    [first, second].forEach(({ isEnabled, limitWatts, windowSeconds }, index) => {
      const window = Math.max(windowMinSeconds, windowSeconds);
      this.#averageWatts[index] += -Math.expm1(-seconds / window) * (powerWatts - this.#averageWatts[index]);
      if (!isEnabled) return;
      const limit = Math.min(limitMaxWatts, Math.max(limitMinWatts, limitWatts));
      const strength = Math.min(strengthMax, Math.max(1, window / recoverySeconds));
      allowedWatts = Math.min(allowedWatts, limit + strength * (limit - this.#averageWatts[index]));
    });
    return allowedWatts;
  }

  /** Without the clamp bit, a limit takes turbo away, and nothing below what software asks for. */
  #floor({ first, second }: PackageLimits, requestHz: number): number {
    const { minHz, baseHz } = this.#parameters;
    const mayClamp = first.isEnabled && first.isClamped || second.isEnabled && second.isClamped;
    return mayClamp ? minHz : Math.min(requestHz, baseHz);
  }
}
