import assert from "node:assert/strict";
import { Inventory } from "../../../lib/kernel/inventory.ts";
import { readHugeCounts, readMemoryCount } from "../../../lib/memory/counts.ts";
import { captured, type CapturedFiles } from "../../captured.ts";
import { fourNodes, GiB, MiB } from "./machines.ts";

const version2 = "/sys/fs/cgroup/nodeos-sim";
const version1 = "/sys/fs/cgroup/memory/nodeos-sim";
const mountV1 =
  "31 30 0:31 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory\n32 30 0:32 / /sys/fs/cgroup/hugetlb rw - cgroup cgroup rw,hugetlb\n";

function inventoryOf(files: CapturedFiles): Inventory & Disposable {
  const machine = captured(files);
  return Object.assign(new Inventory(machine), { [Symbol.dispose]: () => machine[Symbol.dispose]() });
}

Deno.test("readHugeCounts() reads every size that has a count, of both versions", () => {
  using newer = inventoryOf({
    ...fourNodes,
    [`${version2}/hugetlb.2MB.current`]: `${4 * MiB}\n`,
    [`${version2}/hugetlb.2MB.max`]: `${8 * MiB}\n`,
    [`${version2}/hugetlb.2MB.rsvd.current`]: `${6 * MiB}\n`,
    [`${version2}/hugetlb.2MB.rsvd.max`]: "max\n",
    [`${version2}/hugetlb.2MB.numa_stat`]: `total=${4 * MiB} N0=0 N1=${4 * MiB} N2=0 N3=0\n`,
  });
  assert.deepEqual(readHugeCounts(newer, "sim"), [{
    pageBytes: 2 * MiB,
    currentBytes: 4 * MiB,
    maxBytes: 8 * MiB,
    reservedBytes: 6 * MiB,
    reservedMaxBytes: null,
    bytesByNode: new Map([[0, 0], [1, 4 * MiB], [2, 0], [3, 0]]),
  }]);
  assert.deepEqual(readHugeCounts(newer, "nobody"), []);

  const huge = version1.replace("memory/", "hugetlb/");
  using older = inventoryOf({
    ...fourNodes,
    "/proc/self/mountinfo": mountV1,
    [`${huge}/hugetlb.1GB.usage_in_bytes`]: `${GiB}\n`,
    [`${huge}/hugetlb.1GB.limit_in_bytes`]: "9223372036854771712\n",
    [`${huge}/hugetlb.1GB.rsvd.usage_in_bytes`]: `${GiB}\n`,
    [`${huge}/hugetlb.1GB.rsvd.limit_in_bytes`]: `${2 * GiB}\n`,
  });
  const [count] = readHugeCounts(older, "sim");
  assert.deepEqual([count.pageBytes, count.currentBytes, count.maxBytes, count.reservedMaxBytes], [GiB, GiB, null, 2 * GiB]);
});

Deno.test("readMemoryCount() reads memory.stat of both versions, and is null without a cgroup", () => {
  using newer = inventoryOf({
    ...fourNodes,
    [`${version2}/memory.current`]: "5000000\n",
    [`${version2}/memory.max`]: "max\n",
    [`${version2}/memory.stat`]: "anon 1000\nfile 3000\nkernel 50\nshmem 2000\n",
  });
  assert.deepEqual(readMemoryCount(newer, "sim"), {
    currentBytes: 5000000,
    maxBytes: null,
    anonymousBytes: 1000,
    fileBytes: 3000,
    sharedBytes: 2000,
  });
  assert.equal(readMemoryCount(newer, "nobody"), null);
  using older = inventoryOf({
    ...fourNodes,
    "/proc/self/mountinfo": mountV1,
    [`${version1}/memory.usage_in_bytes`]: "6000000\n",
    [`${version1}/memory.limit_in_bytes`]: "8388608\n",
    [`${version1}/memory.stat`]: "cache 1\nrss 2\nshmem 3\ntotal_cache 10\ntotal_rss 20\ntotal_shmem 30\n",
  });
  assert.deepEqual(readMemoryCount(older, "sim"), {
    currentBytes: 6000000,
    maxBytes: 8388608,
    anonymousBytes: 20,
    fileBytes: 10,
    sharedBytes: 30,
  });
});
