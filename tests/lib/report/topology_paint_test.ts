import assert from "node:assert/strict";
import { readTopology } from "../../../lib/kernel/topology.ts";
import { offlinePaint, paintAttributes, painter, tileOf } from "../../../lib/report/topology_paint.ts";
import { machine } from "../../machines/machine.ts";

Deno.test("painter() gives ServiceOS, each container, free and offline CPUs colours of their own", () => {
  const paint = painter(readTopology(machine("holes")), new Map([[0, "service"], [1, "sim"], [2, "viz"], [3, "sim"]]));
  assert.deepEqual(paint(1), paint(3));
  const fills = [0, 1, 2, 6, 4].map((cpu) => paint(cpu).fill);
  assert.equal(new Set(fills).size, 5, fills.join(" "));
  assert.deepEqual(paint(4), offlinePaint);
});

Deno.test("painter() goes on when there are more containers than colours", () => {
  const topology = readTopology(machine("phi"));
  const paint = painter(topology, new Map(topology.onlineCpus.map((cpu) => [cpu, `c${cpu}`])));
  const fills = new Set(topology.onlineCpus.map((cpu) => paint(cpu).fill));
  assert.equal(fills.size, 10);
  assert.ok([...fills].every((fill) => /^#[0-9a-f]{6}$/.test(fill)));
});

Deno.test("painter() chooses numbers that can be read on their tile: contrast 4.5 for owned and free CPUs", () => {
  const topology = readTopology(machine("phi"));
  const owners = new Map(topology.onlineCpus.slice(0, 200).map((cpu) => [cpu, cpu === 0 ? "service" : `c${cpu % 10}`]));
  const paint = painter(topology, owners);
  for (const cpu of topology.onlineCpus) {
    const { fill, text } = paint(cpu);
    assert.ok(contrast(fill, text) >= 4.5, `${text} on ${fill}: ${contrast(fill, text)}`);
  }
});

/** As WCAG defines it. */
function contrast(a: string, b: string): number {
  const luminance = (color: string) => {
    const [red, green, blue] = [1, 3, 5].map((index) => Number.parseInt(color.slice(index, index + 2), 16) / 255)
      .map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (light + 0.05) / (dark + 0.05);
}

Deno.test("tileOf() shrinks with the number of CPUs, and three digits always fit", () => {
  const tiles = [2, 16, 64, 256, 1024].map(tileOf);
  for (let i = 1; i < tiles.length; i++) assert.ok(tiles[i].width <= tiles[i - 1].width);
  for (const { width, height, fontPixels } of tiles) assert.ok(3 * fontPixels * 0.62 <= width && fontPixels < height);
});

Deno.test("paintAttributes() writes dashes only where there are some", () => {
  assert.equal(paintAttributes({ fill: "#fff", text: "#000", border: "#111" }), `fill="#fff" stroke="#111"`);
  assert.equal(
    paintAttributes({ fill: "#fff", text: "#000", border: "#111", dash: "3 2" }),
    `fill="#fff" stroke="#111" stroke-dasharray="3 2"`,
  );
});
