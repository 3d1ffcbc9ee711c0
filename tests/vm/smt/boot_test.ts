import assert from "node:assert/strict";
import { readTopology } from "../../../lib/kernel/topology.ts";
import { guestTest, kernel, read } from "../guest.ts";

guestTest("each core has two hardware threads, and a NUMA node of its own", () => {
  const { cores, cpus, nodes, packages } = readTopology(kernel);
  const pairs = [[0, 1], [2, 3], [4, 5], [6, 7]];
  assert.deepEqual(cores.map(({ cpus }) => cpus), pairs);
  assert.deepEqual(cpus.map(({ thread }) => thread), [0, 1, 0, 1, 0, 1, 0, 1]);
  assert.deepEqual(nodes.map(({ cpus }) => cpus), pairs);
  assert.equal(packages.length, 1);
  assert.equal(read("/sys/devices/system/cpu/smt/control"), "on");
});
