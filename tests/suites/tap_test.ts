import assert from "node:assert/strict";
import { noCounts } from "./result.ts";
import { readTap } from "./tap.ts";

Deno.test("readTap() counts lines, and what the plan promised and no line has", () => {
  assert.deepEqual(readTap("1..5\nok 1\nnot ok 2 - because\nok 3 # SKIP no root\n"), {
    ...noCounts,
    passed: 1,
    failed: 1,
    skipped: 1,
    broken: 2,
  });
});

Deno.test("readTap() skips what is expected to fail, whatever it did", () => {
  assert.deepEqual(readTap("1..2\nnot ok 1 # TODO later\nok 2 # todo\n"), { ...noCounts, skipped: 2 });
});

Deno.test("readTap() takes no other lines for results", () => {
  assert.deepEqual(readTap("okay\n# ok 1\nAll tests successful.\n"), noCounts);
});
