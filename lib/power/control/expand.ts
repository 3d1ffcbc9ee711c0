import { UsageError } from "../../errors.ts";

/** How many cores a runtime uses, and what it was asked for. */
export interface ExpandState {
  /** Number of the last request; answers carry it. */
  readonly request: number;
  /** Cores that the runtime should use. */
  readonly wantedCores: number;
  /** Cores that the runtime said it uses. */
  readonly activeCores: number;
  /** Time since the request that is not answered yet; `null` when all are. */
  readonly waitingSeconds: number | null;
  /** Whether the runtime has let a request pass unanswered. */
  readonly isSilent: boolean;
}

/** What a runtime can do. */
export interface ExpandLimits {
  /** The fewest cores it goes on with, and the floor that it falls back to when it does not answer. */
  readonly coresMin: number;
  /** Cores of its container. */
  readonly coresMax: number;
  /** How long it has to answer. */
  readonly answerSeconds: number;
}

/** What is to be done about the cores of a runtime. */
export interface ExpandSetting {
  /** The request to send; `null` when there is none. */
  readonly send: { readonly request: number; readonly wantedCores: number } | null;
  /** The cores to be left to it by force, as it does not answer; `null` when it is trusted. */
  readonly enforcedCores: number | null;
}

/** What becomes of an answer. */
export type AnswerOutcome = "taken" | "late" | "unknown request" | "more than wanted" | "below the floor" | "not a number of cores";

/** A runtime that uses all of its cores. */
export function startExpand({ coresMax }: ExpandLimits): ExpandState {
  return { request: 0, wantedCores: coresMax, activeCores: coresMax, waitingSeconds: null, isSilent: false };
}

/**
 * Goes on by `dtSeconds`: asks when the wish has changed, and after too long without an answer leaves the runtime the floor.
 *
 * A silent runtime gets no more requests until it answers. What is enforced stays, except while all cores are wished.
 *
 * @throws {UsageError} If the wish is not a number.
 */
export function stepExpand(
  state: ExpandState,
  wantedCores: number,
  limits: ExpandLimits,
  dtSeconds: number,
): { state: ExpandState; setting: ExpandSetting } {
  if (!Number.isFinite(wantedCores)) {
    throw new UsageError(`Cannot ask a runtime for ${wantedCores} cores: it is not a number`, {
      remedy: `Give a number from ${limits.coresMin} to ${limits.coresMax}`,
    });
  }
  const wanted = Math.min(limits.coresMax, Math.max(limits.coresMin, Math.floor(wantedCores)));
  const waitingSeconds = state.waitingSeconds === null ? null : state.waitingSeconds + dtSeconds;
  const isSilent = state.isSilent || waitingSeconds !== null && waitingSeconds > limits.answerSeconds;
  if (isSilent) {
    const enforcedCores = wanted === limits.coresMax ? null : limits.coresMin;
    return { state: { ...state, waitingSeconds, isSilent }, setting: { send: null, enforcedCores } };
  }
  if (wanted === state.wantedCores) return { state: { ...state, waitingSeconds }, setting: { send: null, enforcedCores: null } };
  const request = state.request + 1;
  // A request that replaces an unanswered one does not give the runtime more time.
  return {
    state: { ...state, request, wantedCores: wanted, waitingSeconds: waitingSeconds ?? 0, isSilent },
    setting: { send: { request, wantedCores: wanted }, enforcedCores: null },
  };
}

/** Takes an answer of the runtime. One that is refused changes nothing. */
export function answerExpand(
  state: ExpandState,
  answer: { readonly request: number; readonly activeCores: number },
  limits: ExpandLimits,
): { state: ExpandState; outcome: AnswerOutcome } {
  const { request, activeCores } = answer;
  if (!Number.isInteger(request) || request < 1 || request > state.request) return { state, outcome: "unknown request" };
  if (!Number.isInteger(activeCores)) return { state, outcome: "not a number of cores" };
  if (request < state.request) return { state, outcome: "late" };
  if (activeCores > state.wantedCores) return { state, outcome: "more than wanted" };
  if (activeCores < limits.coresMin) return { state, outcome: "below the floor" };
  return { state: { ...state, activeCores, waitingSeconds: null, isSilent: false }, outcome: "taken" };
}
