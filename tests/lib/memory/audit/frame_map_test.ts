import assert from "node:assert/strict";
import { countOwners, type FrameFacts, type FrameMap, mapFrames } from "../../../../lib/memory/audit/frame_map.ts";

const bit = { buddy: 1n << 10n, anonymous: 1n << 12n, huge: 1n << 17n, head: 1n << 15n, tail: 1n << 16n, nopage: 1n << 20n };

/** A machine of 64 frames, by flags and by owner; the first 4 are a hole. */
function facts(flagsOf: (frame: number) => bigint, ownerOf: (frame: number) => number): FrameFacts {
  const words = (count: number, first: number, value: (frame: number) => bigint) =>
    BigUint64Array.from({ length: count }, (_, index) => value(first + index));
  return {
    flags: ({ frame, count }) => words(count, frame, flagsOf),
    owners: ({ frame, count }) => words(count, frame, (frame) => BigInt(ownerOf(frame))),
  };
}

const machine = facts(
  (frame) => frame < 4 ? bit.nopage : frame < 16 ? 0n : frame < 32 ? bit.buddy : frame < 40 ? bit.huge : bit.anonymous,
  (frame) => frame < 40 ? 0 : frame < 50 ? 7 : 1,
);

const sums = ({ holders, nodes }: FrameMap) =>
  Object.fromEntries(holders.flatMap(({ kind, container }, index) => {
    const count = nodes.flatMap(({ cells }) => cells).reduce((sum, { counts }) => sum + counts[index], 0);
    return count === 0 ? [] : [[container === undefined ? kind : `${kind} ${container}`, count]];
  }));

Deno.test("mapFrames() gives every frame to one holder, and holes to nobody", () => {
  const held = [{ container: "sim", runs: [{ frame: 36, count: 6 }], nodes: [], cgroup: 7 }];
  const map = mapFrames(machine, new Map([[0, [{ frame: 0, count: 64 }]]]), held, { cellCount: 8 });
  assert.deepEqual(sums(map), { "unit sim": 6, "container sim": 8, others: 14, pool: 4, kernel: 12, free: 16 });
  assert.deepEqual(map.nodes[0].cells.map(({ frame }) => frame), [0, 8, 16, 24, 32, 40, 48, 56]);
  assert.deepEqual([map.lookedCount, map.frameCount], [64, 64]);
});

Deno.test("mapFrames() gives a whole node's free frames and its programs' memory to its owner", () => {
  const held = [{ container: "viz", runs: [], nodes: [2], cgroup: null }, { container: "sim", runs: [], nodes: [1], cgroup: 7 }];
  const map = mapFrames(machine, new Map([[1, [{ frame: 0, count: 64 }]]]), held);
  assert.deepEqual(sums(map), { "unit sim": 10, "spare sim": 16, others: 14, pool: 8, kernel: 12 });
});

Deno.test("mapFrames() looks at a part of each piece where there is too much to look at, and says so", () => {
  const flat = facts((frame) => frame % 2 === 0 ? bit.buddy : 0n, () => 0);
  const map = mapFrames(flat, new Map([[0, [{ frame: 0, count: 2 ** 17 }]], [1, [{ frame: 2 ** 18, count: 2 ** 17 }]]]), [], {
    cellCount: 16,
    lookMax: 2 ** 15,
  });
  assert.deepEqual([map.frameCount, map.lookedCount], [2 ** 18, 2 ** 15]);
  assert.deepEqual(sums(map), { kernel: 2 ** 14, free: 2 ** 14 });
  assert.ok(map.nodes.every(({ cells }) => cells.length === 16 && cells.every(({ counts }) => counts.some((count) => count > 0))));
});

Deno.test("mapFrames() cuts nodes with gaps into pieces of one size", () => {
  const runs = [{ frame: 4, count: 10 }, { frame: 30, count: 22 }];
  const { nodes: [{ cells, cellFrames }] } = mapFrames(machine, new Map([[0, runs]]), [], { cellCount: 4 });
  assert.equal(cellFrames, 8);
  assert.deepEqual(cells.map(({ frame, counts }) => [frame, counts.reduce((sum, count) => sum + count, 0)]), [[4, 8], [12, 8], [36, 8], [
    44,
    8,
  ]]);
});

Deno.test("countOwners() counts memory of programs apart from everything else", () => {
  const owners = countOwners(machine, [{ frame: 38, count: 4 }, { frame: 48, count: 4 }]);
  assert.deepEqual([...owners], [
    [0, { anonymousCount: 0, otherCount: 2 }],
    [7, { anonymousCount: 4, otherCount: 0 }],
    [1, { anonymousCount: 2, otherCount: 0 }],
  ]);
  assert.equal(countOwners({ flags: () => null, owners: () => null }, [{ frame: 0, count: 9 }]).size, 0);
});

Deno.test("mapFrames() and countOwners() know the owner of a large page where the kernel names that of its first frame only", () => {
  const large = facts(
    (frame) => bit.anonymous | (frame % 8 === 0 ? bit.head : frame % 8 < 6 ? bit.tail : 0n),
    (frame) => frame % 8 === 0 ? 7 : 0,
  );
  const run = { frame: 0, count: 16 };
  assert.deepEqual([...countOwners(large, [run])], [[7, { anonymousCount: 12, otherCount: 0 }], [0, { anonymousCount: 4, otherCount: 0 }]]);
  const held = [{ container: "sim", runs: [{ frame: 0, count: 2 }], nodes: [], cgroup: 7 }];
  assert.deepEqual(sums(mapFrames(large, new Map([[0, [run]]]), held)), { "unit sim": 2, "container sim": 10, kernel: 4 });
});
