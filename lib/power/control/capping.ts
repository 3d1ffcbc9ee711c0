import { clamp, type Controller, share } from "./controller.ts";
import { type Ladder, type Rung, rungBelow } from "./ladder.ts";

/** How a capping controller responds. */
export interface CappingTuning {
  /** The least time constant of the closed loop; a few sampling periods. */
  readonly responseSeconds: number;
  /** Time constant of actuator and meter. */
  readonly lagSeconds: number;
  /** How far below the cap it aims, as a share of the cap. */
  readonly guardShare: number;
}

/** What a capping controller remembers. */
export interface CappingState {
  /** What it aimed at in the period that ended; `null` before the first. */
  readonly targetWatts: number | null;
  /** Where on the ladder it stands, in nominal watts; between two rungs most of the time. */
  readonly positionWatts: number;
  /** The last difference between target and measurement. */
  readonly errorWatts: number;
  /** Index of the lower one of the two rungs it alternates between. */
  readonly lower: number;
  /** Index of the rung that was set. */
  readonly rung: number;
  /** What alternating has drawn too little so far, in nominal joules. */
  readonly debtJoules: number;
  /** For how many steps the position has been outside of the two rungs: below 0 under them, above 0 over them. */
  readonly outside: number;
}

/** What it needs to know. */
export interface PowerMeasurement {
  /** Mean power since the step before; `null` when the poll was missed. */
  readonly powerWatts: number | null;
}

/** What is wanted. */
export interface CapSetpoint {
  /** The cap. */
  readonly capWatts: number;
  /** The time over which the mean counts: longer ones leave more time to answer. */
  readonly windowSeconds: number;
}

/** Takes the place that it has on one ladder on another one. */
export function climbOver(state: CappingState, ladder: Ladder): { state: CappingState; setting: Rung } {
  const lower = Math.min(ladder.length - 2, rungBelow(ladder, state.positionWatts));
  return { state: { ...state, lower, rung: lower, debtJoules: 0, outside: 0 }, setting: ladder[lower] };
}

/** How far, in rungs, the position may leave the two rungs before they are changed. */
const hysteresis = 0.35;
/** For how many steps it has to be outside: the meter's errors, which are made good in the next step, do not count. */
const patience = 3;
/** How far outside it does not wait. */
const farRungs = 2.5;
/** With an actuator twice as strong as nominal, a larger share would make the loop swing. */
const gainMax = 0.6;
/** Time constant of the closed loop beside the window. */
const responseShare = 0.35;
const fallback: CappingTuning = { responseSeconds: 0.05, lagSeconds: 0.002, guardShare: 0.004 };

/**
 * Caps power by software: PI by pole placement, Kp = lag / response and Ki = 1 / response, on the position on a ladder whose
 * rungs are linearised to watts; so the gain of the actuator is about 1 on every rung. Anti-windup is by clamping.
 *
 * Between two rungs it alternates, so that the mean is right although the rungs are coarse; it never alternates between
 * more than two, as the two are left with hysteresis only.
 */
export function capping(
  ladder: Ladder,
  options: Partial<CappingTuning> = {},
): Controller<CappingState, PowerMeasurement, CapSetpoint, Rung> {
  const { responseSeconds: quickestSeconds, lagSeconds, guardShare } = { ...fallback, ...options };
  const watts = ladder.map(({ nominalWatts }) => nominalWatts);
  const last = watts.length - 1;
  const between = (position: number, lower: number) => clamp(position, watts[lower], watts[lower + 1]);

  return {
    start: () => ({ targetWatts: null, positionWatts: watts[last], errorWatts: 0, lower: last - 1, rung: last, debtJoules: 0, outside: 0 }),
    step(state, { powerWatts }, { capWatts, windowSeconds }, dtSeconds) {
      const targetWatts = capWatts * (1 - guardShare);
      const responseSeconds = Math.max(quickestSeconds, responseShare * windowSeconds);
      if (state.targetWatts === null) return settle(begin(targetWatts), dtSeconds);
      const before = between(state.positionWatts, state.lower);
      const gapWatts = watts[state.lower + 1] - watts[state.lower];
      const debtJoules = clamp(
        state.debtJoules + (before - watts[state.rung]) * dtSeconds,
        -gapWatts * dtSeconds,
        gapWatts * dtSeconds,
      );
      // What the position asks for, not what one of the two rungs happened to draw, is compared with the target.
      const errorWatts = powerWatts === null ? state.errorWatts : state.targetWatts - (powerWatts - (watts[state.rung] - before));
      const moved = powerWatts === null ? 0 : Math.min(gainMax, share(dtSeconds, responseSeconds)) * errorWatts +
        lagSeconds / responseSeconds * (errorWatts - state.errorWatts);
      const positionWatts = clamp(state.positionWatts + moved + targetWatts - state.targetWatts, watts[0], watts[last]);
      return settle({ ...state, targetWatts, positionWatts, errorWatts, debtJoules }, dtSeconds);
    },
  };

  /** Begins where a typical part would be right. */
  function begin(targetWatts: number): CappingState {
    const lower = Math.min(last - 1, rungBelow(ladder, targetWatts));
    return {
      targetWatts,
      positionWatts: clamp(targetWatts, watts[0], watts[last]),
      errorWatts: 0,
      lower,
      rung: lower,
      debtJoules: 0,
      outside: 0,
    };
  }

  function settle(state: CappingState, dtSeconds: number): { state: CappingState; setting: Rung } {
    const { lower, outside } = pairOf(state);
    const debtJoules = lower === state.lower ? state.debtJoules : 0;
    const wanted = between(state.positionWatts, lower);
    const middle = (watts[lower] + watts[lower + 1]) / 2;
    const rung = debtJoules + (wanted - middle) * dtSeconds > 0 ? lower + 1 : lower;
    return { state: { ...state, lower, rung, debtJoules, outside }, setting: ladder[rung] };
  }

  /** Leaves the two rungs at once when the position is far outside; near them, only when it stays there. */
  function pairOf({ positionWatts: position, lower, outside }: CappingState): { lower: number; outside: number } {
    const gap = watts[lower + 1] - watts[lower];
    const rungsAbove = (position - watts[lower + 1]) / gap;
    const rungsBelow = (watts[lower] - position) / gap;
    const side = rungsAbove > hysteresis ? 1 : rungsBelow > hysteresis ? -1 : 0;
    if (side === 0) return { lower, outside: 0 };
    const stays = Math.sign(outside) === side ? outside + side : side;
    if (Math.abs(stays) < patience && Math.max(rungsAbove, rungsBelow) < farRungs) return { lower, outside: stays };
    return { lower: Math.min(last - 1, rungBelow(ladder, position)), outside: 0 };
  }
}
