import assert from "node:assert/strict";
import fc from "fast-check";
import { chartSize } from "../../../lib/report/chart.ts";
import { noiseHistogramSvg, noiseTimelineSvg } from "../../../lib/report/noise_svg.ts";

const chart = { title: "Noise on CPU 1", subtitle: "selfish detour", lengthTitle: "length of a detour" };

/** Throws unless elements are nested rightly; enough of XML for what we write. */
function assertWellFormed(svg: string): void {
  const open: string[] = [];
  const rest = svg.replace(/<(\/?)([a-z]+)((?:\s[a-zA-Z-]+(?::[a-z]+)?="[^"<]*")*)\s*(\/?)>/g, (_, close, name, _attributes, empty) => {
    if (close) assert.equal(open.pop(), name);
    else if (!empty) open.push(name);
    return "";
  });
  assert.deepEqual(open, [], "all elements are closed");
  assert.doesNotMatch(rest, /[<>]/, "nothing else looks like a tag");
}

function assertDrawn(svg: string): void {
  assertWellFormed(svg);
  assert.doesNotMatch(svg, /NaN|undefined|Infinity|null|\[object/);
  assert.doesNotMatch(svg, /<script|\son[a-z]+=/i);
  for (const [, path] of svg.matchAll(/ d="([^"]*)"/g)) {
    for (const [, command, numbers] of path.matchAll(/([MHVhZ])([^MHVhZ]*)/g)) {
      for (const number of numbers.split(" ").filter(Boolean).map(Number)) {
        assert.ok(number >= 0 && number <= chartSize.width, `${command}${numbers} is on the paper`);
      }
    }
  }
}

const bins = fc.array(fc.record({ from: fc.integer({ min: 0, max: 80 }), count: fc.integer({ min: 0, max: 1e7 }) }), { maxLength: 40 }).map(
  (all) =>
    all.toSorted((a, b) => a.from - b.from).map(({ from, count }) => ({ fromNs: 10 ** (from / 10), toNs: 10 ** ((from + 1) / 10), count })),
);
const points = fc.array(fc.record({ timeNs: fc.nat(2e9), lengthNs: fc.integer({ min: 0, max: 2e9 }) }), { maxLength: 400 });

Deno.test("noiseHistogramSvg() draws any bins on the paper", () => {
  fc.assert(fc.property(fc.array(bins, { minLength: 1, maxLength: 3 }), (all) => {
    assertDrawn(noiseHistogramSvg(chart, all.map((bins, index) => ({ name: `run ${index}`, bins }))));
  }));
});

Deno.test("noiseTimelineSvg() draws any points on the paper", () => {
  fc.assert(fc.property(fc.array(points, { minLength: 1, maxLength: 3 }), (all) => {
    assertDrawn(noiseTimelineSvg(chart, all.map((points, index) => ({ name: `run ${index}`, points })), 2e9));
  }));
});

Deno.test("a comparison names both runs in different colours", () => {
  const run = (name: string) => ({ name, note: "0.6 % lost", bins: [{ fromNs: 1000, toNs: 2000, count: 5 }] });
  const svg = noiseHistogramSvg(chart, [run("outside"), run("in container sim")]);
  assertDrawn(svg);
  assert.match(svg, />outside<.*>in container sim</s);
  const fills = [...svg.matchAll(/rx="2" fill="(#\w+)"/g)].map(([, fill]) => fill);
  assert.equal(new Set(fills).size, 2);
});

Deno.test("a timeline says how long the worst took", () => {
  const svg = noiseTimelineSvg(
    chart,
    [{ name: "CPU 1", points: [{ timeNs: 1e9, lengthNs: 3_400_000 }, { timeNs: 2e9, lengthNs: 1000 }] }],
    2e9,
  );
  assert.match(svg, />3\.4 ms</);
});

Deno.test("charts of nothing say so", () => {
  for (
    const svg of [noiseHistogramSvg(chart, [{ name: "CPU 1", bins: [] }]), noiseTimelineSvg(chart, [{ name: "CPU 1", points: [] }], 1e8)]
  ) {
    assertDrawn(svg);
    assert.match(svg, /nothing was longer than the threshold/);
  }
});

Deno.test("charts escape names and titles", () => {
  const svg = noiseHistogramSvg({ ...chart, title: `<script>"&'` }, [{ name: "a<b", note: "c&d", bins: [] }]);
  assertDrawn(svg);
  assert.match(svg, /&lt;script&gt;&quot;&amp;&#39;/);
  assert.match(svg, /a&lt;b/);
});
