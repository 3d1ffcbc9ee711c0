import assert from "node:assert/strict";
import fc from "fast-check";
import { parseBytes, parseCount, parseDurationNs } from "../../../lib/container/quantity.ts";
import { UsageError } from "../../../lib/errors.ts";

Deno.test("parseBytes() knows binary and decimal units, in any case, with or without a space", () => {
  const cases: [string, number][] = [
    ["1", 1],
    ["4096", 4096],
    ["12B", 12],
    ["1k", 1024],
    ["512M", 512 * 2 ** 20],
    ["64GiB", 64 * 2 ** 30],
    ["64 gib", 64 * 2 ** 30],
    ["1.5GiB", 1.5 * 2 ** 30],
    ["2T", 2 * 2 ** 40],
    ["3TiB", 3 * 2 ** 40],
    ["1MB", 1e6],
    ["2.5GB", 2.5e9],
    [" 8KiB ", 8192],
    ["1.0001KiB", 1024],
  ];
  for (const [text, bytes] of cases) assert.equal(parseBytes(text), bytes, text);
});

Deno.test("parseDurationNs() knows units of time, and needs one", () => {
  const cases: [string, number][] = [["1ns", 1], ["950us", 950_000], ["5ms", 5_000_000], ["1s", 1e9], ["0.5 s", 5e8], ["1.5ms", 1_500_000]];
  for (const [text, ns] of cases) assert.equal(parseDurationNs(text), ns, text);
});

Deno.test("parseCount() takes whole numbers from 1", () => {
  assert.equal(parseCount("1"), 1);
  assert.equal(parseCount("999999999"), 999999999);
});

const wrong = {
  parseBytes: [
    "",
    " ",
    "0",
    "0.4",
    "-1",
    "+1",
    "1e3",
    "GiB",
    "64Gi",
    "1,5GiB",
    "1.GiB",
    ".5GiB",
    "1 2",
    "9".repeat(20),
    "9999999TiB",
    "0x10",
    "NaN",
    "constructor",
    "1constructor",
    "64GiB\0",
    "٣",
  ],
  parseDurationNs: ["", "5", "0ms", "0.1ns", "-5ms", "5m", "5 minutes", "1h", "1e3ms", "99999999999s", "ms", "5ms,", "5valueOf"],
  parseCount: ["", "0", "-1", "01", "1.5", "1e3", " 1", "1 ", "1000000000", "one", "1k", "\n1"],
};

for (const [name, parse] of Object.entries({ parseBytes, parseDurationNs, parseCount })) {
  Deno.test(`${name}() refuses everything else as an error of usage that says what would be right`, () => {
    for (const text of wrong[name as keyof typeof wrong]) {
      assert.throws(
        () => parse(text),
        (error) => error instanceof UsageError && error.message.startsWith("Cannot read ") && /^Write /.test(error.remedy!),
        JSON.stringify(text),
      );
    }
  });

  Deno.test(`${name}() of any text is a whole, positive number, or an error of usage`, () => {
    const text = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(..."0123456789.-+ eEkKmMgGtTiIbBnNuUsS") }));
    fc.assert(fc.property(text, (text) => {
      try {
        const value = parse(text);
        assert.ok(Number.isSafeInteger(value) && value > 0, `${value}`);
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
      }
    }));
  });
}
