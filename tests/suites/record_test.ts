import assert from "node:assert/strict";
import { RunRecord } from "./record.ts";
import { noCounts, type Result } from "./result.ts";

const result: Result = { ...noCounts, code: 0, timedOut: false, passed: 1, durationMs: 2 };

Deno.test("RunRecord goes on from its file, and drops a line that was cut off", () => {
  const path = Deno.makeTempFileSync();
  try {
    new RunRecord(path).add("ltp", "open01", "native", result);
    Deno.writeTextFileSync(path, '{"suite":"ltp","ent', { append: true });
    const record = new RunRecord(path);
    record.add("ltp", "open01", "native", { ...result, code: 1 });
    assert.deepEqual(new RunRecord(path).results("ltp", "open01", "native").map(({ code }) => code), [0, 1]);
    assert.deepEqual(record.results("ltp", "open01", "forwarded"), []);
  } finally {
    Deno.removeSync(path);
  }
});

Deno.test("RunRecord keeps runs without a file", () => {
  const record = new RunRecord(null);
  record.add("ltp", "open01", "native", result);
  assert.equal(record.results("ltp", "open01", "native").length, 1);
});
