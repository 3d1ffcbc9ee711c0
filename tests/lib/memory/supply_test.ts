import assert from "node:assert/strict";
import { Inventory } from "../../../lib/kernel/inventory.ts";
import { readSupply } from "../../../lib/memory/supply.ts";
import { captured } from "../../captured.ts";
import { v1 } from "../../small_machines.ts";
import { fakeNodes, fourNodes, GiB, MiB, oneNode, supplyOf } from "./machines.ts";

Deno.test("readSupply() tells what each node has, and what strangers use of its pools", () => {
  const { nodes, hugePageBytes, basePageBytes, hugeLimitProblem } = supplyOf(fourNodes);
  assert.deepEqual([hugePageBytes, basePageBytes, hugeLimitProblem], [2 * MiB, 4096, null]);
  assert.deepEqual(nodes.map(({ id, hardware, bytes, availableBytes }) => [id, hardware.join(), bytes, availableBytes]), [
    [0, "0", GiB, 608 * MiB],
    [1, "1", GiB, 608 * MiB],
    [2, "2", GiB, 608 * MiB],
    [3, "3", GiB, 608 * MiB],
  ]);
  assert.deepEqual(nodes[3].pools, [
    { pageBytes: 2 * MiB, totalCount: 16, strangersCount: 6 },
    { pageBytes: GiB, totalCount: 0, strangersCount: 0 },
  ]);
  const counted = { ...fourNodes, "/sys/fs/cgroup/nodeos-sim/hugetlb.2MB.numa_stat": `total=${8 * MiB} N0=0 N1=0 N2=0 N3=${8 * MiB}\n` };
  assert.equal(supplyOf(counted, ["sim"]).nodes[3].pools[0].strangersCount, 2);
});

Deno.test("readSupply() takes nobody for a stranger who frees pages just then", () => {
  using machine = captured({ ...fourNodes, "/sys/fs/cgroup/nodeos-sim/hugetlb.2MB.numa_stat": "" });
  let looks = 0;
  const inventory = new Inventory({
    base: machine.base,
    read: (path) => machine.read(path),
    // It had six pages, and frees two of them before we look a second time.
    tryRead: (path) =>
      path.endsWith("2MB.numa_stat") ? `total=0 N0=0 N1=0 N2=0 N3=${(looks++ < 1 ? 6 : 4) * 2 * MiB}\n` : machine.tryRead(path),
    list: (path) => machine.list(path),
    link: (path) => machine.link(path),
    exists: (path) => machine.exists(path),
  });
  const { nodes } = readSupply(inventory, [{ name: "sim", units: [] }]);
  // Once before and once after, for all nodes.
  assert.deepEqual([looks, nodes[3].pools[0].strangersCount], [2, 0]);
});

Deno.test("readSupply() tells nodes of the same hardware, and one node alone", () => {
  assert.deepEqual(supplyOf(fakeNodes).nodes.map(({ hardware }) => hardware), Array(4).fill([0, 1, 2, 3]));
  assert.deepEqual(supplyOf(oneNode).nodes.map(({ id, hardware }) => [id, hardware]), [[0, [0]]]);
});

Deno.test("readSupply() knows larger base pages, and a machine that counts no huge pages", () => {
  const pmd = (bytes: number) => supplyOf({ ...oneNode, "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size": `${bytes}\n` }).basePageBytes;
  assert.deepEqual([2 * MiB, 32 * MiB, 512 * MiB].map(pmd), [4096, 16384, 65536]);
  assert.match(supplyOf(v1).hugeLimitProblem!, /^no mounted cgroup hierarchy has the hugetlb controller/);
});
