import type { Noise } from "./random.ts";

/** How a program behaves for a while. */
export interface Phase {
  /** How long the phase takes, whatever the frequency. */
  readonly durationSeconds: number;
  /** How much the circuits of a busy core switch; 1 is usual, dense vector code is above. */
  readonly activity: number;
  /** Share of the time at the nominal frequency that goes down with the frequency; the rest waits for memory. */
  readonly frequencyShare: number;
  /** Memory traffic at full speed, in 10^9 bytes per second. */
  readonly gigabytesPerSecond: number;
}

/** What a package runs: phases over and over, on threads that share one pool of work. */
export interface Workload {
  /** At least one. */
  readonly phases: readonly Phase[];
  /** Activity of each thread as a factor of the phase's. */
  readonly threads: readonly number[];
  /** Work between two heartbeats, in seconds of one thread at the nominal frequency. */
  readonly heartbeatWork: number;
  /** Standard deviation of that work, as a share. */
  readonly heartbeatNoise: number;
}

/** Sixteen equal threads that wait for memory 15 % of their time. */
export const steadyWorkload: Workload = {
  phases: [{ durationSeconds: Infinity, activity: 1, frequencyShare: 0.85, gigabytesPerSecond: 40 }],
  threads: Array.from({ length: 16 }, () => 1),
  heartbeatWork: 1.6,
  heartbeatNoise: 0.005,
};

/** The phase that runs so many seconds after the start. */
export function phaseAt({ phases }: Workload, seconds: number): Phase {
  const cycleSeconds = phases.reduce((sum, { durationSeconds }) => sum + durationSeconds, 0);
  let rest = Number.isFinite(cycleSeconds) && cycleSeconds > 0 ? seconds % cycleSeconds : seconds;
  for (const phase of phases) {
    if (rest < phase.durationSeconds) return phase;
    rest -= phase.durationSeconds;
  }
  return phases[phases.length - 1];
}

/** Speed of one thread, where 1 is the nominal frequency: 1 / (b fn/f + 1 - b). */
export function speedOf({ frequencyShare }: Phase, relativeFrequency: number): number {
  return relativeFrequency <= 0 ? 0 : 1 / (frequencyShare / relativeFrequency + 1 - frequencyShare);
}

/** Counts work, and notes a heartbeat whenever an epoch is done. */
export class Progress {
  /** Work done so far, in seconds of one thread at the nominal frequency. */
  work = 0;
  /** When each heartbeat came that nobody has taken, in seconds. */
  heartbeats: number[] = [];
  #nextWork: number;
  readonly #workload: Workload;
  readonly #noise: Noise;

  /** Progress of a program that begins. */
  constructor(workload: Workload, noise: Noise) {
    this.#workload = workload;
    this.#noise = noise;
    this.#nextWork = this.#epoch();
  }

  /** Adds what is done in a step that ends at `seconds`. */
  add(work: number, seconds: number): void {
    this.work += work;
    while (this.work >= this.#nextWork) {
      this.heartbeats.push(seconds);
      this.#nextWork += this.#epoch();
    }
  }

  #epoch(): number {
    const { heartbeatWork, heartbeatNoise } = this.#workload;
    return heartbeatWork * Math.max(0.1, 1 + heartbeatNoise * this.#noise.normal());
  }
}
