import type { Trace, TraceColumn, TraceRow } from "./trace.ts";

/**
 * The first line of a table of comma-separated values: time of day, seconds since the start, and each column with its unit.
 *
 * @example Usage
 * ```ts
 * import assert from "node:assert/strict";
 * import { csvHeader } from "./csv.ts";
 *
 * assert.equal(csvHeader([{ name: "package0/power", unit: "W", doc: "" }]), "time,seconds,package0/power [W]\n");
 * ```
 */
export function csvHeader(columns: readonly TraceColumn[]): string {
  return line(["time", "seconds", ...columns.map(({ name, unit }) => `${name} [${unit}]`)]);
}

/** One line of the table. A value that is not there is an empty field. */
export function csvRow(startedAt: string, { seconds, values }: TraceRow): string {
  const time = new Date(Date.parse(startedAt) + Math.round(seconds * 1000)).toISOString();
  return line([time, seconds.toFixed(6), ...values.map((value) => value === null ? "" : `${Number(value.toPrecision(9))}`)]);
}

/** The whole table: UTF-8, lines end with a newline, decimal points are points (RFC 4180 otherwise). */
export function formatCsv({ startedAt, columns, rows }: Trace): string {
  return csvHeader(columns) + rows.map((row) => csvRow(startedAt, row)).join("");
}

function line(fields: readonly string[]): string {
  return `${fields.map(quoted).join(",")}\n`;
}

/** Names of sensors come from firmware. */
function quoted(field: string): string {
  return /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}
