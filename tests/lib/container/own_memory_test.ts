import assert from "node:assert/strict";
import { decideMemories, type MemoryWish, nodesFor } from "../../../lib/container/own_memory.ts";
import type { ContainerSpec } from "../../../lib/container/spec.ts";
import { Inventory } from "../../../lib/kernel/inventory.ts";
import { describeUnit, type OwnMemory, type Unit } from "../../../lib/memory/unit.ts";
import { emptyLedger, type Ledger } from "../../../lib/plan/ledger.ts";
import { captured, type CapturedFiles } from "../../captured.ts";
import { fourNodes, GiB, MiB } from "../memory/machines.ts";

/** A ledger of containers with some memory. */
function ledgerOf(...specs: Pick<ContainerSpec, "name" | "nodes" | "memory">[]): Ledger {
  const holdings = specs.map((spec) => ({ name: spec.name, owner: null, spec, createdAtMs: 0, steps: [] }));
  return { ...emptyLedger("boot"), holdings };
}

function decide(files: CapturedFiles, ledger: Ledger, ...wishes: Omit<MemoryWish, "path">[]) {
  using machine = captured(files);
  return decideMemories(new Inventory(machine), ledger, wishes.map((wish, index) => ({ ...wish, path: ["containers", index] })));
}

const own = (...units: Unit[]): OwnMemory => ({ units, policy: "bind", programs: "preload", owner: { uid: 0, gid: 0 } });
const whole: Unit = { id: "node1", backend: "node", node: 1, nodes: [1], bytes: GiB, pageBytes: 4096 };
const heap: Unit = { id: "node2", backend: "hugetlb", node: 2, nodes: [2], bytes: 64 * MiB, pageBytes: 2 * MiB };
const halo: Unit = { id: "halo", backend: "tmpfs", node: 3, nodes: [3], bytes: 4096, pageBytes: 4096, object: "halo" };

Deno.test("decideMemories() reads nothing where nobody has or wishes memory", () => {
  const { memories, sharedNodes, issues } = decide(
    { "/sys/devices/system/node/has_memory": "0-3\n" },
    ledgerOf({ name: "old", nodes: [0] }),
    {
      name: "sim",
    },
  );
  assert.deepEqual({ memories, sharedNodes, issues }, { memories: [undefined], sharedNodes: [0, 1, 2, 3], issues: [] });
});

Deno.test("decideMemories() decides for all containers together, and fills in what is not said", () => {
  const { memories, sharedNodes, issues } = decide(
    fourNodes,
    ledgerOf({ name: "old", nodes: [1], memory: own(whole) }),
    { name: "sim", memory: { units: [{ bytes: 400 * MiB, node: 2 }], owner: { uid: 7, gid: 7 } } },
    { name: "viz", memory: { units: [{ node: 3 }], policy: "interleave" } },
    { name: "plain" },
  );
  assert.deepEqual(issues, []);
  assert.deepEqual(memories.map((memory) => memory?.units.map(describeUnit)), [
    ["400MiB of node 2 in huge pages of 2MiB"],
    ["the whole of node 3, 1GiB"],
    undefined,
  ]);
  assert.deepEqual(memories.map((memory) => [memory?.policy, memory?.programs, memory?.owner.uid]), [
    ["bind", "preload", 7],
    ["interleave", "preload", 0],
    [undefined, undefined, undefined],
  ]);
  assert.deepEqual(sharedNodes, [0, 2]);
});

Deno.test("decideMemories() says what is wrong with which unit of which container", () => {
  const { memories, issues } = decide(
    fourNodes,
    ledgerOf(),
    { name: "sim", memory: { units: [{ bytes: 400 * MiB, node: 2 }] } },
    { name: "viz", memory: { units: [{ bytes: 2 * MiB }, { bytes: 400 * MiB, node: 2 }] } },
    { name: "all", nodes: [0, 3], memory: { units: [{ node: 0 }] } },
    { name: "not", memory: { units: [{ node: 3 }] } },
  );
  assert.deepEqual(memories.map((memory) => memory !== undefined), [true, false, true, false]);
  assert.deepEqual(issues.map(({ path, kind, message }) => `${path.join(".")} ${kind}: ${message}`), [
    "containers.1.memory.units.1.size refused: node 2 has no 400MiB in huge pages of 2MiB",
    "containers.3.memory.units.0.node refused: node 3 is in use by viz, all",
  ]);
});

Deno.test("nodesFor() follows the units, or the nodes that somebody named", () => {
  const nodes = (asked: number[] | undefined, memory: OwnMemory | undefined) => nodesFor(asked, memory, [0, 2, 3], ["containers", 0]);
  assert.deepEqual(nodes(undefined, undefined).nodes, [0, 2, 3]);
  assert.deepEqual(nodes(undefined, own(heap, halo)).nodes, [2, 3]);
  assert.deepEqual(nodes(undefined, own(whole)).nodes, [1]);
  // An object alone leaves the memory of its programs where it would be.
  assert.deepEqual(nodes(undefined, own({ ...halo, node: 1, nodes: [1] })).nodes, [0, 1, 2, 3]);
  assert.deepEqual(nodes([0, 2], own(heap)), { nodes: [0, 2], issues: [] });
  const refused = (asked: number[], memory?: OwnMemory) =>
    nodes(asked, memory).issues.map(({ path, kind, message }) => `${path.join(".")} ${kind}: ${message}`);
  assert.deepEqual(refused([0], own(heap, halo)), [
    "containers.0.memory.nodes usage: the units lie on nodes 2-3, and 2-3 is not among the nodes",
  ]);
  assert.deepEqual(refused([0, 1]), ["containers.0.memory.nodes refused: NUMA node 1 belongs to another container as a whole"]);
});
