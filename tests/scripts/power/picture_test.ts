import assert from "node:assert/strict";
import type { Unit } from "../../../lib/power/meter.ts";
import type { Trace } from "../../../lib/power/trace/trace.ts";
import { canDraw, placesOf, tracePicture } from "../../../scripts/power/picture.ts";

const places = placesOf({ packages: [{ id: 0, package: 0, cpus: [0, 1] }, { id: 1, package: 1, cpus: [2, 3] }] });

function trace(columns: Readonly<Record<string, Unit>>, rows: readonly (readonly (number | null)[])[], missed = 0): Trace {
  return {
    startedAt: "2026-01-02T03:04:05.000Z",
    columns: Object.entries(columns).map(([name, unit]) => ({ name, unit, doc: "" })),
    rows: rows.map((values, index) => ({ seconds: index, values })),
    missed,
  };
}

/** Words of a picture, in their order. */
function words(svg: string): string[] {
  assert.match(svg, /^<svg [\s\S]*<\/svg>\n$/);
  assert.doesNotMatch(svg, /NaN|Infinity|undefined/);
  return [...svg.matchAll(/>([^<>]+)</g)].map(([, text]) => text.trim()).filter((text) => text !== "");
}

Deno.test("tracePicture() has a panel for each quantity that is there, and the mean power of each part", () => {
  const rows = [[null, 40, 2e9, 3e9, 205, null], [100, 41, 2e9, 3e9, 205, 10], [200, 42, 2e9, 1e9, 205, 20]];
  const columns = {
    "package0/power": "W",
    "package0/temperature": "degC",
    "cpu0/frequency": "Hz",
    "cpu1/frequency": "Hz",
    "package0/power-limit": "W",
    "dram0/power": "W",
  } as const;
  const text = words(tracePicture(trace(columns, rows, 3), places, { title: "Power <of> it", limitCelsius: 80 }));
  assert.deepEqual(text.slice(0, 2), ["Power &lt;of&gt; it", "Power &lt;of&gt; it"]);
  assert.ok(text.includes("from 2026-01-02 03:04:05 UTC; readings missed: 3"), text.join("|"));
  for (const word of ["package0", "mean 150.0 W", "dram0", "mean 15.0 W", "power, W", "frequency, GHz", "temperature, °C"]) {
    assert.ok(text.includes(word), word);
  }
  assert.equal(text.filter((word) => word === "limit").length, 2);
  assert.ok(!text.includes("cores") && !text.includes("held back, %"));
});

Deno.test("tracePicture() draws the cap, cores that change, and being held back", () => {
  const columns = {
    "package0/power": "W",
    "package1/power": "W",
    "package0/cap": "W",
    "package1/cap": "W",
    "package0/active-cores": "count",
    "package0/throttled-share": "%",
  } as const;
  const text = words(tracePicture(trace(columns, [[null, null, 90, 90, 16, null], [90, 80, 90, 90, 12, 7]]), places, { title: "x" }));
  // One line for the same cap of both.
  assert.equal(text.filter((word) => word === "cap").length, 1);
  assert.ok(text.includes("cores") && text.includes("held back, %"));
});

Deno.test("tracePicture() leaves out what has no power, a limit far above it, and says how many parts are not shown", () => {
  const many = Object.fromEntries(Array.from({ length: 6 }, (_, id) => [`package${id}/power`, "W" as const]));
  const text = words(tracePicture(trace({ ...many, "psys0/power": "W" }, [times(7, null), [...times(6, 50), 0]]), places, { title: "x" }));
  assert.ok(text.some((word) => word.endsWith("; not shown: package4, package5")), text.join("|"));
  assert.ok(!text.includes("psys0"));
  const far = words(
    tracePicture(trace({ "package0/power": "W", "package0/power-limit": "W" }, [[null, 205], [40, 205]]), places, { title: "x" }),
  );
  assert.ok(!far.includes("limit"));
});

Deno.test("tracePicture() gives frequencies to the package of the CPU", () => {
  const columns = {
    "package0/power": "W",
    "package1/power": "W",
    "cpu0/frequency": "Hz",
    "cpu3/frequency": "Hz",
    "cpu9/frequency": "Hz",
  } as const;
  const rows = Array.from({ length: 3 }, () => [50, 60, 1e9, 3e9, 2e9]);
  const svg = tracePicture(trace(columns, rows), places, { title: "x" });
  const lines = [...svg.matchAll(/<path d="M[^"]*" fill="none" stroke="(#[0-9a-f]+)" stroke-width="1.6"/g)];
  // Two of power, two of frequency; the CPU that nobody has is drawn nowhere.
  assert.equal(lines.length, 4);
});

Deno.test("tracePicture() of a trace without power, or without values, is a picture all the same", () => {
  words(tracePicture(trace({ "core0/temperature": "degC" }, [[40], [41]]), places, { title: "x" }));
  words(tracePicture(trace({ "package0/power": "W" }, [[null], [null]]), places, { title: "x" }));
  assert.equal(canDraw(trace({}, [[]])), false);
});

function times(count: number, value: number | null): (number | null)[] {
  return Array(count).fill(value);
}

Deno.test("tracePicture() draws a day of many CPUs", () => {
  const cpus = Array.from({ length: 256 }, (_, cpu) => [`cpu${cpu}/frequency`, "Hz"] as const);
  const row = [100, ...cpus.map((_, cpu) => 2e9 + cpu * 1e6)];
  const many = trace({ "package0/power": "W", ...Object.fromEntries(cpus) }, Array.from({ length: 400_000 }, () => row));
  assert.ok(words(tracePicture(many, placesOf({ packages: [] }), { title: "A day" })).includes("frequency, GHz"));
});
