import assert from "node:assert/strict";
import { pagingSvg } from "../../../lib/report/paging_svg.ts";

const cell = (absent: number, clean: number, dirty: number, poisoned: number) => ({ absent, clean, dirty, poisoned });

Deno.test("pagingSvg() draws each piece from below with what its pages are, and counts them in the legend", () => {
  const svg = pagingSvg("Pages of a <program>", [{
    heading: "Region 5",
    line: "mode signal",
    cells: [cell(0, 10, 0, 0), cell(5, 5, 0, 0), cell(0, 999, 0, 1), cell(0, 0, 3, 0)],
  }]);
  assert.match(svg, /<title>Pages of a &lt;program&gt;<\/title>/);
  assert.match(svg, /resident: 1014 pages[\s\S]*dirty: 3 pages[\s\S]*failed: 1 pages[\s\S]*absent: 5 pages/);
  const [clean] = /<path d="([^"]*)" fill="#4f8fd0"/.exec(svg)!.slice(1);
  assert.equal(clean.match(/M/g)!.length, 3);
  assert.match(clean, /h10v10h-10z.*h10v5h-10z/);
  const [poisoned] = /<path d="([^"]*)" fill="#c8384b"/.exec(svg)!.slice(1);
  const height = Number(/v([\d.]+)/.exec(poisoned)![1]);
  assert(height > 1, "one page of a thousand is seen");
});

Deno.test("pagingSvg() draws a region of no page, and several regions below each other", () => {
  assert.match(pagingSvg("None", [{ heading: "Region 1", line: "", cells: [] }]), /resident: 0 pages/);
  const svg = pagingSvg("Two", [
    { heading: "Region 1", line: "", cells: Array(65).fill(cell(1, 0, 0, 0)) },
    { heading: "Region 2", line: "", cells: [cell(0, 1, 0, 0)] },
  ]);
  const tops = [...svg.matchAll(/<rect x="24" y="(\d+)" width="\d+" height="(\d+)" rx="6"/g)].map((match) => match.slice(1).map(Number));
  assert.deepEqual(tops.length, 2);
  assert(tops[0][0] + tops[0][1] < tops[1][0]);
});
