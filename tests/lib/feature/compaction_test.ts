import assert from "node:assert/strict";
import { compaction } from "../../../lib/feature/compaction.ts";
import { linesOf } from "./scene.ts";

const path = "/proc/sys/vm/compaction_proactiveness";

Deno.test("compaction off stops what is done ahead of need", () => {
  assert.deepEqual(linesOf(compaction, { [path]: "20\n" }), [`${path} <- 0`]);
});

Deno.test("compaction changes nothing on kernels before 5.9, which do none", () => {
  assert.deepEqual(linesOf(compaction, { "/proc/sys/vm/compact_memory": null }), []);
});
