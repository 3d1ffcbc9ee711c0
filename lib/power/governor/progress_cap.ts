import { type Controller } from "../control/controller.ts";
import { expectedHz, progressControl, progressHz, type ProgressModel, type ProgressState, usualModel } from "../control/progress.ts";

/** How much progress is enough. */
export interface ProgressWish {
  /** The progress that is wanted: in heartbeats per second, or as a share of what is made at the highest cap. */
  readonly wanted: { readonly hz: number } | { readonly share: number };
  /** What is known of the program on this machine; when left out, its progress at the highest cap is measured first. */
  readonly model?: ProgressModel;
  /** The least cap that is set. */
  readonly capMinWatts: number;
  /** The highest one. */
  readonly capMaxWatts: number;
}

/** What came of it so far. */
export interface ProgressReport {
  /** How many heartbeats there were. */
  readonly heartbeats: number;
  /** What is made at the highest cap, in heartbeats per second; `null` as long as it is not known. */
  readonly highestHz: number | null;
  /** What is wanted; `null` as long as it is not known. */
  readonly wantedHz: number | null;
  /** What was made since then; `null` before. */
  readonly meanHz: number | null;
  /** The highest cap. */
  readonly capMaxWatts: number;
  /** The cap that was chosen last. */
  readonly capWatts: number;
}

/** A cap is chosen once in this time, by the heartbeats in it. */
const periodSeconds = 1;
/** Who is not known well is followed more slowly. */
const [responseSeconds, carefulSeconds] = [10, 15];
/** Progress is known when two measurements differ by no more, and at the latest after so many. */
const [steadyShare, measurementsMax] = [0.05, 10];

/** Lowers a cap as far as a program makes the progress that is wanted of it. */
export class ProgressCap {
  readonly #wish: ProgressWish;
  #known: { readonly control: Control; readonly highestHz: number; readonly wantedHz: number } | null = null;
  #state: ProgressState | null = null;
  #measured: number[] = [];
  #beats: number[] = [];
  #seconds = 0;
  #all = 0;
  #since = { heartbeats: 0, seconds: 0 };
  #capWatts: number;

  /** Begins with the highest cap. Throws a `UsageError` if the range of caps is none. */
  constructor(wish: ProgressWish) {
    this.#wish = wish;
    this.#capWatts = wish.capMaxWatts;
    const { model, capMaxWatts } = wish;
    if (model !== undefined) this.#know(model, expectedHz(model, capMaxWatts), responseSeconds);
    else progressControl({ ...wish, model: usualModel(1, capMaxWatts), responseSeconds });
  }

  /** The lower one of a cap and of what the progress needs. */
  lower(capWatts: number): number {
    return Math.min(capWatts, this.#capWatts);
  }

  /** What came of it so far. */
  get report(): ProgressReport {
    const { heartbeats, seconds } = this.#since;
    return {
      heartbeats: this.#all,
      highestHz: this.#known?.highestHz ?? null,
      wantedHz: this.#known?.wantedHz ?? null,
      meanHz: seconds > 0 ? heartbeats / seconds : null,
      capMaxWatts: this.#wish.capMaxWatts,
      capWatts: this.#capWatts,
    };
  }

  /** Takes heartbeats, in seconds of CLOCK_MONOTONIC. */
  step(heartbeatSeconds: readonly number[], dtSeconds: number): void {
    this.#beats.push(...heartbeatSeconds);
    this.#all += heartbeatSeconds.length;
    this.#seconds += dtSeconds;
    if (this.#known !== null) {
      this.#since = { heartbeats: this.#since.heartbeats + heartbeatSeconds.length, seconds: this.#since.seconds + dtSeconds };
    }
    if (this.#seconds < periodSeconds) return;
    const measuredHz = progressHz(this.#beats);
    if (this.#known === null) this.#measure(measuredHz);
    else {
      const { control, wantedHz } = this.#known;
      // We may have been stopped for a while: nobody knows what was then.
      const answer = control.step(this.#state!, measuredHz, wantedHz, Math.min(this.#seconds, 2 * periodSeconds));
      this.#state = answer.state;
      this.#capWatts = answer.setting;
    }
    // The last one begins the next period.
    this.#beats = this.#beats.slice(-1);
    this.#seconds = 0;
  }

  /** Programs get ready first: only what stays as it is counts. */
  #measure(measuredHz: number | null): void {
    if (measuredHz === null) return;
    const beforeHz = this.#measured.at(-1);
    this.#measured.push(measuredHz);
    if (beforeHz === undefined) return;
    const isSteady = Math.abs(measuredHz - beforeHz) <= steadyShare * Math.max(measuredHz, beforeHz);
    if (!isSteady && this.#measured.length < measurementsMax) return;
    const highestHz = (measuredHz + beforeHz) / 2;
    this.#know(usualModel(highestHz, this.#wish.capMaxWatts), highestHz, carefulSeconds);
  }

  #know(model: ProgressModel, highestHz: number, responseSeconds: number): void {
    const { wanted } = this.#wish;
    const control = progressControl({ ...this.#wish, model, responseSeconds });
    this.#known = { control, highestHz, wantedHz: "hz" in wanted ? wanted.hz : wanted.share * highestHz };
    this.#state = control.start();
  }
}

type Control = Controller<ProgressState, number | null, number, number>;
