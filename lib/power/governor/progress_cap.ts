import { type Controller } from "../control/controller.ts";
import { progressControl, progressHz, type ProgressModel, type ProgressState } from "../control/progress.ts";

/** How much progress is enough. */
export interface ProgressWish {
  /** What is known of the program on this machine. */
  readonly model: ProgressModel;
  /** The progress that is wanted, in heartbeats per second. */
  readonly wantedHz: number;
  /** The least cap that is set. */
  readonly capMinWatts: number;
  /** The highest one. */
  readonly capMaxWatts: number;
}

/** A cap is chosen once in this time, by the heartbeats in it. */
const periodSeconds = 1;
const responseSeconds = 10;

/** Lowers a cap as far as a program makes the progress that is wanted of it. */
export class ProgressCap {
  readonly #wish: ProgressWish;
  readonly #control: Controller<ProgressState, number | null, number, number>;
  #state: ProgressState;
  #heartbeats: number[] = [];
  #seconds = 0;
  #capWatts: number;

  /** Begins with the highest cap. Throws a `UsageError` if the range of caps is none. */
  constructor(wish: ProgressWish) {
    this.#wish = wish;
    this.#control = progressControl({ ...wish, responseSeconds });
    this.#state = this.#control.start();
    this.#capWatts = wish.capMaxWatts;
  }

  /** The lower one of a cap and of what the progress needs. */
  lower(capWatts: number): number {
    return Math.min(capWatts, this.#capWatts);
  }

  /** Takes heartbeats, in seconds of CLOCK_MONOTONIC. */
  step(heartbeatSeconds: readonly number[], dtSeconds: number): void {
    this.#heartbeats.push(...heartbeatSeconds);
    this.#seconds += dtSeconds;
    if (this.#seconds < periodSeconds) return;
    const answer = this.#control.step(this.#state, progressHz(this.#heartbeats), this.#wish.wantedHz, this.#seconds);
    this.#state = answer.state;
    this.#capWatts = answer.setting;
    // The last one begins the next period.
    this.#heartbeats = this.#heartbeats.slice(-1);
    this.#seconds = 0;
  }
}
