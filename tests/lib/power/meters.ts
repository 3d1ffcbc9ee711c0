import { clockNs } from "../../../ffi/mod.ts";
import type { Meter } from "../../../lib/power/meter.ts";
import type { Snapshot } from "../../../lib/power/snapshot.ts";

// What the tests share opens the library here, once: opened within a test it would count as a leak.
clockNs();

/** A meter with what a test says of it. */
export function meter(name: string, parts: Partial<Meter> = {}): Meter {
  return {
    name,
    provider: "msr",
    unit: "W",
    kind: "gauge",
    range: { min: 0, max: 1e6 },
    resolution: 2 ** -3,
    domain: { kind: "package", index: 0 },
    permission: null,
    provenance: `register of ${name}`,
    isWritable: false,
    ...parts,
  };
}

/** A counter of joules as a package of Intel has: it wraps at 262,144 J. */
export function energyMeter(name: string, parts: Partial<Meter> = {}): Meter {
  return meter(name, { unit: "J", kind: "counter", resolution: 2 ** -14, wrap: 2 ** 18, range: { min: 0, max: 2 ** 18 }, ...parts });
}

/** A snapshot at some second. */
export function snapshotAt(seconds: number, values: readonly (number | null)[]): Snapshot {
  const missing = values.flatMap((value, index) => value === null ? [{ name: `${index}`, reason: "it is not there" }] : []);
  return { atNs: BigInt(Math.round(seconds * 1e9)), spanNs: 25_000, values, missing };
}
