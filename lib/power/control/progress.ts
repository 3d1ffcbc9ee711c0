import { clamp, type Controller } from "./controller.ts";
import { UsageError } from "../../errors.ts";

/** How progress depends on the cap: power is `slope * cap + offset`, progress `fastest (1 - e^(-saturation (power - idle)))`. */
export interface ProgressModel {
  /** Watts drawn for each watt of cap. */
  readonly slope: number;
  /** Watts drawn at a cap of 0. */
  readonly offsetWatts: number;
  /** How soon more power stops to help. */
  readonly saturationPerWatt: number;
  /** Power at which nothing gets done. */
  readonly idleWatts: number;
  /** Progress with power without end. */
  readonly fastestHz: number;
  /** Time constant of the answer to a cap. */
  readonly lagSeconds: number;
}

/** Three clusters of one, two and four packages, as identified by the Argo project for the STREAM benchmark (arXiv 2107.02426). */
export const identifiedModels = {
  gros: { slope: 0.83, offsetWatts: 7.07, saturationPerWatt: 0.047, idleWatts: 28.5, fastestHz: 25.6, lagSeconds: 1 / 3 },
  dahu: { slope: 0.94, offsetWatts: 0.17, saturationPerWatt: 0.032, idleWatts: 34.8, fastestHz: 42.4, lagSeconds: 1 / 3 },
  yeti: { slope: 0.89, offsetWatts: 2.91, saturationPerWatt: 0.023, idleWatts: 33.7, fastestHz: 78.5, lagSeconds: 1 / 3 },
} as const satisfies Record<string, ProgressModel>;

/**
 * What is taken for known of a program of which nothing is but its progress at a cap: it gains by more power, and the less the more
 * it has. Whether it waits for memory nearly all of the time or never, feedback with these gains finds its place.
 */
export function usualModel(hz: number, capWatts: number): ProgressModel {
  const saturation = 1.2;
  return {
    slope: 1,
    offsetWatts: 0,
    saturationPerWatt: saturation / capWatts,
    idleWatts: 0,
    fastestHz: hz / -Math.expm1(-saturation),
    lagSeconds: 1 / 3,
  };
}

/** The median of what heartbeats come per second; `null` with fewer than two, or when all came at once. */
export function progressHz(heartbeatSeconds: readonly number[]): number | null {
  const rates: number[] = [];
  for (let index = 1; index < heartbeatSeconds.length; index++) {
    const seconds = heartbeatSeconds[index] - heartbeatSeconds[index - 1];
    if (seconds > 0) rates.push(1 / seconds);
  }
  if (rates.length === 0) return null;
  rates.sort((a, b) => a - b);
  const middle = rates.length >> 1;
  return rates.length % 2 === 1 ? rates[middle] : (rates[middle - 1] + rates[middle]) / 2;
}

/** Progress at a cap, after some time. */
export function expectedHz(model: ProgressModel, capWatts: number): number {
  return model.fastestHz * (1 + linear(model, capWatts));
}

/** What decides about the progress: a quantity from -infinity to 0 in which progress is linear. */
function linear({ slope, offsetWatts, saturationPerWatt, idleWatts }: ProgressModel, capWatts: number): number {
  return -Math.exp(-saturationPerWatt * (slope * capWatts + offsetWatts - idleWatts));
}

function capOf({ slope, offsetWatts, saturationPerWatt, idleWatts }: ProgressModel, position: number): number {
  return (idleWatts - offsetWatts - Math.log(-position) / saturationPerWatt) / slope;
}

/** What is remembered. */
export interface ProgressState {
  /** The cap in the quantity in which progress is linear. */
  readonly position: number;
  /** The last difference. */
  readonly errorHz: number;
}

/** How a progress controller is set up. */
export interface ProgressTuning {
  /** The model of the program on this machine. */
  readonly model: ProgressModel;
  /** The least cap. */
  readonly capMinWatts: number;
  /** The highest cap. */
  readonly capMaxWatts: number;
  /** Time until the wanted progress is reached. */
  readonly responseSeconds: number;
}

/**
 * Finds the least cap at which a program makes the wanted progress: PI on the linearised plant with gains by pole placement,
 * Kp = lag / (gain * response / 3) and Ki = 1 / (gain * response / 3), clamped to the range of caps so that it does not wind up.
 *
 * @returns A controller from progress in Hz (`null` when unknown) and wanted progress in Hz to a cap in watts.
 * @throws {UsageError} If the range of caps is none.
 */
export function progressControl(tuning: ProgressTuning): Controller<ProgressState, number | null, number, number> {
  const { model, capMinWatts, capMaxWatts, responseSeconds } = tuning;
  if (!(capMinWatts < capMaxWatts && responseSeconds > 0)) {
    throw new UsageError(`Cannot control progress by caps from ${capMinWatts} W to ${capMaxWatts} W in ${responseSeconds} s`, {
      remedy: "Give a lower and a higher cap, and a time above 0 s",
    });
  }
  const [low, high] = [linear(model, capMinWatts), linear(model, capMaxWatts)];
  const integral = 3 / (model.fastestHz * responseSeconds);
  return {
    start: () => ({ position: high, errorHz: 0 }),
    step(state, measuredHz, wantedHz, dtSeconds) {
      const errorHz = measuredHz === null ? state.errorHz : wantedHz - measuredHz;
      const moved = measuredHz === null ? 0 : integral * (dtSeconds * errorHz + model.lagSeconds * (errorHz - state.errorHz));
      const position = clamp(state.position + moved, low, high);
      return { state: { position, errorHz }, setting: clamp(capOf(model, position), capMinWatts, capMaxWatts) };
    },
  };
}
