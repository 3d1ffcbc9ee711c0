import { UsageError } from "../errors.ts";
import { quote } from "../quote.ts";

const byteUnits: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  k: 2 ** 10,
  kib: 2 ** 10,
  m: 2 ** 20,
  mib: 2 ** 20,
  g: 2 ** 30,
  gib: 2 ** 30,
  t: 2 ** 40,
  tib: 2 ** 40,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
};
const durationUnits: Readonly<Record<string, number>> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9 };

/**
 * Parses a size such as `64GiB`, `512M` or `1000000` into bytes. One letter is binary (`M` is MiB); `MB` is decimal.
 *
 * @throws {UsageError} If it is no positive size.
 *
 * @example Usage
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseBytes } from "./quantity.ts";
 *
 * assert.equal(parseBytes("1.5GiB"), 1610612736);
 * ```
 */
export function parseBytes(text: string): number {
  const bytes = Math.floor(quantity(text, byteUnits, NaN));
  if (bytes > 0 && Number.isSafeInteger(bytes)) return bytes;
  throw new UsageError(`Cannot read ${quote(text)} as a size`, { remedy: "Write a number and a unit, such as 64GiB, 512MiB or 4096" });
}

/**
 * Parses a duration such as `5ms` or `950us` into nanoseconds; a unit is required.
 *
 * @throws {UsageError} If it is no positive duration.
 */
export function parseDurationNs(text: string): number {
  const ns = Math.round(quantity(text, durationUnits, NaN));
  if (ns > 0 && Number.isSafeInteger(ns)) return ns;
  throw new UsageError(`Cannot read ${quote(text)} as a duration`, { remedy: "Write a number and a unit, such as 5ms, 950us or 1s" });
}

/**
 * Parses a whole number from 1 to 999999999, such as a count of CPUs.
 *
 * @throws {UsageError} If it is none.
 */
export function parseCount(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new UsageError(`Cannot read ${quote(text)} as a count`, { remedy: "Write a whole number from 1" });
}

/**
 * Parses a percentage from 1 to 100, such as `50%` or `50`.
 *
 * @throws {UsageError} If it is none.
 */
export function parsePercent(text: string): number {
  const percent = /^\d{1,3}%?$/.test(text.trim()) ? Number.parseInt(text) : NaN;
  if (percent >= 1 && percent <= 100) return percent;
  throw new UsageError(`Cannot read ${quote(text)} as a percentage`, { remedy: "Write a number from 1 to 100, such as 50%" });
}

function quantity(text: string, units: Readonly<Record<string, number>>, otherwise: number): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  const factor = match ? units[match[2].toLowerCase()] : undefined;
  return match === null || factor === undefined ? otherwise : Number(match[1]) * factor;
}
