import { foot, type Ladders } from "./ladder.ts";

/** What choosing a number of cores remembers. */
export interface ShrinkState {
  /** Cores that the runtime should use. */
  readonly wantedCores: number;
  /** For how long another number would have been better. */
  readonly seconds: number;
}

/** A runtime is asked no more often than this; until it follows, frequency and duty cycle hold the cap. */
const holdSeconds = 0.2;
/** Cores are taken back when there is so much more power than they need at their lowest frequency. */
const marginShare = 1.05;

/** Begins with all cores. */
export function startShrink(ladders: Ladders): ShrinkState {
  return { wantedCores: Math.max(...ladders.keys()), seconds: 0 };
}

/**
 * Chooses how many cores a runtime should use: as many as can run at their lowest frequency or above without shorter duty
 * cycles, as these cost more progress for a watt.
 *
 * @param positionWatts Where software capping stands, in nominal watts; infinite when nothing is to be saved.
 */
export function stepShrink({ wantedCores, seconds }: ShrinkState, ladders: Ladders, positionWatts: number, dtSeconds: number): ShrinkState {
  const all = [...ladders.keys()].sort((a, b) => a - b);
  const largest = (share: number) => all.findLast((cores) => foot(ladders.get(cores)!) * share <= positionWatts) ?? all[0];
  const isTooMany = largest(1) < wantedCores;
  const isTooFew = largest(marginShare) > wantedCores;
  if (!isTooMany && !isTooFew) return { wantedCores, seconds: 0 };
  if (seconds + dtSeconds < holdSeconds) return { wantedCores, seconds: seconds + dtSeconds };
  return { wantedCores: largest(isTooMany ? 1 : marginShare), seconds: 0 };
}
