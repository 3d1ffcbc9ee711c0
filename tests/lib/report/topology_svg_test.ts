import assert from "node:assert/strict";
import { readTopology } from "../../../lib/kernel/topology.ts";
import { topologySvg } from "../../../lib/report/topology_svg.ts";
import { descriptions } from "../../machines/descriptions.ts";
import { machine } from "../../machines/machine.ts";

const draw = (name: string, owners = new Map<number, string>()) =>
  topologySvg(readTopology(machine(name)), owners, { title: `CPUs of ${name}` });
const texts = (svg: string) => [...svg.matchAll(/<text [^>]*>([^<]*)<\/text>/g)].map((match) => match[1]);
const attribute = (element: string, name: string) => Number(new RegExp(` ${name}="([\\d.]+)"`).exec(element)?.[1]);

for (const name of ["vm-cgroup1", ...Object.keys(descriptions)]) {
  Deno.test(`topologySvg() of ${name} draws every CPU once, within the picture, as well-formed XML without scripts`, () => {
    const topology = readTopology(machine(name));
    const svg = draw(name, new Map(topology.onlineCpus.map((cpu) => [cpu, cpu === 0 ? "service" : "sim"])));
    const tiles = [...svg.matchAll(/<g><title>CPU (\d+): [^<]*<\/title><rect ([^>]*)\/><text [^>]*>(\d+)<\/text><\/g>/g)];
    assert.deepEqual(
      tiles.map((match) => Number(match[1])).sort((a, b) => a - b),
      [...topology.onlineCpus, ...topology.offlineCpus].sort((a, b) => a - b),
    );
    assert.ok(tiles.every((match) => match[1] === match[3]));
    const [width, height] = [attribute(svg, "width"), attribute(svg, "height")];
    for (const [rect] of svg.matchAll(/<rect [^>]*>/g)) {
      const right = (attribute(rect, "x") || 0) + attribute(rect, "width");
      const bottom = (attribute(rect, "y") || 0) + attribute(rect, "height");
      assert.ok(right <= width && bottom <= height, rect);
    }
    assert.ok(width <= 1400 && height <= 1000, `${width} x ${height}`);
    wellFormed(svg);
    assert.doesNotMatch(svg, /<script|<style|href|url\(|\bid=/);
  });
}

/** Every tag is closed in the order of opening, and no text holds a bare ampersand. */
function wellFormed(svg: string): void {
  const open: string[] = [];
  for (const [, end, name, empty] of svg.matchAll(/<(\/?)([a-z]+)[^>]*?(\/?)>/g)) {
    if (end) assert.equal(open.pop(), name);
    else if (!empty) open.push(name);
  }
  assert.deepEqual(open, []);
  assert.doesNotMatch(svg, /&(?!amp;|lt;|gt;|quot;|#39;)/);
}

Deno.test("topologySvg() names owners with their CPUs in the legend", () => {
  const svg = draw("holes", new Map([[0, "service"], [1, "service"], [8, "sim"]]));
  const legend = texts(svg).slice(-4);
  assert.deepEqual(legend, ["service: 0-1", "sim: 8", "free: 2-3,6,9,12", "off: 4-5,7,13"]);
});

Deno.test("topologySvg() names packages, nodes, caches and cores as the kernel does", () => {
  const labels = texts(draw("power9-smt4"));
  for (const label of ["Package 8", "Node 8 · 256 GiB", "Node 252 · 16 GiB, no CPUs", "L3 10 MiB", "Core 2032", "Off"]) {
    assert.ok(labels.includes(label), `${label} in ${labels}`);
  }
});

Deno.test("topologySvg() escapes names and shortens what does not fit", () => {
  const name = `<b onclick="x">&'${"long".repeat(100)}`;
  const svg = topologySvg(readTopology(machine("vm-cgroup1")), new Map([[0, name]]), { title: name });
  wellFormed(svg);
  assert.ok(!svg.includes("<b ") && svg.includes("&lt;b onclick=&quot;x&quot;&gt;&amp;&#39;long"));
  assert.ok(texts(svg).every((text) => text.length < 200));
});
