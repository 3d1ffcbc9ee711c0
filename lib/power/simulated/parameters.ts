/** What memory beside a package draws. */
export interface DramParameters {
  /** Without traffic. */
  readonly idleWatts: number;
  /** For each 10^9 bytes per second. */
  readonly wattsPerGigabyte: number;
  /** Energy unit of its counter: 2^-n J. */
  readonly energyExponent: number;
}

/** A package: electrical, thermal, and what its firmware does. */
export interface PackageParameters {
  /** Cores, one CPU each. */
  readonly coreCount: number;
  /** The lowest frequency. */
  readonly minHz: number;
  /** The nominal frequency. */
  readonly baseHz: number;
  /** The highest turbo frequency. */
  readonly maxHz: number;
  /** The distance of two frequencies. */
  readonly binHz: number;
  /** Voltage at the lowest frequency. */
  readonly voltsMin: number;
  /** What each Hz above it adds. */
  readonly voltsPerHz: number;
  /** Power of everything that is not a core. */
  readonly uncoreWatts: number;
  /** Leakage of all cores at the nominal voltage and the reference temperature. */
  readonly staticWatts: number;
  /** Switching power of all cores at the nominal frequency with activity 1. */
  readonly dynamicWatts: number;
  /** Leakage grows by e for each 1/x kelvin. */
  readonly leakagePerKelvin: number;
  /** Temperature that `staticWatts` is given for. */
  readonly referenceCelsius: number;
  /** Share of its leakage that a core without a thread keeps. */
  readonly parkedShare: number;
  /** This part beside a typical one: factor of the switching power. */
  readonly dynamicFactor: number;
  /** This part beside a typical one: factor of the leakage. */
  readonly staticFactor: number;
  /** From die to heat sink. */
  readonly dieKelvinPerWatt: number;
  /** Heat capacity of die and spreader. */
  readonly dieJoulesPerKelvin: number;
  /** From heat sink to air. */
  readonly sinkKelvinPerWatt: number;
  /** Heat capacity of the sink. */
  readonly sinkJoulesPerKelvin: number;
  /** How much hotter than the die a core is for each watt above the mean core. */
  readonly coreKelvinPerWatt: number;
  /** Time constant of that difference. */
  readonly coreSeconds: number;
  /** Share of a core's heat that goes to its two neighbours. */
  readonly neighbourShare: number;
  /** Temperature of the air. */
  readonly ambientCelsius: number;
  /** Where the firmware throttles; TjMax. */
  readonly prochotCelsius: number;
  /** How far the temperature has to fall before it stops to throttle. */
  readonly prochotHysteresisKelvin: number;
  /** Time constant of temperature sensors. */
  readonly sensorSeconds: number;
  /** Thermal design power, and the limit after a reset. */
  readonly tdpWatts: number;
  /** The least limit that the firmware enforces. */
  readonly limitMinWatts: number;
  /** The highest one. */
  readonly limitMaxWatts: number;
  /** The shortest window that the firmware honours. */
  readonly windowMinSeconds: number;
  /** What is drawn under a limit: `raplSlope * limit + raplOffsetWatts`. */
  readonly raplSlope: number;
  /** See {@link PackageParameters.raplSlope}. */
  readonly raplOffsetWatts: number;
  /** Power unit: 2^-n W. */
  readonly powerExponent: number;
  /** Energy unit: 2^-n J. */
  readonly energyExponent: number;
  /** Time unit: 2^-n s. */
  readonly timeExponent: number;
  /** Memory beside it. */
  readonly dram: DramParameters;
}

/**
 * A server part of the Xeon class: 160 W at 2.4 GHz, TDP 205 W.
 *
 * Unit fields of RAPL are the usual 0xA0E03; the heat sink has the capacity that HotSpot takes by default; the rest is fitted to
 * time constants of about 1.4 s (die) and 17 s (sink), and a spread of power between parts of 3.7 %.
 */
export const serverPackage: PackageParameters = {
  coreCount: 16,
  minHz: 1.0e9,
  baseHz: 2.4e9,
  maxHz: 3.2e9,
  binHz: 1e8,
  voltsMin: 0.70,
  voltsPerHz: 0.125e-9,
  uncoreWatts: 22,
  staticWatts: 35,
  dynamicWatts: 100,
  leakagePerKelvin: 0.011,
  referenceCelsius: 60,
  parkedShare: 0.1,
  dynamicFactor: 1,
  staticFactor: 1,
  dieKelvinPerWatt: 0.12,
  dieJoulesPerKelvin: 12,
  sinkKelvinPerWatt: 0.12,
  sinkJoulesPerKelvin: 140.4,
  coreKelvinPerWatt: 1.0,
  coreSeconds: 0.05,
  neighbourShare: 0.3,
  ambientCelsius: 30,
  prochotCelsius: 96,
  prochotHysteresisKelvin: 1,
  sensorSeconds: 0.05,
  tdpWatts: 205,
  limitMinWatts: 60,
  limitMaxWatts: 410,
  windowMinSeconds: 0.0024,
  raplSlope: 1,
  raplOffsetWatts: 0,
  powerExponent: 3,
  energyExponent: 14,
  timeExponent: 10,
  dram: { idleWatts: 8, wattsPerGigabyte: 0.15, energyExponent: 16 },
};
