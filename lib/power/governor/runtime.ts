import { answerExpand, type ExpandLimits, type ExpandState, startExpand, stepExpand } from "../control/expand.ts";

/** A request to a runtime for another number of cores. */
export interface CoreRequest {
  /** Its number; the answer carries it. */
  readonly request: number;
  /** How many cores it should use from now on. */
  readonly wantedCores: number;
}

/** What a runtime said since it was asked last. */
export interface RuntimeNews {
  /** Its answer to a request, of which nothing is believed; `null` when there is none. */
  readonly answer: { readonly request: number; readonly activeCores: number } | null;
  /** When something that it counts was done, in seconds of CLOCK_MONOTONIC, in order. */
  readonly heartbeatSeconds: readonly number[];
}

/** The way to a runtime that can use more and fewer cores while it runs, such as the page of shared memory that it follows. */
export interface RuntimePort {
  /** How few and how many cores it can use, and how long it has to answer. */
  readonly limits: ExpandLimits;
  /** Sends a request; one that was not answered is forgotten. */
  ask(request: CoreRequest): void;
  /** Takes what has come from it. */
  poll(): RuntimeNews;
  /** Leaves a runtime that does not answer so many cores by force; `null` leaves all of them again. */
  enforce(cores: number | null): void;
  /** Its threads, where it is known on which core each is, and they can be put on others. */
  readonly threads?: RuntimeThreads;
}

/** Threads that can be moved. */
export interface RuntimeThreads {
  /** Tells where they are, and how much each does beside the others. */
  look(): ThreadPlaces;
  /** Puts those of the last look, in their order, on cores. */
  place(cores: readonly number[]): void;
}

/** Where threads are. */
export interface ThreadPlaces {
  /** The core of each, by its number within the machine; no two on one. */
  readonly cores: readonly number[];
  /** How much each does beside the others. */
  readonly activity: readonly number[];
}

/** The protocol with one runtime: who asks, what is believed, and what happens when nothing is heard. */
export class RuntimeLink {
  readonly #port: RuntimePort;
  #state: ExpandState;
  #enforcedCores: number | null = null;

  /** A runtime that uses all of its cores. */
  constructor(port: RuntimePort) {
    this.#port = port;
    this.#state = startExpand(port.limits);
  }

  /** Cores that it uses, as far as is known: what it is held to, or what it said last. */
  get activeCores(): number {
    return this.#enforcedCores ?? this.#state.activeCores;
  }

  /** Whether it has let a request pass unanswered. */
  get isSilent(): boolean {
    return this.#state.isSilent;
  }

  /**
   * Takes its answer, and asks it for another number of cores where that is wished.
   *
   * @returns Its heartbeats since the step before.
   */
  step(wantedCores: number, dtSeconds: number): readonly number[] {
    const { limits } = this.#port;
    const { answer, heartbeatSeconds } = this.#port.poll();
    if (answer !== null) this.#state = answerExpand(this.#state, answer, limits).state;
    const { state, setting: { send, enforcedCores } } = stepExpand(this.#state, wantedCores, limits, dtSeconds);
    this.#state = state;
    if (send !== null) this.#port.ask(send);
    if (enforcedCores !== this.#enforcedCores) this.#port.enforce(enforcedCores);
    this.#enforcedCores = enforcedCores;
    return heartbeatSeconds;
  }
}
