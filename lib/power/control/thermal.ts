import type { Controller } from "./controller.ts";
import { share } from "./controller.ts";

/** How a package conducts heat: two stages, die and heat sink. */
export interface ThermalModel {
  /** From the hottest core to the sink. */
  readonly dieKelvinPerWatt: number;
  /** Heat capacity of die and spreader. */
  readonly dieJoulesPerKelvin: number;
  /** From the sink to the air. */
  readonly sinkKelvinPerWatt: number;
  /** Heat capacity of the sink. */
  readonly sinkJoulesPerKelvin: number;
}

/** What thermal control needs to know. */
export interface ThermalMeasurement {
  /** Temperature of the hottest core; `null` when the poll was missed. */
  readonly hottestCelsius: number | null;
  /** Mean power since the step before; `null` when the poll was missed. */
  readonly powerWatts: number | null;
}

/** What is wanted. */
export interface ThermalSetpoint {
  /** What the hottest core shall not exceed. */
  readonly limitCelsius: number;
}

/** What it remembers: its own picture of the package. */
export interface ThermalState {
  /** Of the die; `null` before the first measurement. */
  readonly dieCelsius: number | null;
  /** Of the heat sink. */
  readonly sinkCelsius: number;
  /** Of the air, as it seems. */
  readonly ambientCelsius: number;
  /** What the hottest core is above the model's die: a hot spot, and whatever else differs from the model. */
  readonly offsetKelvin: number;
  /** The last power measured. */
  readonly powerWatts: number;
}

/** What it answers. */
export interface ThermalSetting {
  /** The most that may be drawn from now on so that the limit is not reached within the horizon. */
  readonly ceilingWatts: number;
  /** Where the hottest core would be at the horizon if the power stayed as it is. */
  readonly predictedCelsius: number;
}

/** A prediction steps by so much: short beside the time constant of the die. */
const stepSeconds = 0.25;
/** How fast the offset follows the sensor. */
const followSeconds = 1.5;
/** How fast the air is found out, from how much faster than predicted the package gets warm. */
const airSeconds = 20;
/** Sensors cut off what is less than a degree. */
const cutKelvin = 0.5;

/**
 * Predicts the temperature of the hottest core by the two-stage model, and by what the sensor says beyond it, and answers how much
 * power the limit leaves room for: a ceiling before the hardware throttles, and no lower than needed.
 *
 * @param horizonSeconds How far it looks ahead; a few time constants of the die.
 */
export function thermalControl(
  model: ThermalModel,
  horizonSeconds = 5,
): Controller<ThermalState, ThermalMeasurement, ThermalSetpoint, ThermalSetting> {
  const sinkSeconds = model.sinkKelvinPerWatt * model.sinkJoulesPerKelvin;
  const rise = predict(model, { dieCelsius: 0, sinkCelsius: 0, ambientCelsius: 0 }, 1, horizonSeconds);
  return {
    start: () => ({ dieCelsius: null, sinkCelsius: 0, ambientCelsius: 0, offsetKelvin: 0, powerWatts: 0 }),
    step(state, { hottestCelsius, powerWatts: measuredWatts }, { limitCelsius }, dtSeconds) {
      const powerWatts = measuredWatts ?? state.powerWatts;
      if (state.dieCelsius === null) {
        if (hottestCelsius === null) return { state: { ...state, powerWatts }, setting: { ceilingWatts: Infinity, predictedCelsius: NaN } };
        return answer(steady(model, hottestCelsius + cutKelvin, powerWatts), 0, powerWatts, limitCelsius);
      }
      const seen = advance(model, { ...state, dieCelsius: state.dieCelsius }, powerWatts, dtSeconds);
      const differs = hottestCelsius === null ? 0 : hottestCelsius + cutKelvin - seen.dieCelsius - state.offsetKelvin;
      // An air that is e K warmer than thought makes the sensor run away by e / sinkSeconds, followSeconds ahead of the offset.
      const airKelvin = share(dtSeconds, airSeconds) * differs * sinkSeconds / followSeconds;
      const corrected = { ...seen, ambientCelsius: seen.ambientCelsius + airKelvin };
      return answer(corrected, state.offsetKelvin + share(dtSeconds, followSeconds) * differs, powerWatts, limitCelsius);
    },
  };

  function answer(seen: Temperatures, offsetKelvin: number, powerWatts: number, limitCelsius: number) {
    const without = predict(model, seen, 0, horizonSeconds) + offsetKelvin;
    const setting = { ceilingWatts: Math.max(0, (limitCelsius - without) / rise), predictedCelsius: without + rise * powerWatts };
    return { state: { ...seen, offsetKelvin, powerWatts }, setting };
  }
}

/** Temperatures of the model. */
interface Temperatures {
  readonly dieCelsius: number;
  readonly sinkCelsius: number;
  readonly ambientCelsius: number;
}

/** What the first measurement would be at the end of a long time. */
function steady({ dieKelvinPerWatt, sinkKelvinPerWatt }: ThermalModel, dieCelsius: number, watts: number): Temperatures {
  const sinkCelsius = dieCelsius - dieKelvinPerWatt * watts;
  return { dieCelsius, sinkCelsius, ambientCelsius: sinkCelsius - sinkKelvinPerWatt * watts };
}

function predict(model: ThermalModel, from: Temperatures, watts: number, seconds: number): number {
  return advance(model, from, watts, seconds).dieCelsius;
}

function advance(model: ThermalModel, from: Temperatures, watts: number, seconds: number): Temperatures {
  const { dieKelvinPerWatt, dieJoulesPerKelvin, sinkKelvinPerWatt, sinkJoulesPerKelvin } = model;
  const count = Math.max(1, Math.ceil(seconds / stepSeconds));
  const [ambientCelsius, dt] = [from.ambientCelsius, seconds / count];
  let { dieCelsius, sinkCelsius } = from;
  for (let step = 0; step < count; step++) {
    const through = (dieCelsius - sinkCelsius) / dieKelvinPerWatt;
    dieCelsius += dt * (watts - through) / dieJoulesPerKelvin;
    sinkCelsius += dt * (through - (sinkCelsius - ambientCelsius) / sinkKelvinPerWatt) / sinkJoulesPerKelvin;
  }
  return { dieCelsius, sinkCelsius, ambientCelsius };
}
