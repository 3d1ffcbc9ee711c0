import type { Meter, MeterSampler } from "../../lib/power/meter.ts";
import type { SnapshotReader } from "../../lib/power/snapshot.ts";
import type { Recorder } from "../../lib/power/trace/recorder.ts";
import type { TraceRow } from "../../lib/power/trace/trace.ts";
import type { Context } from "../context.ts";
import { keyOf, type PowerMachine, readerOf } from "./machine.ts";

/** For shorter periods a thread reads, where there is one: what else we do takes some milliseconds now and then. */
const ownSecondsMin = 0.02;

/** Adds meters to a recorder in every period. Disposing ends the thread. */
export class TraceRows implements Disposable {
  /** Time between two calls of {@link step}. */
  readonly stepSeconds: number;
  readonly #read: SnapshotReader;
  readonly #sampler: MeterSampler | null;
  #ownNs: bigint | null = null;

  /** No row yet; a thread begins to read. */
  constructor(machine: PowerMachine, meters: readonly Meter[], readonly recorder: Recorder, periodSeconds: number) {
    this.#read = readerOf(machine, meters);
    this.#sampler = periodSeconds < ownSecondsMin ? machine.registry.sampler(meters.map(keyOf), periodSeconds) : null;
    this.stepSeconds = this.#sampler === null ? periodSeconds : ownSecondsMin;
  }

  /** Rows since the call before. The first call reads all meters, as {@link end} does: so what they count is whole. */
  step(): TraceRow[] {
    if (this.#ownNs === null || this.#sampler === null) return this.#now();
    const [sampler, ownNs] = [this.#sampler, this.#ownNs];
    return sampler.read().flatMap((sample) => sample.atNs > ownNs && this.recorder.add(sample) || []);
  }

  /** The last rows, after the last step. */
  end(): TraceRow[] {
    return this.#sampler === null ? [] : [...this.step(), ...this.#now()];
  }

  /**
   * What to do when a program starts: counters of PAPI are those of the program from then on, and begin with a reading. Before, they
   * have none.
   */
  onStart(context: Pick<Context, "say">, { papi }: PowerMachine): ((pid: number, isHeld: boolean) => TraceRow[]) | undefined {
    return papi === undefined ? undefined : (pid, isHeld) => {
      for (const { what, why } of papi.attach(pid)) context.say(`nodeos: ${what} is not counted: ${why}`);
      if (!isHeld) context.say("nodeos: the program could not be held at its start: counters of PAPI lack its first milliseconds");
      return [...this.#sampler === null ? [] : this.step(), ...this.#now()];
    };
  }

  #now(): TraceRow[] {
    const snapshot = this.#read();
    this.#ownNs = snapshot.atNs;
    return [this.recorder.add(snapshot)].filter((row) => row !== null);
  }

  [Symbol.dispose](): void {
    this.#sampler?.[Symbol.dispose]();
  }
}
