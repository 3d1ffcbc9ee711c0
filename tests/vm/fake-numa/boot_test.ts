import assert from "node:assert/strict";
import { readTopology } from "../../../lib/kernel/topology.ts";
import { guestTest, kernel, nodeosOutput, probe } from "../guest.ts";

const mib = 2 ** 20;
const eight = [0, 1, 2, 3, 4, 5, 6, 7];

guestTest("numa=fake=8: eight nodes of half a GiB share all CPUs", () => {
  const { nodes, cpus, packages } = readTopology(kernel);
  assert.deepEqual(nodes.map(({ id }) => id), eight);
  for (const { id, cpus, memoryBytes } of nodes) {
    assert.deepEqual(cpus, eight);
    assert.ok(memoryBytes > 384 * mib && memoryBytes <= 512 * mib, `node ${id} has ${memoryBytes / mib} MiB`);
  }
  assert.equal(packages.length, 1);
  assert.deepEqual(cpus.map(({ id }) => id), eight);
});

guestTest("numa=fake=8: memory comes from the container's nodes only", async () => {
  const line = await nodeosOutput("run", "--cpus", "4", "--nodes", "5,6", "--memory", "256MiB", "--", probe, "take", "64");
  const taken = [...line.matchAll(/N(\d+)=(\d+)/g)].filter(([, , bytes]) => bytes !== "0").map(([, node]) => Number(node));
  assert.ok(taken.length > 0 && taken.every((node) => node === 5 || node === 6), line);
});
