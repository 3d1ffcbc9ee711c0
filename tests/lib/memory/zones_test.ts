import assert from "node:assert/strict";
import { readFreeBlocks, readNodeFrames } from "../../../lib/memory/zones.ts";
import { MemoryRoot } from "../../machines/memory_root.ts";

const zone = (node: number, name: string, start: number, spanned: number) =>
  [
    `Node ${node}, zone ${name.padStart(8)}`,
    "  pages free     2047",
    "        min      8",
    `        spanned  ${spanned}`,
    `        present  ${Math.floor(spanned * 0.9)}`,
    "        protection: (0, 3020, 3020, 3020, 3020)",
    ...(spanned === 0 ? [] : ["      nr_free_pages 2047", `  start_pfn:           ${start}`]),
    "",
  ].join("\n");

Deno.test("readNodeFrames() tells which frames a node spans, zones that meet as one", () => {
  const text = [
    zone(0, "DMA", 1, 4095),
    zone(0, "DMA32", 4096, 258048),
    zone(0, "Movable", 0, 0),
    zone(1, "Normal", 262144, 1000),
    zone(1, "Device", 900000, 512),
  ].join("");
  const frames = readNodeFrames(new MemoryRoot({ "/proc/zoneinfo": text }));
  assert.deepEqual([...frames], [[0, [{ frame: 1, count: 262143 }]], [1, [{ frame: 262144, count: 1000 }, { frame: 900000, count: 512 }]]]);
  assert.equal(readNodeFrames(new MemoryRoot({})).size, 0);
});

Deno.test("readFreeBlocks() tells how much free memory is in large blocks, by node", () => {
  const text =
    "Node 0, zone      DMA      1      0      2 \nNode 0, zone   Normal      3      1      5 \nNode 1, zone   Normal      4      0      0 \n";
  const blocks = readFreeBlocks(new MemoryRoot({ "/proc/buddyinfo": text }), 4096);
  assert.equal(blocks.get(0)!.freeBytes, (4 + 2 + 4 * 7) * 4096);
  assert.equal(blocks.get(0)!.wholeBytes(16384), 4 * 7 * 4096);
  assert.equal(blocks.get(1)!.wholeBytes(8192), 0);
  assert.equal(readFreeBlocks(new MemoryRoot({}), 4096).size, 0);
});
