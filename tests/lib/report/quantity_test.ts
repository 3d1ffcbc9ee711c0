import assert from "node:assert/strict";
import fc from "fast-check";
import { formatBytes, formatNs } from "../../../lib/report/quantity.ts";

Deno.test("formatBytes() takes the largest unit that fits", () => {
  const cases: [number, string][] = [
    [0, "0 B"],
    [1, "1 B"],
    [1023, "1023 B"],
    [1024, "1 KiB"],
    [1536, "1.5 KiB"],
    [2 ** 20, "1 MiB"],
    [64 * 2 ** 30, "64 GiB"],
    [1.25 * 2 ** 30, "1.25 GiB"],
    [12.34 * 2 ** 30, "12.3 GiB"],
    [123.4 * 2 ** 30, "123 GiB"],
    [3 * 2 ** 40, "3 TiB"],
    [4096 * 2 ** 40, "4096 TiB"],
  ];
  for (const [bytes, text] of cases) assert.equal(formatBytes(bytes), text);
});

Deno.test("formatNs() takes the largest unit that fits", () => {
  const cases: [number, string][] = [
    [0, "0 ns"],
    [999, "999 ns"],
    [1000, "1 us"],
    [12_345, "12.3 us"],
    [4_560_000, "4.56 ms"],
    [102_300_000, "102 ms"],
    [1.2e9, "1.2 s"],
    [3600e9, "3600 s"],
  ];
  for (const [ns, text] of cases) assert.equal(formatNs(ns), text);
});

Deno.test("formatBytes() and formatNs() keep a value to within one in a hundred", () => {
  const units: Record<string, number> = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40, ns: 1, us: 1e3, ms: 1e6, s: 1e9 };
  fc.assert(fc.property(fc.integer({ min: 1, max: 2 ** 50 }), (value) => {
    for (const text of [formatBytes(value), formatNs(value)]) {
      const [number, unit] = text.split(" ");
      assert.ok(Math.abs(Number(number) * units[unit] / value - 1) < 0.01, `${value} as ${text}`);
    }
  }));
});
