import type { ThermalModel } from "../control/thermal.ts";

/** What is taken for known of a package before it is measured: that of a typical part. What this one is like, feedback finds out. */
export interface TypicalPart {
  /** Power for which it is made. */
  readonly tdpWatts: number;
  /** Its nominal frequency. */
  readonly baseHz: number;
  /** The distance of two frequencies. */
  readonly binHz: number;
  /** Power with all cores busy at the nominal frequency. */
  readonly baseWatts: number;
  /** The part of it that no core draws. */
  readonly uncoreWatts: number;
  /** The part of it that cores draw at any frequency. */
  readonly staticWatts: number;
  /** How it conducts heat. */
  readonly thermal: ThermalModel;
  /** How much hotter a core is for each watt that a thread takes to it. */
  readonly coreKelvinPerWatt: number;
}

/** A server part of 205 W and 16 cores: the one of the simulated package. */
const reference = { tdpWatts: 205, coreCount: 16, uncoreWatts: 22, staticWatts: 35, dynamicWatts: 100 };
/** Where the nominal frequency is between the lowest and the highest. */
const baseShare = 7 / 11;
/** The step of frequencies of x86 processors. */
const binHz = 1e8;

/** A typical part of a size: its powers are shares of its design power, and its cooling is made for that. */
export function typicalPart(tdpWatts: number, coreCount: number, minHz: number, maxHz: number): TypicalPart {
  const share = tdpWatts / reference.tdpWatts;
  const { uncoreWatts, staticWatts, dynamicWatts } = reference;
  return {
    tdpWatts,
    baseHz: Math.round((minHz + baseShare * (maxHz - minHz)) / binHz) * binHz,
    binHz,
    baseWatts: share * (uncoreWatts + staticWatts + dynamicWatts),
    uncoreWatts: share * uncoreWatts,
    staticWatts: share * staticWatts,
    thermal: {
      dieKelvinPerWatt: 0.12 / share,
      dieJoulesPerKelvin: 12 * share,
      sinkKelvinPerWatt: 0.12 / share,
      sinkJoulesPerKelvin: 140.4 * share,
    },
    // A core's neighbours take half of what more it draws.
    coreKelvinPerWatt: 0.5 * (coreCount / reference.coreCount) / share,
  };
}

/** The design power of a package of which nothing is known but its cores. */
export function guessTdpWatts(coreCount: number): number {
  return reference.tdpWatts / reference.coreCount * Math.max(coreCount, 4);
}
