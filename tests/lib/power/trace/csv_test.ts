import assert from "node:assert/strict";
import fc from "fast-check";
import { csvHeader, csvRow, formatCsv } from "../../../../lib/power/trace/csv.ts";
import type { Trace } from "../../../../lib/power/trace/trace.ts";
import { parseCsv } from "./parse_csv.ts";

const startedAt = "2026-01-02T03:04:05.500Z";

Deno.test("csvHeader() names time, seconds and each column with its unit, and quotes what firmware calls its sensors", () => {
  assert.equal(csvHeader([{ name: 'node/a "fan", left', unit: "degC", doc: "" }]), 'time,seconds,"node/a ""fan"", left [degC]"\n');
});

Deno.test("csvRow() has the time of day of the row, and an empty field for what is not there", () => {
  assert.equal(csvRow(startedAt, { seconds: 1.25, values: [120.25, null, 0] }), "2026-01-02T03:04:06.750Z,1.250000,120.25,,0\n");
});

Deno.test("formatCsv() is read back with nine digits of each value", () => {
  const column = fc.record({
    name: fc.string({ minLength: 1, maxLength: 8 }),
    unit: fc.constantFrom("W", "degC" as const),
    doc: fc.constant(""),
  });
  const value = fc.option(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e12, max: 1e12 }));
  const traces = fc.array(column, { minLength: 1, maxLength: 4 }).chain((columns) =>
    fc.record({
      startedAt: fc.constant(startedAt),
      columns: fc.constant(columns),
      rows: fc.array(
        fc.record({
          seconds: fc.nat(1e6).map((ms) => ms / 1000),
          values: fc.array(value, { minLength: columns.length, maxLength: columns.length }),
        }),
        { maxLength: 5 },
      ),
      missed: fc.constant(0),
    })
  );
  fc.assert(fc.property(traces, (trace: Trace) => {
    const [header, ...lines] = parseCsv(formatCsv(trace));
    assert.deepEqual(header, ["time", "seconds", ...trace.columns.map(({ name, unit }) => `${name} [${unit}]`)]);
    assert.equal(lines.length, trace.rows.length);
    for (const [index, [time, seconds, ...values]] of lines.entries()) {
      const row = trace.rows[index];
      assert.equal(Number(seconds), row.seconds);
      assert.equal(Date.parse(time), Date.parse(startedAt) + Math.round(row.seconds * 1000));
      values.forEach((text, at) => {
        const expected = row.values[at];
        if (expected === null) assert.equal(text, "");
        else assert.ok(Math.abs(Number(text) - expected) <= Math.abs(expected) * 1e-8, `${text} ${expected}`);
      });
    }
  }));
});
