import { clamp, type Controller } from "./controller.ts";

/** What trimming needs to know. */
export interface TrimMeasurement {
  /** Mean power since the step before; `null` when the poll was missed. */
  readonly powerWatts: number | null;
  /** Whether the hardware holds cores back because of the limit. */
  readonly isLimiting: boolean;
}

/** What is wanted. */
export interface TrimSetpoint {
  /** The power to be drawn. */
  readonly targetWatts: number;
  /** The time over which its mean counts. */
  readonly windowSeconds: number;
}

/** What trimming remembers. */
export interface TrimState {
  /** The last target. */
  readonly targetWatts: number | null;
  /** Limit to be set for each watt to be drawn. */
  readonly ratio: number;
  /** How long to wait until the hardware has answered the last target, or the last correction. */
  readonly waitSeconds: number;
  /** Energy above the target, since the last correction. */
  readonly excessJoules: number;
  /** Time since the last correction. */
  readonly sinceSeconds: number;
  /** Corrections since the last new target. */
  readonly corrections: number;
}

/** Shares of the window: how long the hardware has to answer a correction, and for how long is measured after that. */
const [answerShare, measureShare] = [0.15, 0.3];
/** Hardware that is further off than this is not trimmed but broken. */
const [ratioMin, ratioMax] = [0.75, 1.3];
/** A counter is refreshed each millisecond, more or less: over less than this, that is more than a percent of the power. */
const shortestSeconds = 0.08;
/** A counter that was refreshed late errs by less than this. What may be its error is corrected bit by bit, what is beyond it at once. */
const lateSeconds = 0.0011;
const [largeGain, doubtfulGain, smallGain] = [1.1, 0.25, 0.15];
/** Later errors are not the hardware's, whose answer to a limit does not change; nor are those of windows too short to be measured. */
const fastCorrections = 3;

/**
 * Finds the limit under which hardware draws what is wanted: real parts draw `a limit + b`, with `a` from 0.83 to 0.94.
 *
 * It corrects a few times within each window by the mean error since, and only while the limit is what holds the cores back: a program that
 * draws little teaches nothing.
 */
export const trimming: Controller<TrimState, TrimMeasurement, TrimSetpoint, number> = {
  start: () => ({ targetWatts: null, ratio: 1, waitSeconds: 0, excessJoules: 0, sinceSeconds: 0, corrections: 0 }),
  step(state, { powerWatts, isLimiting }, { targetWatts, windowSeconds }, dtSeconds) {
    const isNew = state.targetWatts === null || Math.abs(targetWatts / state.targetWatts - 1) > 0.01;
    const waitSeconds = isNew ? 0.85 * windowSeconds : Math.max(0, state.waitSeconds - dtSeconds);
    const isTaught = powerWatts !== null && (isLimiting || powerWatts > targetWatts);
    const corrections = isNew ? 0 : state.corrections;
    if (isNew || waitSeconds > 0 || !isTaught) {
      return answer({ ...state, targetWatts, waitSeconds, excessJoules: 0, sinceSeconds: 0, corrections });
    }
    const excessJoules = state.excessJoules + (powerWatts - targetWatts) * dtSeconds;
    const sinceSeconds = state.sinceSeconds + dtSeconds;
    const next = { ...state, targetWatts, waitSeconds, excessJoules, sinceSeconds };
    if (sinceSeconds < Math.max(shortestSeconds, measureShare * windowSeconds)) return answer(next);
    const excessShare = excessJoules / sinceSeconds / targetWatts;
    const isFast = windowSeconds >= shortestSeconds && corrections < fastCorrections;
    const lateShare = isFast ? lateSeconds / sinceSeconds : Infinity;
    const doubtful = clamp(excessShare, -lateShare, lateShare);
    const correction = largeGain * (excessShare - doubtful) + (isFast ? doubtfulGain : smallGain) * doubtful;
    const ratio = clamp(state.ratio - correction, ratioMin, ratioMax);
    return answer({
      ...next,
      ratio,
      waitSeconds: answerShare * windowSeconds,
      excessJoules: 0,
      sinceSeconds: 0,
      corrections: corrections + 1,
    });
  },
};

function answer(state: TrimState): { state: TrimState; setting: number } {
  return { state, setting: (state.targetWatts ?? 0) * state.ratio };
}
