import assert from "node:assert/strict";
import fc from "fast-check";
import { arrange, type Box, clipText, stack, textWidth, wrapText } from "../../../lib/report/topology_layout.ts";

const box = (name: string, width: number, height: number): Box => ({ width, height, draw: (x, y) => [`${name} ${x} ${y}`] });
const square = (name: string) => box(name, 10, 10);
const style = { padding: 0, gap: 2, ratio: 1 };

Deno.test("arrange() fills rows in reading order, near to the wanted shape", () => {
  const { width, height, draw } = arrange(["a", "b", "c", "d"].map(square), style);
  assert.deepEqual([width, height], [22, 22]);
  assert.deepEqual(draw(100, 0), ["a 100 0", "b 112 0", "c 100 12", "d 112 12"]);
});

Deno.test("arrange() prefers full rows to the exact shape", () => {
  const boxes = Array.from({ length: 8 }, (_, index) => square(`${index}`));
  const { width, height } = arrange(boxes, { ...style, gap: 0 });
  assert.deepEqual([[20, 40], [40, 20]].filter(([a, b]) => a === width && b === height).length, 1, `${width} x ${height}`);
});

Deno.test("arrange() heeds the greatest width, unless one column is wider", () => {
  const boxes = ["a", "b", "c", "d"].map(square);
  assert.equal(arrange(boxes, { ...style, ratio: 99, widthMax: 30 }).width, 22);
  assert.equal(arrange(boxes, { ...style, ratio: 99, widthMax: 5 }).width, 10);
});

Deno.test("arrange() makes room for heading and padding, and stretches when it is given more", () => {
  const heading = { width: 50, height: 20, draw: (x: number, y: number) => `heading ${x} ${y}` };
  const { width, height, draw } = arrange([square("a")], { ...style, padding: 5, rect: `fill="red"`, heading });
  assert.deepEqual([width, height], [60, 40]);
  assert.deepEqual(draw(0, 0, { width: 80, height: 10 }), [
    `<rect x="0" y="0" width="80" height="40" fill="red"/>`,
    "heading 5 18",
    "a 5 25",
  ]);
});

Deno.test("arrange() of nothing is its heading", () => {
  const heading = { width: 50, height: 20, draw: () => "heading" };
  const { width, height, draw } = arrange([], { padding: 5, gap: 2, ratio: 1, heading });
  assert.ok(width === 60 && height <= 30 && height > 20, `${width} x ${height}`);
  assert.deepEqual(draw(0, 0), ["heading"]);
});

Deno.test("arrange() never lets boxes overlap or leave it", () => {
  const sizes = fc.array(fc.record({ width: fc.integer({ min: 1, max: 90 }), height: fc.integer({ min: 1, max: 90 }) }), {
    minLength: 1,
    maxLength: 40,
  });
  fc.assert(fc.property(sizes, fc.double({ min: 0.1, max: 20, noNaN: true }), (sizes, ratio) => {
    const placed: { left: number; top: number; right: number; bottom: number }[] = [];
    const boxes = sizes.map(({ width, height }): Box => ({
      width,
      height,
      draw: (x, y) => {
        placed.push({ left: x, top: y, right: x + width, bottom: y + height });
        return [];
      },
    }));
    const whole = arrange(boxes, { padding: 3, gap: 1, ratio });
    whole.draw(0, 0);
    assert.equal(placed.length, boxes.length);
    for (const [index, a] of placed.entries()) {
      assert.ok(a.left >= 3 && a.top >= 3 && a.right <= whole.width - 3 && a.bottom <= whole.height - 3);
      for (const b of placed.slice(0, index)) {
        assert.ok(a.left >= b.right + 1 || b.left >= a.right + 1 || a.top >= b.bottom + 1 || b.top >= a.bottom + 1);
      }
    }
  }));
});

Deno.test("stack() puts boxes below each other", () => {
  const { width, height, draw } = stack([box("a", 10, 20), box("b", 30, 5)], 4);
  assert.deepEqual([width, height], [30, 29]);
  assert.deepEqual(draw(1, 2), ["a 1 2", "b 1 26"]);
});

Deno.test("wrapText() breaks behind commas only", () => {
  assert.deepEqual(wrapText("2 packages, 4 memory nodes, 32 cores", 110, 10), ["2 packages,", "4 memory nodes,", "32 cores"]);
  assert.deepEqual(wrapText("one very long part without a break", 10, 10), ["one very long part without a break"]);
  assert.deepEqual(wrapText("", 10, 10), [""]);
});

Deno.test("clipText() shortens to the width, whatever the letters", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), fc.integer({ min: 10, max: 400 }), (text, width) => {
    const clipped = clipText(text, width, 10);
    assert.ok(textWidth(clipped, 10) <= width);
    assert.ok(clipped === text || clipped.endsWith("…") && text.startsWith(clipped.slice(0, -1)));
  }));
});
