import assert from "node:assert/strict";
import fc from "fast-check";
import { type PowerPanel, powerSvg } from "../../../lib/report/power_svg.ts";

const legend = [{ name: "open loop" }, { name: "hardware", note: "5 % over" }, { name: "ours" }];
const chart = { title: "Power <of> package 0", subtitle: "a & b", legend };

/** Throws unless every element is closed, and every number of a path lies on the paper. */
function assertDrawn(svg: string): void {
  assert.doesNotMatch(svg, /NaN|undefined|Infinity|null|\[object/);
  const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg)!.map(Number);
  const open = [...svg.matchAll(/<(\/?)([a-z]+)[^>]*?(\/?)>/g)].filter(([, , , empty]) => !empty);
  assert.equal(open.filter(([, close]) => close).length * 2, open.length);
  for (const [, path] of svg.matchAll(/ d="([^"]*)"/g)) {
    for (const [, command, numbers] of path.matchAll(/([MLHV])([^MLHVZ]*)/g)) {
      numbers.split(" ").filter(Boolean).map(Number).forEach((number, index) => {
        const most = command === "V" || index === 1 ? height : width;
        assert.ok(number >= 0 && number <= most, `${command}${numbers} is on the paper`);
      });
    }
  }
}

const point = fc.tuple(fc.double({ min: 0, max: 10, noNaN: true }), fc.double({ min: -50, max: 400, noNaN: true }), fc.nat(50)).map(
  ([seconds, value, spread]) => ({ seconds, value, low: value - spread, high: value + spread }),
);
const points = fc.array(point, { maxLength: 50 }).map((all) => all.toSorted((a, b) => a.seconds - b.seconds));
const panel: fc.Arbitrary<PowerPanel> = fc.record({
  yTitle: fc.string(),
  runs: fc.array(points, { minLength: 3, maxLength: 3 }),
  limits: fc.array(fc.record({ name: fc.string(), points }), { maxLength: 2 }),
});

Deno.test("powerSvg() draws any panels on the paper", () => {
  fc.assert(fc.property(fc.array(panel, { minLength: 1, maxLength: 4 }), (panels) => assertDrawn(powerSvg(chart, panels, 10))));
});

Deno.test("powerSvg() names every run in a colour of its own, each limit, and escapes words", () => {
  const runs = [1, 2, 3].map((value) => [{ seconds: 0, value }, { seconds: 10, value }]);
  const svg = powerSvg(chart, [{ yTitle: "power, W", runs, limits: [{ name: "cap", points: [{ seconds: 0, value: 2 }] }] }], 10);
  assertDrawn(svg);
  assert.match(svg, /Power &lt;of&gt; package 0/);
  assert.match(svg, />open loop<.*>hardware<.*>5 % over<.*>ours<.*>power, W<.*>cap</s);
  assert.equal(new Set([...svg.matchAll(/rx="2" fill="(#\w+)"/g)].map(([, fill]) => fill)).size, 3);
});

Deno.test("powerSvg() draws one run, and panels without points", () => {
  assertDrawn(powerSvg({ title: "x", legend: [{ name: "package0" }] }, [{ yTitle: "W", runs: [[{ seconds: 1, value: 5 }]] }], 2));
  assertDrawn(powerSvg(chart, [{ yTitle: "W", runs: [[], [], []] }], 10));
});

Deno.test("a range is drawn behind its line, and only where there is one", () => {
  const line = (low: number) => [[{ seconds: 0, value: 5, low, high: 5 }, { seconds: 1, value: 5, low, high: 5 }]];
  const svg = (low: number) => powerSvg({ title: "x", legend: [{ name: "y" }] }, [{ yTitle: "W", runs: line(low) }], 1);
  assert.match(svg(3), /fill-opacity/);
  assert.doesNotMatch(svg(5), /fill-opacity/);
});
