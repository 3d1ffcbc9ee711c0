import assert from "node:assert/strict";
import { vmstat } from "../../../lib/feature/vmstat.ts";
import { linesOf } from "./scene.ts";

const path = "/proc/sys/vm/stat_interval";

Deno.test("vmstat rare makes a minute of the second", () => {
  assert.deepEqual(linesOf(vmstat, { [path]: "1\n" }), [`${path} <- 60`]);
});

Deno.test("vmstat rare leaves an interval alone that is longer already", () => {
  assert.deepEqual(linesOf(vmstat, { [path]: "120\n" }), []);
  assert.deepEqual(linesOf(vmstat, { [path]: "60\n" }), []);
  assert.deepEqual(linesOf(vmstat, { [path]: "60\n" }, { originals: { [path]: "1" } }), [`${path} <- 60`]);
});

Deno.test("vmstat changes nothing on a kernel that is told nothing of the kind", () => {
  assert.deepEqual(linesOf(vmstat, {}), []);
});
