import assert from "node:assert/strict";
import { cellCountOf, type MemoryHolder, type MemoryPanel, memorySvg } from "../../../lib/report/memory_svg.ts";

const names = ["sim", "viz", "halo-exchange"];
const holders: MemoryHolder[] = [
  ...names.flatMap((container): MemoryHolder[] => [
    { kind: "unit", container, bytes: 2 ** 31 },
    { kind: "spare", container, bytes: 2 ** 30 },
    { kind: "container", container, bytes: 2 ** 24 },
  ]),
  { kind: "others", bytes: 3 * 2 ** 30 },
  { kind: "pool", bytes: 2 ** 29 },
  { kind: "kernel", bytes: 2 ** 30 },
  { kind: "free", bytes: 2 ** 34 },
];

/** A panel of pieces that have a little of everything, in turn. */
function panel(node: number, count: number): MemoryPanel {
  const cells = Array.from({ length: count }, (_, cell) => holders.map((_, index) => (cell + index) % 5 === 0 ? index + 1 : 0));
  return { heading: `Node ${node} · 16 GiB`, line: "12 GiB free, 3 GiB in files", cells };
}

const draw = (count: number, title = "Memory of node7 by owner") =>
  memorySvg(
    { title, lines: ["All frames were looked at"] },
    holders,
    Array.from({ length: count }, (_, node) => panel(node, cellCountOf(count))),
  );
const texts = (svg: string) => [...svg.matchAll(/<text [^>]*>([^<]*)<\/text>/g)].map((match) => match[1]);

for (const count of [1, 4, 8, 16]) {
  Deno.test(`memorySvg() of ${count} nodes lies within the picture, as well-formed XML without scripts`, () => {
    const svg = draw(count);
    const [width, height] = ["width", "height"].map((name) => Number(new RegExp(` ${name}="([\\d.]+)"`).exec(svg)![1]));
    for (const [, x, y, w, h] of svg.matchAll(/M([\d.]+) ([\d.]+)h([\d.]+)v([\d.]+)h-[\d.]+z/g)) {
      assert.ok(Number(x) + Number(w) <= width && Number(y) + Number(h) <= height, `${x} ${y}`);
    }
    assert.ok(width <= 1400 && height <= 1200, `${width} x ${height}`);
    assert.equal(texts(svg).filter((text) => /^Node \d+ /.test(text)).length, count);
    assert.doesNotMatch(svg, /<script|<style|href|url\(|\bid=|NaN|Infinity/);
    assert.doesNotMatch(svg, /&(?!amp;|lt;|gt;|quot;|#39;)/);
    const open: string[] = [];
    for (const [, end, name, empty] of svg.matchAll(/<(\/?)([a-z]+)[^>]*?(\/?)>/g)) {
      if (end) assert.equal(open.pop(), name);
      else if (!empty) open.push(name);
    }
    assert.deepEqual(open, []);
  });
}

Deno.test("memorySvg() names every holder that has something, with how much it is", () => {
  const labels = texts(draw(4));
  for (const label of ["units of sim: 2 GiB", "free on nodes of viz: 1 GiB", "halo-exchange, in no unit: 16 MiB", "the kernel: 1 GiB"]) {
    assert.ok(labels.includes(label), `${label} in ${labels}`);
  }
  const none = memorySvg({ title: "t", lines: [] }, holders.map((holder) => ({ ...holder, bytes: holder.kind === "free" ? 1 : 0 })), []);
  assert.deepEqual(texts(none), ["t", "free: 1 B"]);
});

Deno.test("memorySvg() shows a unit that has one frame of a piece of thousands", () => {
  const two: MemoryHolder[] = [{ kind: "unit", container: "sim", bytes: 4096 }, { kind: "free", bytes: 2 ** 34 }];
  const svg = memorySvg({ title: "t", lines: [] }, two, [{ heading: "Node 0", line: "", cells: [[1, 100_000]] }]);
  const heights = [...svg.matchAll(/<path d="([^"]*)" fill="#8cc4f0"/g)].flatMap(([, path]) =>
    [...path.matchAll(/v([\d.]+)h/g)].map(([, v]) => Number(v))
  );
  assert.deepEqual(heights.toSorted((a, b) => a - b), [2, 14]);
});

Deno.test("memorySvg() escapes names and shortens what does not fit", () => {
  const name = `<b onclick="x">&'${"long".repeat(100)}`;
  const svg = draw(1, name);
  assert.doesNotMatch(svg, /<b /);
  assert.match(svg, /&lt;b onclick=&quot;x&quot;&gt;&amp;&#39;long/);
  assert.match(svg, /…<\/text>/);
});
