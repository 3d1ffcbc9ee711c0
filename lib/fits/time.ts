import type { Header } from "./header.ts";

/** Modified Julian date of 1970-01-01. */
const unixEpochMjd = 40587;
const isoDate = /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d):(\d\d(?:\.\d*)?)Z?)?$/;
const oldDate = /^(\d\d)\/(\d\d)\/(\d\d)$/;

/**
 * When an image was taken, as a modified Julian date in days: MJD-OBS, else DATE-OBS, of the first header that says it.
 *
 * @param headers The image's own, then the primary one.
 * @returns `null` when none says it in a way that can be read.
 */
export function observationTime(headers: readonly Header[]): number | null {
  for (const header of headers) {
    const mjd = header.card("MJD-OBS")?.value;
    if (typeof mjd === "number" && Number.isFinite(mjd)) return mjd;
    const date = header.text("DATE-OBS");
    const time = date === null ? null : parseDate(date);
    if (time !== null) return time;
  }
  return null;
}

/**
 * Parses a date of FITS (`2024-03-01`, `2024-03-01T04:05:06.5`, or as it was before 2000 `01/03/97`) into a modified Julian
 * date; `null` when it is none.
 *
 * @example Usage
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseDate } from "./time.ts";
 *
 * assert.equal(parseDate("2000-01-01T12:00:00"), 51544.5);
 * ```
 */
export function parseDate(text: string): number | null {
  const old = oldDate.exec(text);
  if (old !== null) return day(1900 + Number(old[3]), Number(old[2]), Number(old[1]));
  const match = isoDate.exec(text);
  if (match === null) return null;
  const [year, month, dayOfMonth, hour, minute, second] = match.slice(1).map((part) => Number(part ?? 0));
  if (hour > 23 || minute > 59 || second >= 61) return null;
  const date = day(year, month, dayOfMonth);
  return date === null ? null : date + (hour * 3600 + minute * 60 + second) / 86400;
}

function day(year: number, month: number, dayOfMonth: number): number | null {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, dayOfMonth);
  const isReal = date.getUTCMonth() === month - 1 && date.getUTCDate() === dayOfMonth;
  return isReal ? date.getTime() / 86_400_000 + unixEpochMjd : null;
}
