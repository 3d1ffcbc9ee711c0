import assert from "node:assert/strict";
import { readTopology } from "../../../lib/kernel/topology.ts";
import { cacheName, cpusByOwner, type TopologyInput, topologyTree } from "../../../lib/report/topology_tree.ts";
import { descriptions } from "../../machines/descriptions.ts";
import { machine } from "../../machines/machine.ts";

const shape = (topology: TopologyInput) =>
  topologyTree(topology).packages.map(({ nodes }) => nodes.map(({ groups }) => groups.map(({ cores }) => cores.length)));

Deno.test("topologyTree() puts L3 groups into nodes, and nodes into packages", () => {
  assert.deepEqual(shape(readTopology(machine("epyc-4n"))), [[[4, 4], [4, 4]], [[4, 4], [4, 4]]]);
});

Deno.test("topologyTree() groups by L2 where there is no L3, and not at all where no cache is shared", () => {
  assert.deepEqual(shape(readTopology(machine("phi"))), [[Array(32).fill(2)]]);
  assert.deepEqual(shape(readTopology(machine("arm-80"))), [[[80]]]);
  assert.equal(topologyTree(readTopology(machine("arm-80"))).packages[0].nodes[0].groups[0].cache, null);
});

Deno.test("topologyTree() keeps nodes without CPUs apart", () => {
  assert.deepEqual(topologyTree(readTopology(machine("power9-smt4"))).memoryOnly.map(({ id }) => id), [252, 253, 254, 255]);
  assert.deepEqual(topologyTree(readTopology(machine("phi"))).memoryOnly, []);
});

Deno.test("topologyTree() shows a node that spans two packages in both", () => {
  const { packages } = topologyTree(readTopology(machine("arm-board")));
  assert.deepEqual(packages.map(({ nodes }) => nodes.map(({ nodes }) => nodes[0].id)), [[0], [0]]);
});

Deno.test("topologyTree() puts emulated nodes that share CPUs into one branch", () => {
  const memory = { memoryBytes: 1, freeBytes: 1, distances: [10, 10], hugePages: [] };
  const tree = topologyTree({
    model: null,
    memoryBytes: 2,
    availableBytes: 2,
    offlineCpus: [],
    cpus: [{ id: 0, package: 0, node: 0 }, { id: 1, package: 0, node: 0 }],
    cores: [{ id: 0, cpus: [0], kind: null }, { id: 1, cpus: [1], kind: null }],
    packages: [{ id: 0, cpus: [0, 1] }],
    caches: [],
    nodes: [{ id: 0, cpus: [0, 1], ...memory }, { id: 1, cpus: [0, 1], ...memory }],
  });
  assert.deepEqual(tree.packages[0].nodes.map(({ nodes }) => nodes.map(({ id }) => id)), [[0, 1]]);
  assert.deepEqual(tree.memoryOnly, []);
});

for (const name of ["vm-cgroup1", ...Object.keys(descriptions)]) {
  Deno.test(`topologyTree() of ${name} has every CPU and every node, each CPU once`, () => {
    const topology = readTopology(machine(name));
    const { packages, memoryOnly } = topologyTree(topology);
    const branches = packages.flatMap(({ nodes }) => nodes);
    const cpus = branches.flatMap(({ groups }) => groups.flatMap(({ cores }) => cores.flatMap(({ cpus }) => cpus)));
    assert.deepEqual(cpus.toSorted((a, b) => a - b), topology.onlineCpus);
    const nodes = new Set([...branches.flatMap(({ nodes }) => nodes), ...memoryOnly].map(({ id }) => id));
    assert.deepEqual(nodes.size, topology.nodes.length);
  });
}

Deno.test("cpusByOwner() begins with the ServiceOS and ends with what is free", () => {
  const topology = readTopology(machine("holes"));
  const owners = new Map([[0, "sim"], [12, "service"], [3, "sim"], [1, "viz"], [7, "off, and not counted"]]);
  assert.deepEqual(cpusByOwner(topology, owners), [["service", [12]], ["sim", [0, 3]], ["viz", [1]], [null, [2, 6, 8, 9]]]);
  assert.deepEqual(cpusByOwner(topology, new Map()), [[null, [0, 1, 2, 3, 6, 8, 9, 12]]]);
});

Deno.test("cacheName() tells data from instructions", () => {
  assert.deepEqual(["data", "instruction", "unified"].map((type) => cacheName({ level: 1, type })), ["L1d", "L1i", "L1"]);
});
