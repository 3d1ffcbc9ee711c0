import type { PackageParameters } from "./parameters.ts";

/** Temperatures of a package: die and heat sink as two stages, and what each core is above the die. */
export class Heat {
  /** Mean of the die. */
  dieCelsius: number;
  /** Of the heat sink. */
  sinkCelsius: number;
  /** Of each core above the die. */
  readonly #aboveKelvin: Float64Array;
  /** Of each core, as its sensor lags behind. */
  readonly #sensedCelsius: Float64Array;

  /** A package that has drawn `watts` for long. */
  constructor({ coreCount, ambientCelsius, sinkKelvinPerWatt, dieKelvinPerWatt }: PackageParameters, watts: number) {
    this.sinkCelsius = ambientCelsius + sinkKelvinPerWatt * watts;
    this.dieCelsius = this.sinkCelsius + dieKelvinPerWatt * watts;
    this.#aboveKelvin = new Float64Array(coreCount);
    this.#sensedCelsius = new Float64Array(coreCount).fill(this.dieCelsius);
  }

  /** Temperature of a core. */
  coreCelsius(core: number): number {
    return this.dieCelsius + this.#aboveKelvin[core];
  }

  /** Temperature of the hottest core. */
  get hottestCelsius(): number {
    return this.dieCelsius + this.#aboveKelvin.reduce((most, kelvin) => Math.max(most, kelvin), -Infinity);
  }

  /** What the sensor of a core says, in whole degrees. */
  sensedCelsius(core: number): number {
    return Math.floor(this.#sensedCelsius[core]);
  }

  /** What the sensor of the package says: the hottest of its cores. */
  get sensedHottestCelsius(): number {
    return Math.floor(this.#sensedCelsius.reduce((most, celsius) => Math.max(most, celsius), -Infinity));
  }

  /** Goes on by `seconds`, short beside all time constants, while each core draws `coreWatts` and all together `watts`. */
  step(parameters: PackageParameters, seconds: number, ambientCelsius: number, watts: number, coreWatts: Float64Array): void {
    const { dieKelvinPerWatt, dieJoulesPerKelvin, sinkKelvinPerWatt, sinkJoulesPerKelvin } = parameters;
    const throughWatts = (this.dieCelsius - this.sinkCelsius) / dieKelvinPerWatt;
    const outWatts = (this.sinkCelsius - ambientCelsius) / sinkKelvinPerWatt;
    this.dieCelsius += seconds * (watts - throughWatts) / dieJoulesPerKelvin;
    this.sinkCelsius += seconds * (throughWatts - outWatts) / sinkJoulesPerKelvin;
    this.#stepCores(parameters, seconds, coreWatts);
  }

  #stepCores({ coreKelvinPerWatt, coreSeconds, neighbourShare, sensorSeconds }: PackageParameters, seconds: number, watts: Float64Array) {
    const count = watts.length;
    let mean = 0;
    for (let core = 0; core < count; core++) mean += watts[core] / count;
    for (let core = 0; core < count; core++) {
      const [before, after] = [watts[core > 0 ? core - 1 : 1] ?? mean, watts[core < count - 1 ? core + 1 : count - 2] ?? mean];
      const spread = (1 - neighbourShare) * watts[core] + neighbourShare * (before + after) / 2;
      this.#aboveKelvin[core] += seconds / coreSeconds * (coreKelvinPerWatt * (spread - mean) - this.#aboveKelvin[core]);
      this.#sensedCelsius[core] += seconds / sensorSeconds * (this.coreCelsius(core) - this.#sensedCelsius[core]);
    }
  }
}
