import assert from "node:assert/strict";
import { readTopology } from "../../../lib/kernel/topology.ts";
import { topologySummary, topologyText } from "../../../lib/report/topology_text.ts";
import { descriptions } from "../../machines/descriptions.ts";
import { machine } from "../../machines/machine.ts";

Deno.test("topologyText() shows a two-socket Xeon on one screen", () => {
  const owners = new Map([[0, "service"], [16, "service"], [1, "sim"], [17, "sim"], [8, "sim"]]);
  assert.equal(
    topologyText(readTopology(machine("xeon-2s")), owners),
    `
Intel(R) Xeon(R) Gold 6134 CPU @ 3.20GHz
2 packages, 2 memory nodes, 16 cores, 32 CPUs (2 threads per core), 192 GiB memory (180 GiB available)
caches: 2 x L3 24.8 MiB, 16 x L2 1 MiB, 16 x L1i 32 KiB, 16 x L1d 32 KiB

package 0
└─ node 0: 96 GiB, 90 GiB free, huge pages of 2 MiB: 512 (512 free)
   └─ L3 24.8 MiB: 0,16  1,17  2,18  3,19  4,20  5,21  6,22  7,23
package 1
└─ node 1: 96 GiB, 90 GiB free, huge pages of 1 GiB: 4 (4 free)
   └─ L3 24.8 MiB: 8,24  9,25  10,26  11,27  12,28  13,29  14,30  15,31

DISTANCE   0   1
from 0    10  21
from 1    21  10

OWNER    COUNT  CPUS            NODES
service      2  0,16            0
sim          3  1,8,17          0-1
(free)      27  2-7,9-15,18-31  0-1
`.trim(),
  );
});

Deno.test("topologyText() names what is off, what has no CPUs, and leaves out what there is only one of", () => {
  const text = topologyText(readTopology(machine("power9-smt4")));
  assert.match(text, /^node 252: 16 GiB, 15 GiB free, no CPUs$/m);
  assert.match(text, /^offline CPUs 4-7,12-15/m);
  assert.match(text, /^ {3}├─ L3 10 MiB: 0-3 {2}8-11$/m);
  assert.doesNotMatch(text, /OWNER/);
  assert.doesNotMatch(topologyText(readTopology(machine("arm-board"))), /DISTANCE/);
});

Deno.test("topologyText() shortens cores without threads to ranges, and says where there is no shared cache", () => {
  assert.match(topologyText(readTopology(machine("arm-80"))), /^ {3}└─ CPUs 0-79$/m);
});

Deno.test("topologySummary() counts kinds of cores, and threads where all cores have the same number", () => {
  assert.match(topologySummary(readTopology(machine("hybrid-16")))[0], /12 cores \(4 performance, 8 efficiency\), 16 CPUs, /);
  assert.match(topologySummary(readTopology(machine("phi")))[0], /256 CPUs \(4 threads per core\)/);
  assert.match(topologySummary(readTopology(machine("vm-cgroup1")))[0], /^1 package, 1 memory node, 2 cores, 2 CPUs, /);
});

for (const name of ["vm-cgroup1", ...Object.keys(descriptions)]) {
  Deno.test(`topologyText() of ${name} fits a wide terminal and leaves no trailing space`, () => {
    for (const line of topologyText(readTopology(machine(name))).split("\n")) {
      assert.ok([...line].length <= 130, line);
      assert.equal(line, line.trimEnd());
    }
  });
}
