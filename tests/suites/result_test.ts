import assert from "node:assert/strict";
import { compare, isFault, isFlaky, noCounts, outcomeOf, outcomes, type Result } from "./result.ts";

const ended = (code: number, counts: Partial<Result> = {}): Result => ({ ...noCounts, code, timedOut: false, durationMs: 5, ...counts });
const good = ended(0, { passed: 3 });
const worse = ended(1, { passed: 2, failed: 1 });

Deno.test("outcomeOf() leaves the time out", () => {
  assert.equal(outcomeOf(good), outcomeOf({ ...good, durationMs: 900 }));
  assert.equal(outcomeOf(worse), "1: 2 passed, 1 failed");
  assert.equal(outcomeOf(ended(137, { timedOut: true })), "time is up: nothing");
});

Deno.test("compare() finds every difference in status and counts", () => {
  assert.equal(compare([good], [good]), "same");
  for (const other of [ended(0, { passed: 2 }), ended(1, { passed: 3 }), { ...good, skipped: 1 }, { ...good, warnings: 1 }]) {
    assert.equal(compare([good], [other]), "different");
  }
});

Deno.test("compare() calls an entry unstable only when it varies natively", () => {
  assert.equal(compare([good, good], [good, worse]), "sometimes");
  assert.equal(compare([good, worse], [worse]), "same");
  assert.equal(compare([good, worse], [good, ended(2)]), "unstable");
  assert.equal(compare([good, worse], [ended(2)]), "different");
});

Deno.test("isFault() forgives what forwarding is not the cause of", () => {
  assert.deepEqual((["same", "unstable", "refused", "sometimes", "different"] as const).map(isFault), [false, false, false, true, true]);
});

Deno.test("outcomes() says how often each came", () => {
  assert.equal(outcomes([worse, good, good]), "0: 3 passed (2x); 1: 2 passed, 1 failed");
  assert.ok(isFlaky([good, worse]));
  assert.ok(!isFlaky([good, good]));
});
