import assert from "node:assert/strict";
import { Inventory } from "../../../lib/kernel/inventory.ts";
import { readHugeUsage, readNodeUsage } from "../../../lib/memory/usage.ts";
import { captured } from "../../captured.ts";
import { hybrid, v1, v2 } from "../../small_machines.ts";
import { MiB } from "./machines.ts";

Deno.test("readHugeUsage() reads what the controller counts, on either version", () => {
  using second = captured({
    ...v2,
    "/sys/fs/cgroup/nodeos-sim/hugetlb.2MB.numa_stat": `total=${6 * MiB} N0=${2 * MiB} N1=${4 * MiB}\n`,
    "/sys/fs/cgroup/nodeos-sim/hugetlb.2MB.rsvd.current": `${8 * MiB}\n`,
  });
  const expected = { bytesByNode: new Map([[0, 2 * MiB], [1, 4 * MiB]]), reservedBytes: 8 * MiB };
  assert.deepEqual(readHugeUsage(new Inventory(second), "sim", 2 * MiB), expected);
  const directory = "/sys/fs/cgroup/hugetlb/nodeos-sim";
  using first = captured({
    "/proc/self/mountinfo": "50 30 0:50 / /sys/fs/cgroup/hugetlb rw - cgroup cgroup rw,hugetlb\n",
    [`${directory}/hugetlb.2MB.numa_stat`]: `total=${6 * MiB} N0=${2 * MiB} N1=${4 * MiB}\nhierarchical_total=0 N0=0 N1=0\n`,
    [`${directory}/hugetlb.2MB.rsvd.usage_in_bytes`]: `${8 * MiB}\n`,
  });
  assert.deepEqual(readHugeUsage(new Inventory(first), "sim", 2 * MiB), expected);
  using neither = captured(hybrid);
  assert.deepEqual(readHugeUsage(new Inventory(neither), "sim", 2 * MiB), { bytesByNode: new Map(), reservedBytes: 0 });
});

Deno.test("readNodeUsage() reads ordinary memory by node, on either version in bytes", () => {
  using second = captured({ ...v2, "/sys/fs/cgroup/nodeos-sim/memory.numa_stat": "anon N0=8192 N1=4096\nfile N0=1 N1=1\n" });
  assert.deepEqual(readNodeUsage(new Inventory(second), "sim"), new Map([[0, 8192], [1, 4096]]));
  using first = captured({ ...v1, "/sys/fs/cgroup/memory/nodeos-sim/memory.numa_stat": "total=9 N0=5 N1=4\nanon=3 N0=2 N1=1\n" });
  assert.deepEqual(readNodeUsage(new Inventory(first), "sim"), new Map([[0, 8192], [1, 4096]]));
});
