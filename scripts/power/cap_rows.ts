import { clockNs } from "../../ffi/mod.ts";
import type { GovernorRecord } from "../../lib/power/governor/governor.ts";
import type { Meter } from "../../lib/power/meter.ts";
import { Recorder } from "../../lib/power/trace/recorder.ts";
import type { Trace, TraceColumn } from "../../lib/power/trace/trace.ts";
import { type PowerMachine, readerOf } from "./machine.ts";

/** Rows of meters, with what the governor wanted and set beside them. */
export class CapRows {
  readonly #recorder: Recorder;
  readonly #read;
  readonly #columns: readonly TraceColumn[];
  readonly #extra: (number | null)[][] = [];
  readonly #periodNs: bigint;
  #nextNs = 0n;

  /**
   * No row yet.
   *
   * @param keepsRows Whether there shall be a trace, and not sums only.
   */
  constructor(
    machine: PowerMachine,
    meters: readonly Meter[],
    periodSeconds: number,
    packages: readonly number[],
    readonly keepsRows: boolean,
  ) {
    this.#recorder = new Recorder(meters, { periodSeconds, keepsRows });
    this.#read = readerOf(machine, meters);
    this.#periodNs = BigInt(Math.round(periodSeconds * 1e9));
    this.#columns = packages.flatMap((id): TraceColumn[] => [
      { name: `package${id}/cap`, unit: "W", doc: "the cap that is wanted" },
      { name: `package${id}/active-cores`, unit: "count", doc: "cores that run threads" },
    ]);
  }

  /** Takes the records of a step; makes a row when a period has passed. */
  add(records: readonly GovernorRecord[]): void {
    const nowNs = clockNs();
    if (nowNs < this.#nextNs) return;
    this.#nextNs = nowNs + this.#periodNs - this.#periodNs / 20n;
    if (this.#recorder.add(this.#read()) === null || !this.keepsRows) return;
    this.#extra.push(records.flatMap(({ capWatts, activeCores }) => [capWatts, activeCores]));
  }

  /** See {@link Recorder.warnings}. */
  get warnings(): readonly string[] {
    return this.#recorder.warnings;
  }

  /** Mean over time of a meter's column; `null` when it is not there. */
  meanOf(name: string): number | null {
    return this.#recorder.summaries().find(({ meter }) => meter.name === name)?.mean ?? null;
  }

  /** All rows. */
  trace(): Trace {
    const trace = this.#recorder.trace();
    const rows = trace.rows.map(({ seconds, values }, index) => ({ seconds, values: [...values, ...this.#extra[index]] }));
    return { ...trace, columns: [...trace.columns, ...this.#columns], rows };
  }
}
