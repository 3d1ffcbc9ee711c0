import assert from "node:assert/strict";
import fc from "fast-check";
import { commonRuns, countFrames, formatRuns, type FrameRun, mergeRuns, otherRuns, partsIn } from "../../../lib/memory/frame_runs.ts";

const runs = fc.array(fc.record({ frame: fc.nat(60), count: fc.nat(12) }), { maxLength: 8 });
const framesOf = (list: readonly FrameRun[]) =>
  new Set(list.flatMap(({ frame, count }) => Array.from({ length: count }, (_, index) => frame + index)));
const sorted = (frames: Iterable<number>) => [...frames].sort((a, b) => a - b);

Deno.test("mergeRuns(), commonRuns() and otherRuns() do what sets of frames do, and return each frame once", () => {
  fc.assert(fc.property(runs, runs, (one, two) => {
    const [a, b] = [mergeRuns(one), mergeRuns(two)];
    const [inA, inB] = [framesOf(one), framesOf(two)];
    assert.deepEqual(sorted(framesOf(a)), sorted(inA));
    assert.equal(countFrames(a), inA.size);
    assert.ok(a.every(({ frame }, index) => index === 0 || frame > a[index - 1].frame + a[index - 1].count), "runs that meet are one");
    const [common, others] = [commonRuns(a, b), otherRuns(a, b)];
    assert.deepEqual(sorted(framesOf(common)), sorted(inA.intersection(inB)));
    assert.deepEqual(sorted(framesOf(others)), sorted(inA.difference(inB)));
    assert.equal(countFrames(common) + countFrames(others), inA.size);
  }));
});

Deno.test("partsIn() counts a frame as often as runs name it", () => {
  fc.assert(fc.property(runs, runs, (one, many) => {
    const [a, inA] = [mergeRuns(one), framesOf(one)];
    const found = many.flatMap((run) => partsIn(a, run));
    const expected = many.flatMap((run) => [...framesOf([run])]).filter((frame) => inA.has(frame));
    assert.deepEqual(sorted(found.flatMap((run) => [...framesOf([run])])), sorted(expected));
  }));
});

Deno.test("formatRuns() shows the first few, in hexadecimal", () => {
  assert.equal(formatRuns([]), "none");
  assert.equal(formatRuns([{ frame: 4096, count: 512 }, { frame: 9000, count: 1 }]), "0x1000-0x11ff, 0x2328");
  assert.equal(formatRuns([1, 3, 5, 7, 9].map((frame) => ({ frame, count: 1 }))), "0x1, 0x3, 0x5, 2 more runs");
});
