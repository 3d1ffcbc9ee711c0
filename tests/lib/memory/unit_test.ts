import assert from "node:assert/strict";
import { describeUnit, formatSize, limitBytesOf, losesUnits, type OwnMemory, type Unit, widest } from "../../../lib/memory/unit.ts";
import { GiB, MiB } from "./machines.ts";

const heap: Unit = { id: "node1", backend: "hugetlb", node: 1, nodes: [1], bytes: 64 * MiB, pageBytes: 2 * MiB };
const halo: Unit = { id: "halo", backend: "tmpfs", node: 2, nodes: [2], bytes: 8192, pageBytes: 4096, object: "halo" };
const own = (...units: Unit[]): OwnMemory => ({ units, policy: "bind", programs: "preload", owner: { uid: 0, gid: 0 } });

Deno.test("formatSize() takes the largest unit that divides a size", () => {
  const sizes = [0, 1, 4096, 5000, 1.5 * MiB, 2 * MiB, GiB, 2048 * GiB].map(formatSize);
  assert.deepEqual(sizes, ["0B", "1B", "4KiB", "5000B", "1536KiB", "2MiB", "1GiB", "2TiB"]);
});

Deno.test("describeUnit() says how much of what is owned how", () => {
  assert.equal(describeUnit(heap), "64MiB of node 1 in huge pages of 2MiB");
  assert.equal(describeUnit(halo), "8KiB of node 2 in pages of 4KiB, object halo");
  assert.equal(describeUnit({ ...heap, backend: "node", nodes: [1, 2] }), "the whole of nodes 1, 2, 64MiB");
  assert.equal(describeUnit({ ...heap, backend: "limit" }), "at most 64MiB from anywhere, no pages of its own");
  assert.equal(describeUnit({ ...heap, backend: "devdax", object: "a", device: "dax0.0" }), "64MiB of node 1 on device dax0.0, object a");
});

Deno.test("widest() keeps each unit at its larger size, and losesUnits() says when one becomes less", () => {
  const small = { ...heap, bytes: 2 * MiB };
  assert.deepEqual(widest(own(heap), own(small, halo))?.units, [heap, halo]);
  assert.deepEqual(widest(own(heap, halo), own(small))?.units, [heap, halo]);
  assert.deepEqual(widest(undefined, own(small))?.units, [small]);
  assert.deepEqual(widest(own(small), undefined)?.units, [small]);
  assert.equal(widest(undefined, undefined), undefined);
  const cases = [[own(heap), own(small)], [own(heap), undefined], [own(small), own(heap)], [undefined, own(heap)], [
    own(heap),
    own(heap, halo),
  ]];
  assert.deepEqual(cases.map(([from, to]) => losesUnits(from, to)), [true, true, false, false, false]);
});

Deno.test("limitBytesOf() is what units of the backend limit come to", () => {
  const limit = { ...heap, backend: "limit" } as const;
  assert.deepEqual([undefined, own(heap, halo), own(heap, limit, limit), own(limit, halo)].map(limitBytesOf), [
    null,
    null,
    128 * MiB,
    64 * MiB + 8192,
  ]);
});
