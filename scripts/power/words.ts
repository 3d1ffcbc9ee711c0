import type { Unit } from "../../lib/power/meter.ts";

/** Digits behind the point that mean something to a reader. */
const digits: Readonly<Record<Unit, number>> = { J: 1, W: 1, Hz: 0, degC: 1, s: 3, "%": 1, count: 0 };
const prefixes = [["G", 1e9], ["M", 1e6], ["k", 1e3]] as const;

/** A value and its unit for people: `119.8`, `W`; frequencies with a prefix; `-` where there is none. */
export function show(value: number | null, unit: Unit): readonly [string, string] {
  if (value === null) return ["-", unitName(unit)];
  if (unit === "Hz") {
    const [prefix, factor] = prefixes.find(([, factor]) => Math.abs(value) >= factor) ?? ["", 1];
    return [(value / factor).toFixed(factor === 1 ? 0 : 2), `${prefix}Hz`];
  }
  if (unit === "s" && value !== 0 && Math.abs(value) < 1) return [`${Number(value.toPrecision(3))}`, "s"];
  return [value.toFixed(digits[unit]), unitName(unit)];
}

/** The same in one piece. */
export function showWhole(value: number | null, unit: Unit): string {
  return show(value, unit).join(" ").trim();
}

function unitName(unit: Unit): string {
  return unit === "degC" ? "°C" : unit === "count" ? "" : unit;
}

/** Seconds of a summary: `12.34 s`. */
export function showSeconds(seconds: number): string {
  return `${seconds.toFixed(seconds < 10 ? 3 : seconds < 100 ? 2 : 1)} s`;
}
