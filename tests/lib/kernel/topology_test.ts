import assert from "node:assert/strict";
import { formatCpuList } from "../../../lib/kernel/cpulist.ts";
import { readTopology, type Topology } from "../../../lib/kernel/topology.ts";
import { descriptions } from "../../machines/descriptions.ts";
import { machine } from "../../machines/machine.ts";
import { MemoryRoot } from "../../machines/memory_root.ts";

const groups = (all: readonly { readonly id: number; readonly cpus: readonly number[] }[]) =>
  all.map(({ id, cpus }) => `${id}: ${formatCpuList(cpus)}`);

Deno.test("readTopology() reads the captured virtual machine: 2 CPUs without threads on one node", () => {
  const topology = readTopology(machine("vm-cgroup1"));
  assert.equal(topology.model, "AMD EPYC");
  assert.deepEqual(topology.onlineCpus, [0, 1]);
  assert.deepEqual(groups(topology.packages), ["0: 0-1"]);
  assert.deepEqual(groups(topology.cores), ["0: 0", "1: 1"]);
  assert.deepEqual(topology.clusters, [], "cluster 65535 is none");
  assert.deepEqual(topology.nodes.map(({ id, cpus }) => ({ id, cpus })), [{ id: 0, cpus: [0, 1] }]);
  assert.equal(topology.caches.length, 7);
  assert.deepEqual(topology.caches.at(-1), { level: 3, type: "unified", sizeBytes: 32 * 2 ** 20, lineBytes: 64, ways: 16, cpus: [0, 1] });
  assert.deepEqual(topology.cores.map(({ kind }) => kind), [null, null], "equal capacities are no kinds");
});

Deno.test("readTopology() joins the threads of a two-socket Xeon across the kernel's numbering", () => {
  const topology = readTopology(machine("xeon-2s"));
  assert.equal(topology.cores.length, 16);
  assert.deepEqual(groups(topology.packages), ["0: 0-7,16-23", "1: 8-15,24-31"]);
  assert.deepEqual(groups(topology.cores).slice(0, 5), ["0: 0,16", "1: 1,17", "2: 2,18", "3: 3,19", "8: 4,20"]);
  assert.deepEqual(topology.cpus[24], { id: 24, package: 1, die: 0, cluster: null, core: 8, thread: 1, node: 1 });
  assert.deepEqual(topology.nodes.map(({ distances }) => distances), [[10, 21], [21, 10]]);
  assert.equal(topology.memoryBytes, 192 * 2 ** 30);
  assert.equal(topology.availableBytes, 180 * 2 ** 30);
  const shared = topology.caches.filter(({ level }) => level === 3);
  assert.deepEqual(shared.map(({ cpus }) => formatCpuList(cpus)), ["0-7,16-23", "8-15,24-31"]);
  assert.deepEqual(topology.caches[0], { level: 1, type: "data", sizeBytes: 32768, lineBytes: 64, ways: 8, cpus: [0, 16] });
});

Deno.test("readTopology() sees four nodes and eight L3 on an EPYC", () => {
  const topology = readTopology(machine("epyc-4n"));
  assert.deepEqual(groups(topology.nodes), ["0: 0-7,32-39", "1: 8-15,40-47", "2: 16-23,48-55", "3: 24-31,56-63"]);
  assert.deepEqual(topology.nodes[2].distances, [32, 32, 10, 12]);
  const shared = topology.caches.filter(({ level }) => level === 3);
  assert.deepEqual(shared.map(({ cpus }) => formatCpuList(cpus)).slice(0, 2), ["0-3,32-35", "4-7,36-39"]);
  assert.equal(shared.length, 8);
});

Deno.test("readTopology() sees one node, 64 cores and no L3 on a Xeon Phi", () => {
  const topology = readTopology(machine("phi"));
  assert.deepEqual([topology.nodes.length, topology.cores.length, topology.cpus.length], [1, 64, 256]);
  assert.deepEqual(topology.cores[63].cpus, [63, 127, 191, 255]);
  assert.deepEqual(formatCpuList(topology.nohzFullCpus), "2-63");
  assert.deepEqual([...new Set(topology.caches.map(({ level }) => level))], [1, 2]);
});

Deno.test("readTopology() keeps a node of fast memory that has no CPUs", () => {
  const topology = readTopology(machine("phi-flat"));
  assert.deepEqual(topology.nodes[1].cpus, []);
  assert.equal(topology.nodes[1].memoryBytes, 16 * 2 ** 30);
  assert.deepEqual(topology.nodes[1].distances, [31, 10]);
  assert.ok(topology.cpus.every(({ node }) => node === 0));
});

Deno.test("readTopology() reads 80 Arm cores in clusters of two, with the firmware's numbers", () => {
  const topology = readTopology(machine("arm-80"));
  assert.deepEqual(groups(topology.packages), ["36: 0-79"]);
  assert.equal(topology.cores.length, 80);
  assert.deepEqual(groups(topology.clusters).slice(0, 2), ["86: 0-1", "146: 2-3"]);
  assert.equal(topology.cpus[3].cluster, 146);
  assert.equal(topology.model, null);
});

Deno.test("readTopology() tells the packages of an Arm board apart although all are -1, and its fast cores", () => {
  const topology = readTopology(machine("arm-board"));
  assert.deepEqual(groups(topology.packages), ["0: 0-3", "1: 4-7"]);
  assert.deepEqual(topology.cores.map(({ kind }) => kind), [...Array(4).fill("efficiency"), ...Array(4).fill("performance")]);
  assert.deepEqual(topology.cores.map(({ capacity }) => capacity), [446, 446, 446, 446, 1024, 1024, 1024, 1024]);
  assert.equal(topology.caches[0].sizeBytes, null);
});

Deno.test("readTopology() gives a kernel without NUMA one node with everything", () => {
  const [node, ...others] = readTopology(machine("arm-board")).nodes;
  assert.deepEqual(others, []);
  assert.deepEqual({ id: node.id, cpus: formatCpuList(node.cpus), distances: node.distances }, { id: 0, cpus: "0-7", distances: [10] });
  assert.equal(node.memoryBytes, 8 * 2 ** 30);
});

Deno.test("readTopology() copes with holes in CPU, core, package and node numbers, and with CPUs that are off", () => {
  const topology = readTopology(machine("holes"));
  assert.equal(formatCpuList(topology.possibleCpus), "0-15");
  assert.equal(formatCpuList(topology.presentCpus), "0-9,12-13");
  assert.equal(formatCpuList(topology.onlineCpus), "0-3,6,8-9,12");
  assert.equal(formatCpuList(topology.offlineCpus), "4-5,7,13");
  assert.equal(formatCpuList(topology.bootIsolatedCpus), "9,12");
  assert.deepEqual(topology.nohzFullCpus, [], "the kernel prints (null)");
  assert.deepEqual(groups(topology.cores), ["0: 0-1", "4: 2-3", "9: 6", "0: 8", "2: 9,12"]);
  assert.deepEqual(groups(topology.packages), ["0: 0-3,6", "3: 8-9,12"]);
  assert.deepEqual(groups(topology.nodes), ["0: 0-3,6", "2: 8-9,12"]);
  assert.deepEqual(topology.cpus.at(-1), { id: 12, package: 3, die: 0, cluster: null, core: 4, thread: 1, node: 2 });
});

Deno.test("readTopology() reads a POWER9 with half of its threads off and GPU memory as nodes 252 to 255", () => {
  const topology = readTopology(machine("power9-smt4"));
  assert.deepEqual(topology.nodes.map(({ id }) => id), [0, 8, 252, 253, 254, 255]);
  assert.deepEqual(topology.nodes[1].distances, [40, 10, 80, 80, 80, 80]);
  assert.equal(topology.offlineCpus.length, 32);
  assert.ok(topology.cores.every(({ cpus }) => cpus.length === 4));
  assert.deepEqual(topology.packages.map(({ id }) => id), [0, 8]);
  assert.deepEqual(topology.caches.filter(({ level }) => level === 3).map(({ cpus }) => formatCpuList(cpus)), [
    "0-3,8-11",
    "16-19,24-27",
    "32-35,40-43",
    "48-51,56-59",
  ]);
});

Deno.test("readTopology() tells the two kinds of cores of a hybrid machine apart", () => {
  const topology = readTopology(machine("hybrid-16"));
  assert.deepEqual(topology.cores.map(({ kind }) => kind), [...Array(4).fill("performance"), ...Array(8).fill("efficiency")]);
  assert.deepEqual(groups(topology.clusters), ["24: 8-11", "28: 12-15"], "a core alone is no cluster");
});

Deno.test("readTopology() reads 256 CPUs on 8 nodes", () => {
  const topology = readTopology(machine("big-256"));
  assert.deepEqual([topology.cpus.length, topology.cores.length, topology.nodes.length, topology.packages.length], [256, 128, 8, 2]);
  assert.deepEqual(groups(topology.nodes)[7], "7: 112-127,240-255");
  assert.deepEqual(topology.nodes[0].distances, [10, 12, 12, 12, 32, 32, 32, 32]);
});

for (const name of ["vm-cgroup1", ...Object.keys(descriptions)]) {
  Deno.test(`readTopology() describes ${name} without contradiction, as plain data`, () => consistent(readTopology(machine(name))));
}

function consistent(topology: Topology): void {
  const online = formatCpuList(topology.onlineCpus);
  const all = (parts: readonly { readonly cpus: readonly number[] }[]) => parts.flatMap(({ cpus }) => cpus);
  for (const parts of [topology.packages, topology.dies, topology.cores, topology.nodes]) {
    assert.equal(formatCpuList(all(parts)), online);
    assert.equal(all(parts).length, topology.onlineCpus.length, "no CPU is in two of them");
  }
  for (const cpu of topology.cpus) {
    assert.equal(topology.cores[cpu.core].cpus[cpu.thread], cpu.id);
    assert.ok(topology.packages.find(({ id }) => id === cpu.package)?.cpus.includes(cpu.id));
    assert.ok(topology.nodes.find(({ id }) => id === cpu.node)?.cpus.includes(cpu.id));
  }
  for (const { distances } of topology.nodes) assert.equal(distances.length, topology.nodes.length);
  for (const { cpus } of topology.caches) assert.ok(cpus.length > 0 && cpus.every((cpu) => topology.onlineCpus.includes(cpu)));
  assert.deepEqual(JSON.parse(JSON.stringify(topology)), topology);
}

Deno.test("readTopology() describes a machine that shows nothing at all as one CPU", () => {
  const topology = readTopology(new MemoryRoot({}));
  assert.deepEqual(topology.onlineCpus, [0]);
  assert.deepEqual([topology.packages.length, topology.cores.length, topology.nodes.length], [1, 1, 1]);
  assert.equal(topology.memoryBytes, 0);
  consistent(topology);
});

Deno.test("readTopology() takes the processors of /proc/cpuinfo where sysfs is hidden", () => {
  const cpuinfo = "processor\t: 0\nmodel name\t: Some CPU\n\nprocessor\t: 3\nmodel name\t: Some CPU\n";
  const topology = readTopology(new MemoryRoot({ "/proc/cpuinfo": cpuinfo, "/proc/meminfo": "MemTotal: 1024 kB\nMemFree: 512 kB\n" }));
  assert.deepEqual(topology.onlineCpus, [0, 3]);
  assert.equal(topology.model, "Some CPU");
  assert.deepEqual([topology.memoryBytes, topology.availableBytes], [2 ** 20, 2 ** 19], "old kernels have no MemAvailable");
  consistent(topology);
});

Deno.test("readTopology() reads the names of kernels before 5.1", () => {
  const topology = readTopology(
    new MemoryRoot({
      "/sys/devices/system/cpu/online": "0-3\n",
      ...Object.fromEntries([0, 1, 2, 3].flatMap((cpu) => [
        [`/sys/devices/system/cpu/cpu${cpu}/topology/thread_siblings_list`, cpu % 2 ? "1,3\n" : "0,2\n"],
        [`/sys/devices/system/cpu/cpu${cpu}/topology/core_id`, `${cpu % 2}\n`],
      ])),
    }),
  );
  assert.deepEqual(groups(topology.cores), ["0: 0,2", "1: 1,3"]);
  consistent(topology);
});

Deno.test("readTopology() believes the CPU's own directory when emulated nodes share all CPUs", () => {
  const node = (id: number) => ({
    [`/sys/devices/system/node/node${id}/cpulist`]: "0-1\n",
    [`/sys/devices/system/node/node${id}/meminfo`]: `Node ${id} MemTotal: 1024 kB\n`,
  });
  const topology = readTopology(
    new MemoryRoot({
      "/sys/devices/system/cpu/online": "0-1\n",
      "/sys/devices/system/node/online": "0-1\n",
      ...node(0),
      ...node(1),
      "/sys/devices/system/cpu/cpu0/node0": { link: "../../node/node0" },
      "/sys/devices/system/cpu/cpu1/node1": { link: "../../node/node1" },
    }),
  );
  assert.deepEqual(topology.cpus.map(({ node }) => node), [0, 1]);
  assert.deepEqual(topology.nodes.map(({ cpus }) => cpus), [[0, 1], [0, 1]]);
});

Deno.test("readTopology() puts each CPU into one core when sibling lists contradict each other", () => {
  const topology = readTopology(
    new MemoryRoot({
      "/sys/devices/system/cpu/online": "0-2\n",
      "/sys/devices/system/cpu/cpu0/topology/core_cpus_list": "0-1\n",
      "/sys/devices/system/cpu/cpu1/topology/core_cpus_list": "1-2\n",
      "/sys/devices/system/cpu/cpu2/topology/core_cpus_list": "7\n",
      "/sys/devices/system/cpu/cpu0/topology/physical_package_id": "0\n",
      "/sys/devices/system/cpu/cpu1/topology/physical_package_id": "-1\n",
      "/sys/devices/system/cpu/cpu2/topology/physical_package_id": "rubbish\n",
      "/sys/devices/system/cpu/cpu0/topology/die_id": "-1\n",
    }),
  );
  assert.deepEqual(topology.cores.map(({ cpus }) => cpus), [[0, 1], [2]]);
  assert.deepEqual(groups(topology.packages), ["0: 0", "1: 1-2"]);
  consistent(topology);
});
