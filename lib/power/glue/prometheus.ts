import { RefusedError } from "../../errors.ts";
import { Accumulator } from "../accumulator.ts";
import type { Meter, Unit } from "../meter.ts";
import type { Snapshot } from "../snapshot.ts";

/** Units as Prometheus writes them at the end of names, and how many of its own make ours. */
const units: Readonly<Record<Unit, { readonly suffix: string; readonly scale: number }>> = {
  J: { suffix: "_joules", scale: 1 },
  W: { suffix: "_watts", scale: 1 },
  Hz: { suffix: "_hertz", scale: 1 },
  degC: { suffix: "_celsius", scale: 1 },
  s: { suffix: "_seconds", scale: 1 },
  "%": { suffix: "_ratio", scale: 0.01 },
  count: { suffix: "", scale: 1 },
};

/** Meters of one quantity: one family of Prometheus. */
interface Family {
  readonly type: Meter["kind"];
  readonly help: string;
  readonly samples: string[];
}

/**
 * Values of meters in the text format of Prometheus, version 0.0.4: a family for each quantity, such as
 * `nodeos_energy_joules_total{domain="package",index="0",meter="package0/energy"}`. Without timestamps, which the textfile collector
 * of node_exporter does not take.
 *
 * A counter that wraps has the value that was read; {@link PrometheusFile} makes it grow for ever.
 *
 * @param meters What the snapshot is of, in its order.
 */
export function prometheusText(meters: readonly Meter[], { values, spanNs, missing }: Omit<Snapshot, "atNs">): string {
  const families = new Map<string, Family>();
  for (const [index, meter] of meters.entries()) {
    const name = familyOf(meter);
    const family = families.get(name) ?? { type: meter.kind, help: helpOf(meter), samples: [] };
    families.set(name, family);
    const value = values[index];
    if (value !== null) family.samples.push(`${name}{${labelsOf(meter)}} ${value * units[meter.unit].scale}`);
  }
  return [
    ...[...families].flatMap(([name, family]) => lines(name, family)),
    ...single("nodeos_power_missing_meters", "Meters that had no value when the others were read.", missing.length),
    ...single("nodeos_power_read_seconds", "How long it took to read all meters.", spanNs / 1e9),
    "",
  ].join("\n");
}

function lines(name: string, { type, help, samples }: Family): string[] {
  return samples.length === 0 ? [] : [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...samples];
}

function single(name: string, help: string, value: number): string[] {
  return lines(name, { type: "gauge", help, samples: [`${name} ${value}`] });
}

/** What a meter measures, without the domain: `power-limit` of `package0/power-limit`. */
function quantityOf({ name, provider, unit }: Meter): string {
  // Every event of PAPI is a quantity of its own.
  if (provider === "papi") return name;
  const quantity = name.slice(name.indexOf("/") + 1);
  // A sensor somewhere in the node: its place is in its name.
  return name.startsWith("node/") && unit !== "count" ? quantity.slice(quantity.lastIndexOf("-") + 1) : quantity;
}

function familyOf(meter: Meter): string {
  const words = quantityOf(meter).replace(/[^A-Za-z0-9]+/g, "_").toLowerCase();
  const { suffix } = units[meter.unit];
  // A quantity may have its unit, or what it counts, in its name already.
  const stem = words.endsWith(suffix) ? words : `${words}${suffix}`;
  return `nodeos_${stem}${meter.kind === "counter" ? "_total" : ""}`;
}

const unitWords: Readonly<Record<Unit, string>> = {
  J: "in joules",
  W: "in watts",
  Hz: "in hertz",
  degC: "in degrees Celsius",
  s: "in seconds",
  "%": "as a part of 1",
  count: "",
};

function helpOf(meter: Meter): string {
  if (meter.provider === "papi") return escapedHelp(meter.provenance);
  const quantity = quantityOf(meter).replaceAll("-", " ");
  const words = `${quantity[0].toUpperCase()}${quantity.slice(1)} ${unitWords[meter.unit]}`.trimEnd();
  return escapedHelp(meter.kind === "counter" ? `${words}, since some moment before.` : `${words}.`);
}

function labelsOf({ name, domain: { kind, index } }: Meter): string {
  return `domain="${kind}",index="${index}",meter="${name.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`;
}

function escapedHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

/**
 * Replaces a file as a whole, for everybody to read; whoever reads meanwhile gets the old or the new text. The one under way has a
 * name that the textfile collector passes over. Needs `--allow-write` of the directory.
 *
 * @throws {RefusedError} If it cannot be written.
 */
export function writePrometheus(path: string, text: string): void {
  const made = `${path}.${Deno.pid}.new`;
  try {
    Deno.writeTextFileSync(made, text, { mode: 0o644 });
    // The collector is another user, whatever our umask is.
    Deno.chmodSync(made, 0o644);
    Deno.renameSync(made, path);
  } catch (error) {
    removeIfThere(made);
    if (error instanceof Deno.errors.NotCapable || !(error instanceof Error)) throw error;
    throw new RefusedError(`Cannot write metrics to ${path}: ${error.message}`, {
      remedy: "Name a file in the directory of node_exporter's --collector.textfile.directory that you may write to",
      cause: error,
    });
  }
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory || error instanceof Deno.errors.NotCapable)) {
      throw error;
    }
  }
}

/**
 * A file of metrics that is written again and again, for the textfile collector of node_exporter. Its counters do not wrap as long
 * as it lives. Disposing removes it: what nobody reads any more is no metric.
 */
export class PrometheusFile implements Disposable {
  readonly #sums: readonly ({ readonly sum: Accumulator; first: number | null } | null)[];
  #isWritten = false;

  /**
   * Writes nothing yet.
   *
   * @param path The collector reads names that end with `.prom`.
   * @param meters What the snapshots are of, in their order.
   */
  constructor(readonly path: string, readonly meters: readonly Meter[]) {
    this.#sums = meters.map((meter) => meter.kind === "counter" ? { sum: new Accumulator(meter), first: null } : null);
  }

  /** Replaces the file; see {@link writePrometheus}. */
  write(snapshot: Snapshot): void {
    const values = snapshot.values.map((value, index) => {
      const counter = this.#sums[index];
      if (counter === null || value === null) return value;
      counter.sum.add(snapshot.atNs, value);
      counter.first ??= value;
      return counter.first + counter.sum.total;
    });
    writePrometheus(this.path, prometheusText(this.meters, { ...snapshot, values }));
    this.#isWritten = true;
  }

  /** Removes the file, if it was written; again does nothing. */
  [Symbol.dispose](): void {
    if (this.#isWritten) removeIfThere(this.path);
    this.#isWritten = false;
  }
}
