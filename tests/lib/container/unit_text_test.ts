import assert from "node:assert/strict";
import { parseUnit } from "../../../lib/container/unit_text.ts";
import { UsageError } from "../../../lib/errors.ts";

Deno.test("parseUnit() reads units from the shortest to all that one can say", () => {
  assert.deepEqual(parseUnit("1GiB"), { bytes: 2 ** 30 });
  assert.deepEqual(parseUnit("whole@2"), { node: 2 });
  assert.deepEqual(parseUnit("8GiB@0/1GiB"), { bytes: 2 ** 33, node: 0, pageBytes: 2 ** 30 });
  assert.deepEqual(parseUnit("halo=256MiB@1/2MiB:hugetlb"), {
    object: "halo",
    bytes: 2 ** 28,
    node: 1,
    pageBytes: 2 ** 21,
    backend: "hugetlb",
  });
});

Deno.test("parseUnit() says what would be right", () => {
  const cases: [string, RegExp][] = [
    ["", /Cannot read "" as a unit of memory/],
    ["1GiB@", /Cannot read "" as a NUMA node/],
    ["1GiB@one", /Cannot read "one" as a NUMA node/],
    ["=1GiB", /the object has no name/],
    ["1GiB:hugtlb", /Cannot own memory by "hugtlb"; did you mean "hugetlb"\?/],
    ["big", /Cannot read "big" as a size/],
    ["1GiB@0@1", /Cannot read "1GiB@0@1" as a unit of memory/],
    ["1GiB/x", /Cannot read "x" as a size/],
  ];
  for (const [text, message] of cases) {
    assert.throws(() => parseUnit(text), (error) => {
      assert.ok(error instanceof UsageError && error.remedy !== undefined, text);
      assert.match(error.message, message);
      return true;
    });
  }
});
