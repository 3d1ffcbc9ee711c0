/** What a controller answers: what to remember until the next step, and what to set. */
export interface Answer<State, Setting> {
  /** To be passed to the next step. */
  readonly state: State;
  /** To be applied now. */
  readonly setting: Setting;
}

/** A controller without side effects: the same arguments always have the same answer. */
export interface Controller<State, Measurement, Setpoint, Setting> {
  /** The state before the first step. */
  start(): State;
  /**
   * Takes one step.
   *
   * @param dtSeconds Time since the step before, which the measurement covers; above 0.
   */
  step(state: State, measurement: Measurement, setpoint: Setpoint, dtSeconds: number): Answer<State, Setting>;
}

/** The nearest value within a range. */
export function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}

/** How much of a difference is gone after `dtSeconds` of a first-order response. */
export function share(dtSeconds: number, timeConstantSeconds: number): number {
  return timeConstantSeconds <= 0 ? 1 : -Math.expm1(-dtSeconds / timeConstantSeconds);
}
