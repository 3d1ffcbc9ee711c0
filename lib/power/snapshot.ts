import { RefusedError } from "../errors.ts";
import type { Meter, Provider, Reading } from "./meter.ts";

/** Meters of one moment. */
export interface Snapshot {
  /** CLOCK_MONOTONIC before the first value, in nanoseconds: the time of all of them. */
  readonly atNs: bigint;
  /** How long it took until the last value was there, in nanoseconds. */
  readonly spanNs: number;
  /** In the order that was asked for; `null` where there is none. */
  readonly values: readonly (number | null)[];
  /** Which have no value, and why. */
  readonly missing: readonly { readonly name: string; readonly reason: string }[];
}

/** Reads the same meters again and again. */
export type SnapshotReader = () => Snapshot;

/**
 * Prepares a snapshot across providers. Each provider reads its meters in one batch, and nothing else of this process runs
 * in between.
 *
 * @param clockNs The clock of all timestamps.
 */
export function prepareSnapshot(
  meters: readonly Meter[],
  providerOf: (meter: Meter) => Provider,
  clockNs: () => bigint,
): SnapshotReader {
  const groups = new Map<Provider, number[]>();
  for (const [index, meter] of meters.entries()) {
    const provider = providerOf(meter);
    groups.set(provider, [...groups.get(provider) ?? [], index]);
  }
  const batches = [...groups].map(([provider, indexes]) => ({ indexes, read: provider.prepare(indexes.map((index) => meters[index])) }));
  return () => {
    const atNs = clockNs();
    const readings: Reading[] = new Array(meters.length);
    for (const { indexes, read } of batches) {
      const batch = read();
      for (let i = 0; i < indexes.length; i++) readings[indexes[i]] = batch[i];
    }
    return { atNs, spanNs: Number(clockNs() - atNs), ...split(meters, readings) };
  };
}

function split(meters: readonly Meter[], readings: readonly Reading[]): Pick<Snapshot, "values" | "missing"> {
  const missing: { name: string; reason: string }[] = [];
  const values = readings.map((reading, index) => {
    if (typeof reading === "number" && !Number.isNaN(reading)) return reading;
    missing.push({ name: meters[index].name, reason: typeof reading === "number" ? "it is not a number" : reading.reason });
    return null;
  });
  return { values, missing };
}

/**
 * Insists that a snapshot is whole: a controller must not act on half of one.
 *
 * @throws {RefusedError} If a value is missing.
 */
export function requireWhole(snapshot: Snapshot): readonly number[] {
  const { missing, values } = snapshot;
  if (missing.length === 0) return values as readonly number[];
  const rest = missing.length > 1 ? `, and ${missing.length - 1} others have no value` : "";
  throw new RefusedError(`Cannot read ${missing[0].name}: ${missing[0].reason}${rest}`);
}
