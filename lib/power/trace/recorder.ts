import { Accumulator } from "../accumulator.ts";
import type { Meter, Unit } from "../meter.ts";
import type { Snapshot } from "../snapshot.ts";
import type { Trace, TraceColumn, TraceRow } from "./trace.ts";

/** What a meter showed over the whole time. */
export interface MeterSummary {
  /** The meter. */
  readonly meter: Meter;
  /** The column of the trace that it became. */
  readonly column: TraceColumn;
  /** Counters: what was added, in the meter's unit. */
  readonly total: number | null;
  /** Mean over time in the column's unit; `null` without values. */
  readonly mean: number | null;
  /** The least value of a row. */
  readonly low: number | null;
  /** The highest value of a row. */
  readonly high: number | null;
}

/** How a {@link Recorder} works. */
export interface RecorderOptions {
  /** Time between two rows. */
  readonly periodSeconds: number;
  /**
   * Whether rows are kept, for {@link Recorder.trace}; without, only sums.
   * @default {true}
   */
  readonly keepsRows?: boolean;
  /**
   * The time of the first row.
   * @default {new Date()}
   */
  readonly startedAt?: Date;
}

/** One column while it is recorded. */
interface Series {
  readonly meter: Meter;
  readonly column: TraceColumn;
  readonly counter: Accumulator | null;
  /** Of the column, for each one of the meter's unit and second. */
  readonly factor: number;
  /** What a counter had when it last was in a row. */
  before: number;
  /** When that was, or when a counter had its first value; `null` before. */
  beforeSeconds: number | null;
  /** When a counter had its first value, and its last one. */
  span: { readonly from: number; readonly to: number } | null;
  weighted: number;
  weight: number;
  low: number;
  high: number;
}

/**
 * Makes a trace of snapshots. A counter becomes what it added per second since it last was in a row: energy is mean power in W, time is
 * a share in %, and anything else a rate in Hz. A gauge stays what it is.
 */
export class Recorder {
  /** What the values of a row are, in the order of the meters. */
  readonly columns: readonly TraceColumn[];
  readonly #warnings = new Map<Meter, string>();
  readonly #series: readonly Series[];
  readonly #options: RecorderOptions;
  readonly #startedAt: Date;
  readonly #rows: TraceRow[] = [];
  #firstNs: bigint | null = null;
  #seconds = 0;
  #rowSeconds = 0;
  #rowCount = 0;

  /** A trace without rows of these meters, which snapshots have in this order. */
  constructor(meters: readonly Meter[], options: RecorderOptions) {
    this.#options = options;
    this.#startedAt = options.startedAt ?? new Date();
    const names = new Set(meters.filter(({ kind }) => kind === "gauge").map(({ name }) => name));
    this.#series = meters.map((meter) => seriesOf(meter, names));
    this.columns = this.#series.map(({ column }) => column);
  }

  /** What may be wrong with the values: the first that was found of each meter; empty when all is well. */
  get warnings(): readonly string[] {
    const ended = this.#series.flatMap(({ meter, span }) =>
      span !== null && span.to < this.#seconds ? [`${meter.name} has no value any more since ${span.to.toFixed(1)} s`] : []
    );
    return [...this.#warnings.values(), ...ended];
  }

  /** Time between the first snapshot and the last. */
  get seconds(): number {
    return this.#seconds;
  }

  /** How many periods went by without a row. */
  get missed(): number {
    return Math.max(0, Math.round(this.#rowSeconds / this.#options.periodSeconds) + 1 - this.#rowCount);
  }

  /**
   * Takes a snapshot. Returns its row, or `null` when it comes so soon after the row before that rates would mean little: what
   * counters added is in the totals then, and in the next row.
   */
  add({ atNs, values }: Pick<Snapshot, "atNs" | "values">): TraceRow | null {
    this.#firstNs ??= atNs;
    this.#seconds = Number(atNs - this.#firstNs) / 1e9;
    for (const [index, series] of this.#series.entries()) {
      const { meter, counter } = series;
      const value = values[index];
      if (counter === null || value === null) continue;
      series.beforeSeconds ??= this.#seconds;
      series.span = { from: series.span?.from ?? this.#seconds, to: this.#seconds };
      const { warning } = counter.add(atNs, value);
      if (warning !== null && !this.#warnings.has(meter)) this.#warnings.set(meter, warning);
    }
    const passed = this.#seconds - this.#rowSeconds;
    const isFirst = this.#seconds === 0;
    if (!isFirst && passed < this.#options.periodSeconds / 2) return null;
    const row = { seconds: this.#seconds, values: this.#series.map((series, index) => take(series, values[index], this.#seconds)) };
    this.#rowSeconds = this.#seconds;
    this.#rowCount++;
    if (this.#options.keepsRows ?? true) this.#rows.push(row);
    return row;
  }

  /** Everything so far. */
  trace(): Trace {
    return { startedAt: this.#startedAt.toISOString(), columns: this.columns, rows: [...this.#rows], missed: this.missed };
  }

  /** What each meter showed so far, in their order. */
  summaries(): MeterSummary[] {
    return this.#series.map(({ meter, column, counter, factor, span, weighted, weight, low, high }) => {
      const total = counter?.total ?? null;
      const seconds = span === null ? 0 : span.to - span.from;
      const rate = total === null || seconds === 0 ? null : atMost(total * factor / seconds, column);
      if (low > high) return { meter, column, total, mean: rate, low: null, high: null };
      // What came after the last row is in the mean of a counter only; that of a gauge was rounded.
      if (rate !== null) return { meter, column, total, mean: rate, low: Math.min(low, rate), high: Math.max(high, rate) };
      return { meter, column, total, mean: Math.min(high, Math.max(low, weighted / weight)), low, high };
    });
  }
}

/** The value of a row. Counters have one from their second value on. */
function take(series: Series, value: number | null, nowSeconds: number): number | null {
  if (value === null) return null;
  const { counter, factor } = series;
  const seconds = nowSeconds - (series.beforeSeconds ?? nowSeconds);
  let taken: number | null = value;
  if (counter !== null) {
    taken = seconds === 0 ? null : atMost((counter.total - series.before) * factor / seconds, series.column);
    series.before = counter.total;
  }
  series.beforeSeconds = nowSeconds;
  if (taken === null) return null;
  // The first value of a gauge stands for no time yet, unless it stays alone.
  const weight = seconds || 1e-9;
  series.weighted += taken * weight;
  series.weight += weight;
  series.low = Math.min(series.low, taken);
  series.high = Math.max(series.high, taken);
  return taken;
}

/** A share is all of the time at most, although the counter and our clock do not tick together. */
function atMost(rate: number, { unit }: TraceColumn): number {
  return unit === "%" ? Math.min(100, rate) : rate;
}

function seriesOf(meter: Meter, gauges: ReadonlySet<string>): Series {
  const counter = meter.kind === "counter" ? new Accumulator(meter) : null;
  const { factor, ...column } = counter === null
    ? { name: meter.name, unit: meter.unit, doc: meter.provenance, factor: 1 }
    : rateOf(meter, gauges);
  return {
    meter,
    column,
    counter,
    factor,
    before: 0,
    beforeSeconds: null,
    span: null,
    weighted: 0,
    weight: 0,
    low: Infinity,
    high: -Infinity,
  };
}

/** What a counter is when it is divided by time. */
function rateOf({ name, unit, provenance }: Meter, gauges: ReadonlySet<string>): TraceColumn & { readonly factor: number } {
  const rates: Partial<Record<Unit, readonly [RegExp, string, Unit, number]>> = {
    J: [/-?energy$/, "power", "W", 1],
    s: [/-?time$/, "share", "%", 100],
  };
  const [ending, word, rateUnit, factor] = rates[unit] ?? [/$^/, "rate", "Hz", 1];
  const stem = name.replace(ending, "");
  const joined = stem.endsWith("/") || stem.endsWith("-") ? `${stem}${word}` : `${stem}-${word}`;
  // A card tells its power and its energy.
  const free = gauges.has(joined) ? joined.replace(word, `mean-${word}`) : joined;
  return { name: free, unit: rateUnit, factor, doc: `${provenance}, per second since the row before` };
}
