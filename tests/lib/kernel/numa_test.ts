import assert from "node:assert/strict";
import { readMemoryNodes } from "../../../lib/kernel/numa.ts";
import { machine } from "../../machines/machine.ts";
import { MemoryRoot } from "../../machines/memory_root.ts";

Deno.test("readMemoryNodes() reads the huge page pools of each node, smallest pages first", () => {
  const [first, second] = readMemoryNodes(machine("xeon-2s"), []);
  assert.deepEqual(first.hugePages, [
    { pageBytes: 2 ** 21, totalCount: 512, freeCount: 512, surplusCount: 0 },
    { pageBytes: 2 ** 30, totalCount: 0, freeCount: 0, surplusCount: 0 },
  ]);
  assert.deepEqual(second.hugePages.map(({ totalCount }) => totalCount), [0, 4]);
  assert.deepEqual([first.memoryBytes, first.freeBytes], [96 * 2 ** 30, 90 * 2 ** 30]);
});

Deno.test("readMemoryNodes() reads the pools of a kernel without NUMA", () => {
  const [node] = readMemoryNodes(
    new MemoryRoot({
      "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages": "3\n",
      "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages": "1\n",
      "/sys/kernel/mm/hugepages/README": "",
    }),
    [0, 1],
  );
  assert.deepEqual(node, {
    id: 0,
    cpus: [0, 1],
    memoryBytes: 0,
    freeBytes: 0,
    fileBytes: 0,
    distances: [10],
    hugePages: [{ pageBytes: 2 ** 21, totalCount: 3, freeCount: 1, surplusCount: 0 }],
  });
});

Deno.test("readMemoryNodes() leaves out nodes that are not online, and answers a wrong distance row with 10 and 20", () => {
  const nodes = readMemoryNodes(
    new MemoryRoot({
      "/sys/devices/system/node/online": "1,4\n",
      "/sys/devices/system/node/node1/cpulist": "0-3\n",
      "/sys/devices/system/node/node1/distance": "10 20 30\n",
      "/sys/devices/system/node/node2/cpulist": "\n",
      "/sys/devices/system/node/node4/cpulist": "\n",
    }),
    [],
  );
  assert.deepEqual(nodes.map(({ id, distances }) => [id, distances]), [[1, [10, 20]], [4, [20, 10]]]);
});
