import assert from "node:assert/strict";
import fc from "fast-check";
import { table } from "../../../lib/report/table.ts";

Deno.test("table() lays columns out two spaces apart, numbers to the right", () => {
  const text = table([{ title: "NAME" }, { title: "PROCESSES", right: true }, { title: "LIVES" }], [
    ["sim", "12", "until down"],
    ["visualisation", "3", "with process 7"],
  ]);
  assert.equal(
    text,
    [
      "NAME           PROCESSES  LIVES",
      "sim                   12  until down",
      "visualisation          3  with process 7",
    ].join("\n"),
  );
});

Deno.test("table() of no rows is its titles, and missing cells are empty", () => {
  assert.equal(table([{ title: "A" }, { title: "B" }], []), "A  B");
  assert.equal(table([{ title: "A" }, { title: "B" }, { title: "C" }], [["1"], ["1", "2", "3"]]), "A  B  C\n1\n1  2  3");
});

Deno.test("table() counts characters, not code units", () => {
  assert.equal(table([{ title: "A" }, { title: "B" }], [["µs", "x"], ["𝛑𝛑𝛑", "y"]]), "A    B\nµs   x\n𝛑𝛑𝛑  y");
});

Deno.test("table() leaves no space at the end of a line, and begins each column in one place", () => {
  const cell = fc.string({ unit: fc.constantFrom("a", "b", "é", "7"), maxLength: 8 });
  fc.assert(fc.property(fc.array(fc.tuple(cell, cell, cell), { maxLength: 6 }), (rows) => {
    const lines = table([{ title: "FIRST" }, { title: "SECOND" }, { title: "THIRD" }], rows).split("\n");
    const second = lines[0].indexOf("SECOND");
    assert.equal(lines.length, rows.length + 1);
    rows.forEach((row, index) => {
      const line = lines[index + 1];
      assert.equal(line, line.trimEnd());
      assert.equal(line.slice(0, second).trimEnd(), row[0]);
      assert.ok(line.slice(second).startsWith(row[1]));
      assert.ok(line.endsWith(row[2]));
    });
  }));
});
