import assert from "node:assert/strict";
import { khugepaged } from "../../../lib/feature/khugepaged.ts";
import { linesOf } from "./scene.ts";

const path = "/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs";

const machine = {
  [path]: "10000\n",
  "/sys/kernel/mm/transparent_hugepage/enabled": "[always] madvise never\n",
  "/sys/kernel/mm/transparent_hugepage/khugepaged/pages_to_scan": "4096\n",
  "/sys/kernel/mm/transparent_hugepage/khugepaged/alloc_sleep_millisecs": "60000\n",
  "/sys/kernel/mm/transparent_hugepage/khugepaged/defrag": "1\n",
};

Deno.test("khugepaged off makes the scanner wait, and takes huge pages from nobody", () => {
  assert.deepEqual(linesOf(khugepaged, machine), [`${path} <- 4294967295`]);
});

Deno.test("khugepaged changes nothing on a kernel without huge pages", () => {
  assert.deepEqual(linesOf(khugepaged, {}), []);
});
