import assert from "node:assert/strict";
import { parseNumaStat } from "../../../lib/kernel/numa_stat.ts";

Deno.test("parseNumaStat() reads what is on each node, with what is in cgroups below", () => {
  assert.deepEqual(parseNumaStat("total=6 N0=2 N1=4\n"), new Map([[0, 2], [1, 4]]));
  assert.deepEqual(parseNumaStat("total=2 N0=2 N12=0\nhierarchical_total=7 N0=2 N12=5\n"), new Map([[0, 2], [12, 5]]));
  assert.deepEqual(parseNumaStat("total=0 N0=4194304 N1=18446744073705357312\n"), new Map([[0, 4194304], [1, 0]]));
  assert.deepEqual(parseNumaStat(""), new Map());
});
