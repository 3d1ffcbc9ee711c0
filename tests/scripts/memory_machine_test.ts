import assert from "node:assert/strict";
import { Inventory } from "../../lib/kernel/inventory.ts";
import { type ContainerMemory, readCensus } from "../../lib/memory/census.ts";
import type { Unit } from "../../lib/memory/unit.ts";
import { renderCensus } from "../../scripts/memory/machine.ts";
import { captured, type CapturedFiles } from "../captured.ts";
import { fakeNodes, fourNodes, GiB, MiB } from "../lib/memory/machines.ts";

const huge: Unit = { id: "node3", backend: "hugetlb", node: 3, nodes: [3], bytes: 20 * MiB, pageBytes: 2 * MiB };
const halo: Unit = { id: "halo", backend: "tmpfs", node: 0, nodes: [0], bytes: 64 * MiB, pageBytes: 4096, object: "halo" };
const whole: Unit = { id: "node1", backend: "node", node: 1, nodes: [1, 2], bytes: 2 * GiB, pageBytes: 4096 };

function container(name: string, ...units: Unit[]): ContainerMemory {
  return { name, nodes: [0], memory: { units, policy: "bind", programs: "preload", owner: { uid: 0, gid: 0 } } };
}

function text(files: CapturedFiles, ...containers: ContainerMemory[]): string {
  using machine = captured(files);
  return renderCensus(readCensus(new Inventory(machine), containers));
}

Deno.test("renderCensus() shows nodes, pools and units with their owners", () => {
  const files = { ...fourNodes, "/proc/buddyinfo": `Node 0, zone   Normal ${"0 ".repeat(10)}64 \n` };
  assert.equal(
    text(files, container("sim", huge, halo), container("viz", { ...whole, nodes: [1], bytes: GiB }), { name: "log", nodes: [0] }),
    [
      "NODE   SIZE     FREE  IN FILES  FREE IN 2MiB BLOCKS  OF CONTAINERS  NOBODY'S  WHO MAY USE IT",
      "   0  1 GiB  512 MiB    96 MiB        256 MiB, 50 %         64 MiB   960 MiB  all",
      "   1  1 GiB  512 MiB    96 MiB                    ?          1 GiB       0 B  viz, and programs outside of containers",
      "   2  1 GiB  512 MiB    96 MiB                    ?            0 B     1 GiB  all",
      "   3  1 GiB  512 MiB    96 MiB                    ?         20 MiB  1004 MiB  all",
      "",
      "NODE  HUGE PAGES OF  RESERVED  FREE  USED BY CONTAINERS  USED BY OTHERS  BELONG TO",
      "   3           2MiB        16    10                   0               6  sim 10",
      "",
      "CONTAINER  UNIT   BACKEND  WHAT                                           OWNERSHIP",
      "sim        node3  hugetlb  20MiB of node 3 in huge pages of 2MiB          strong: reserved, and counted; ordinary memory never lies there",
      "sim        halo   tmpfs    64MiB of node 0 in pages of 4KiB, object halo  strong: fixed pages, held by a file from the grant on",
      "viz        node1  node     the whole of node 1, 1GiB                      by place: all of a node, kept by cpuset",
      "",
      "Without memory of their own: log.",
      "Programs outside of containers may use node 1; the feature tasks keeps them off (nodeos feature NAME enable tasks).",
      "Programs outside of containers use huge pages of node 3.",
    ].join("\n"),
  );
});

Deno.test("renderCensus() says who uses huge pages of a node that are not its own", () => {
  const files = { ...fourNodes, "/sys/fs/cgroup/nodeos-sim/hugetlb.2MB.numa_stat": "total=12582912 N3=12582912\n" };
  assert.match(
    text(files, container("sim", { ...huge, bytes: 4 * MiB }, { ...huge, id: "node2", node: 2, nodes: [2] })),
    /\nContainer sim uses 6 huge pages of 2MiB on node 3, of which 2 are its own: others there may go short\.$/,
  );
});

Deno.test("renderCensus() says which nodes are one piece of hardware, and when nobody has anything", () => {
  const lines = text(fakeNodes, container("viz", whole)).split("\n");
  assert.match(lines[0], /^NODE +HARDWARE +SIZE/);
  assert.match(lines[3], /^ +2 +one with 0-1,3 +1 GiB/);
  assert.match(
    text(fourNodes),
    /\n\nNo container has memory of its own; nodeos memory backends says how it could\.\nPrograms outside of containers use/,
  );
});
