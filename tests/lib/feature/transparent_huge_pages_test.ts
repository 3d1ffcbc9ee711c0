import assert from "node:assert/strict";
import { transparentHugePages } from "../../../lib/feature/transparent_huge_pages.ts";
import { linesOf } from "./scene.ts";

const path = "/sys/kernel/mm/transparent_hugepage/enabled";

Deno.test("transparentHugePages madvise is one choice of a file that lists all", () => {
  for (const now of ["[always] madvise never", "always [madvise] never", "always madvise [never]"]) {
    const defrag = { "/sys/kernel/mm/transparent_hugepage/defrag": "always defer defer+madvise [madvise] never\n" };
    assert.deepEqual(linesOf(transparentHugePages, { [path]: `${now}\n`, ...defrag }), [`choice: ${path} <- madvise`]);
  }
});

Deno.test("transparentHugePages changes nothing on a kernel without them", () => {
  assert.deepEqual(linesOf(transparentHugePages, {}), []);
});
