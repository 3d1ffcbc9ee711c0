import type { Meter } from "../../../../lib/power/meter.ts";
import { energyMeter, meter } from "../meters.ts";

/** A counter of energy that wraps. */
export const energy: Meter = energyMeter("package0/energy", {
  range: { min: 0, max: 1024 },
  wrap: 1024,
  provenance: "register 0x611 of CPU 0",
});

/** Time, as a counter that does not wrap. */
export const throttledTime: Meter = { ...energy, name: "package0/throttled-time", unit: "s", resolution: 2 ** -10, wrap: undefined };

/** Cycles. */
export const cycles: Meter = { ...energy, name: "cpu0/aperf", unit: "count", resolution: 1, wrap: 2 ** 53 };

/** A gauge. */
export const temperature: Meter = meter("package0/temperature", {
  unit: "degC",
  range: { min: -31, max: 96 },
  resolution: 1,
  provenance: "register 0x1b1 of CPU 0",
});

/** A snapshot as a reader would give it. */
export function snapshot(seconds: number, ...values: (number | null)[]): { atNs: bigint; values: (number | null)[] } {
  return { atNs: 7_000_000_000n + BigInt(Math.round(seconds * 1e9)), values };
}
