import assert from "node:assert/strict";
import { Inventory } from "../../../lib/kernel/inventory.ts";
import { readNodeUsage } from "../../../lib/memory/usage.ts";
import { captured } from "../../captured.ts";
import { v1, v2 } from "../../small_machines.ts";

Deno.test("readNodeUsage() reads ordinary memory by node, on either version in bytes", () => {
  using second = captured({ ...v2, "/sys/fs/cgroup/nodeos-sim/memory.numa_stat": "anon N0=8192 N1=4096\nfile N0=1 N1=1\n" });
  assert.deepEqual(readNodeUsage(new Inventory(second), "sim"), new Map([[0, 8192], [1, 4096]]));
  using first = captured({ ...v1, "/sys/fs/cgroup/memory/nodeos-sim/memory.numa_stat": "total=9 N0=5 N1=4\nanon=3 N0=2 N1=1\n" });
  assert.deepEqual(readNodeUsage(new Inventory(first), "sim"), new Map([[0, 8192], [1, 4096]]));
});
