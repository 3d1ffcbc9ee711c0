import assert from "node:assert/strict";
import { ksm } from "../../../lib/feature/ksm.ts";
import { linesOf } from "./scene.ts";

const path = "/sys/kernel/mm/ksm/run";

Deno.test("ksm off stops the thread where it runs", () => {
  assert.deepEqual(linesOf(ksm, { [path]: "1\n" }), [`${path} <- 0`]);
});

Deno.test("ksm off changes nothing where the thread is stopped, where all was taken apart, or without it", () => {
  for (const now of ["0\n", "2\n"]) assert.deepEqual(linesOf(ksm, { [path]: now }), []);
  assert.deepEqual(linesOf(ksm, {}), []);
});

Deno.test("ksm off stays planned once it is done", () => {
  assert.deepEqual(linesOf(ksm, { [path]: "0\n" }, { originals: { [path]: "1" } }), [`${path} <- 0`]);
});
