import { SysError } from "../../ffi/errors.ts";
import type { Change } from "../plan/step.ts";

/** SI units of meters: joules, watts, hertz, degrees Celsius, seconds, percent, and plain numbers. */
export type Unit = "J" | "W" | "Hz" | "degC" | "s" | "%" | "count";

/** What a meter is about. */
export interface Domain {
  /** Which sort of part of the machine. */
  readonly kind: "node" | "package" | "core" | "cpu" | "dram" | "gpu" | "psys";
  /** The kernel's number of it; for a core, its place among all cores of the machine. */
  readonly index: number;
}

/** Something that can be read, and, if it is an actuator, set. */
export interface Meter {
  /** Domain and quantity, such as `package0/energy`: the same for whoever provides it. */
  readonly name: string;
  /** Who provides it, such as `msr`; `msr:package0/energy` names this one and no other. */
  readonly provider: string;
  /** Unit of values, range, resolution and wrap. */
  readonly unit: Unit;
  /** A counter only grows, and begins again at `wrap`; a gauge goes up and down. */
  readonly kind: "counter" | "gauge";
  /** What it can be; for an actuator, what it can be set to. */
  readonly range: { readonly min: number; readonly max: number };
  /** The smallest difference that shows. */
  readonly resolution: number;
  /** Counters: the value after the last one is 0 again. */
  readonly wrap?: number;
  /** What it is about. */
  readonly domain: Domain;
  /** What is lacking to read it, as a clause; `null` when nothing is. */
  readonly permission: string | null;
  /** The file or register that it comes from, in words. */
  readonly provenance: string;
  /** Whether it is an actuator that can be set now. */
  readonly isWritable: boolean;
  /** Why an actuator cannot be set now, as a clause, such as a lock of the firmware. */
  readonly obstacle?: string;
}

/** Something that a machine could have and does not show. */
export interface Lack {
  /** What, such as `dram1/energy` or `/dev/cpu/N/msr`. */
  readonly what: string;
  /** Why, as a clause. */
  readonly why: string;
}

/** A value, or why there is none. */
export type Reading = number | { readonly reason: string };

/** Meters as a thread read them in one period. */
export interface MeterSample {
  /** CLOCK_MONOTONIC before the first value, in nanoseconds. */
  readonly atNs: bigint;
  /** In the order of the meters; `null` where there is none. */
  readonly values: readonly (number | null)[];
}

/** A thread that reads meters. Disposing ends it. */
export interface MeterSampler extends Disposable {
  /** Samples since the last call, oldest first. */
  read(): readonly MeterSample[];
}

/** Finds meters of one kind on a machine, and reads them in one go. */
export interface Provider extends Disposable {
  /** A word for it; see {@link Meter.provider}. */
  readonly name: string;
  /** What it found when it was made. */
  readonly meters: readonly Meter[];
  /** What it did not find, or could not read. */
  readonly lacks: readonly Lack[];
  /** Prepares to read some of its meters again and again: all of them in one batch, in this order. */
  prepare(meters: readonly Meter[]): () => readonly Reading[];
  /** Starts a thread that reads some of its meters in every period, whatever else this process does; `null` where that cannot be. */
  sample?(meters: readonly Meter[], periodSeconds: number): MeterSampler | null;
  /**
   * Steps that set an actuator to a value within its range; changes nothing.
   *
   * @throws {UsageError} If the value cannot be encoded, {RefusedError} if it is locked or gone.
   */
  plan(meter: Meter, value: number): Change[];
}

/** Why something could not be read, as a clause. */
export function reasonOf(error: unknown): string {
  if (error instanceof SysError) return reasons[error.code] ?? error.message.replace(/^Cannot /, "could not ");
  if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable) return reasons.EACCES;
  return error instanceof Error ? error.message : `${error}`;
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: "it is not permitted: it needs root, or a right that root grants",
  EPERM: "it is not permitted: it needs root, or a right that root grants",
  EIO: "the machine does not have it",
  ENOENT: "it is not there",
  ENODEV: "it is not there (any more)",
  ENXIO: "its CPU is off",
  ENODATA: "it ends in the middle of a value",
  EOPNOTSUPP: "this kind of machine does not have it",
};

/** A number with its unit, for messages. */
export function formatValue(value: number, unit: Unit): string {
  return unit === "count" ? `${value}` : `${value} ${unit === "degC" ? "°C" : unit}`;
}
