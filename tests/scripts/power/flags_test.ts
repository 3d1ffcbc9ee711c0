import assert from "node:assert/strict";
import { UsageError } from "../../../lib/errors.ts";
import { metersFlag, parsePositive, parseSeconds, periodFlag } from "../../../scripts/power/flags.ts";

Deno.test("parseSeconds() takes numbers with and without a unit", () => {
  const cases: Readonly<Record<string, number>> = {
    "100ms": 0.1,
    "1.5s": 1.5,
    "10": 10,
    "2min": 120,
    "1h": 3600,
    "250us": 250e-6,
    " 3 s ": 3,
  };
  for (const [text, seconds] of Object.entries(cases)) assert.ok(Math.abs(parseSeconds(text) - seconds) < 1e-12, text);
});

Deno.test("parseSeconds() refuses what is no time above 0", () => {
  for (const text of ["", "0", "-1s", "1 d", "1e3", "s", "0.0ms", "NaN", "1s2", "9999999999"]) {
    assert.throws(() => parseSeconds(text), UsageError, text);
  }
});

Deno.test("--period is from 1 ms to an hour", () => {
  const { parse } = periodFlag("1s");
  assert.deepEqual([parse("1ms"), parse("1h")], [0.001, 3600]);
  for (const text of ["999us", "61min"]) assert.throws(() => parse(text), /out of range/, text);
});

Deno.test("parsePositive() refuses what is no number above 0", () => {
  assert.equal(parsePositive("87.5"), 87.5);
  for (const text of ["0", "-5", "1e3", "", "Infinity", "8 5"]) assert.throws(() => parsePositive(text), UsageError, text);
});

Deno.test("--meters are names with commas between them", () => {
  assert.deepEqual(metersFlag.parse("package*/energy, core0/temperature"), ["package*/energy", "core0/temperature"]);
  for (const text of ["", "a,", ",b"]) assert.throws(() => metersFlag.parse(text), UsageError, text);
});
