/** A column of a table: its title, and whether its cells stand at the right edge (numbers). */
export interface Column {
  /** Printed above the cells, in capitals by convention. */
  readonly title: string;
  /** Cells end at the right edge of the column. */
  readonly right?: boolean;
}

/**
 * Lays out rows under titles, columns two spaces apart, without trailing spaces and without colour.
 *
 * @example Usage
 * ```ts
 * import assert from "node:assert/strict";
 * import { table } from "./table.ts";
 *
 * assert.equal(table([{ title: "NAME" }, { title: "CPUS", right: true }], [["sim", "2-15"]]), "NAME  CPUS\nsim   2-15");
 * ```
 */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map(({ title }, index) => Math.max(width(title), ...rows.map((row) => width(row[index] ?? ""))));
  const line = (cells: readonly string[]) =>
    columns
      .map(({ right }, index) => {
        const cell = cells[index] ?? "";
        const space = " ".repeat(widths[index] - width(cell));
        return right ? space + cell : cell + space;
      })
      .join("  ")
      .trimEnd();
  return [columns.map(({ title }) => title), ...rows].map(line).join("\n");
}

/** Columns a text takes on a terminal: its code points, which is exact for everything we print. */
function width(text: string): number {
  return [...text].length;
}
