import assert from "node:assert/strict";
import type { KernelFiles } from "../../../ffi/kernel_root.ts";
import { Inventory } from "../../../lib/kernel/inventory.ts";
import { controllerSize, readHugeBytes, readReservedBytes } from "../../../lib/memory/huge_usage.ts";
import { captured } from "../../captured.ts";
import { v1, v2 } from "../../small_machines.ts";
import { GiB, MiB } from "./machines.ts";

/** What a container has of pages of 2 MiB, and what its mappings were promised. */
function read(files: KernelFiles): unknown[] {
  return [readHugeBytes, readReservedBytes].map((read) => read(new Inventory(files), "sim", 2 * MiB));
}

Deno.test("readHugeBytes() and readReservedBytes() read what the controller counts, on either version", () => {
  using second = captured({
    ...v2,
    "/sys/fs/cgroup/nodeos-sim/hugetlb.2MB.numa_stat": `total=${6 * MiB} N0=${2 * MiB} N1=${4 * MiB}\n`,
    "/sys/fs/cgroup/nodeos-sim/hugetlb.2MB.rsvd.current": `${8 * MiB}\n`,
  });
  const expected = [new Map([[0, 2 * MiB], [1, 4 * MiB]]), 8 * MiB];
  assert.deepEqual(read(second), expected);
  const directory = "/sys/fs/cgroup/hugetlb/nodeos-sim";
  using first = captured({
    "/proc/self/mountinfo": "50 30 0:50 / /sys/fs/cgroup/hugetlb rw - cgroup cgroup rw,hugetlb\n",
    [`${directory}/hugetlb.2MB.numa_stat`]: `total=${6 * MiB} N0=${2 * MiB} N1=${4 * MiB}\nhierarchical_total=0 N0=0 N1=0\n`,
    [`${directory}/hugetlb.2MB.rsvd.usage_in_bytes`]: `${8 * MiB}\n`,
  });
  assert.deepEqual(read(first), expected);
  using neither = captured(v1);
  assert.deepEqual(read(neither), [new Map(), 0]);
});

Deno.test("controllerSize() names page sizes as the controller's files do", () => {
  assert.deepEqual([65536, 2 * MiB, 32 * MiB, GiB, 16 * GiB].map(controllerSize), ["64KB", "2MB", "32MB", "1GB", "16GB"]);
});
