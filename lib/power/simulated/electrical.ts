import type { PackageParameters } from "./parameters.ts";

/** What a core does at this moment. */
export interface CoreLoad {
  /** Whether a thread runs on it. */
  readonly isBusy: boolean;
  /** Its switching activity; 0 without a thread. */
  readonly activity: number;
  /** Share of the clock that modulation leaves. */
  readonly duty: number;
}

/** Voltage at a frequency. */
export function voltsAt({ voltsMin, voltsPerHz, minHz }: PackageParameters, frequencyHz: number): number {
  return voltsMin + voltsPerHz * (frequencyHz - minHz);
}

/** Leakage at a temperature beside the one at the reference temperature. */
export function leakageFactor({ leakagePerKelvin, referenceCelsius }: PackageParameters, celsius: number): number {
  return Math.exp(leakagePerKelvin * (celsius - referenceCelsius));
}

/**
 * Power of one core: leakage, which grows with voltage and temperature, and switching, activity times V^2 f.
 *
 * @param leakage See {@link leakageFactor}.
 */
export function coreWatts(parameters: PackageParameters, load: CoreLoad, frequencyHz: number, leakage: number): number {
  const { coreCount, baseHz, staticWatts, staticFactor, dynamicWatts, dynamicFactor, parkedShare } = parameters;
  const volts = voltsAt(parameters, frequencyHz) / voltsAt(parameters, baseHz);
  const leakedWatts = staticFactor * staticWatts / coreCount * volts * leakage;
  if (!load.isBusy) return leakedWatts * parkedShare;
  return leakedWatts + dynamicFactor * load.activity * load.duty * dynamicWatts / coreCount * volts * volts * frequencyHz / baseHz;
}
