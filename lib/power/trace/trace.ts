import type { Unit } from "../meter.ts";

/** One column of a trace. */
export interface TraceColumn {
  /** Domain and quantity, such as `package0/power`, `core3/temperature` or `runtime/active-cores`. */
  readonly name: string;
  /** Unit of its values. */
  readonly unit: Unit;
  /** What it is and where it comes from, in words. */
  readonly doc: string;
}

/** The values of one moment. */
export interface TraceRow {
  /** Time since the start of the trace. */
  readonly seconds: number;
  /** In the order of the columns; `null` where there is none. A rate is the mean since the row before that has one, or the start. */
  readonly values: readonly (number | null)[];
}

/** Quantities over time. */
export interface Trace {
  /** When it began: ISO 8601, UTC. */
  readonly startedAt: string;
  /** What the values of a row are. */
  readonly columns: readonly TraceColumn[];
  /** Ascending in time. */
  readonly rows: readonly TraceRow[];
  /** How many periods went by without a row. */
  readonly missed: number;
}
