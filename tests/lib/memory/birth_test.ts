import assert from "node:assert/strict";
import { memoryModes } from "../../../ffi/task.ts";
import { Inventory } from "../../../lib/kernel/inventory.ts";
import { memoryBirth } from "../../../lib/memory/birth.ts";
import type { OwnMemory, Unit } from "../../../lib/memory/unit.ts";
import { captured, type CapturedFiles } from "../../captured.ts";
import { fourNodes, GiB, MiB, oneNode } from "./machines.ts";

const heap: Unit = { id: "node1", backend: "hugetlb", node: 1, nodes: [1], bytes: 64 * MiB, pageBytes: 2 * MiB };
const halo: Unit = { id: "halo", backend: "tmpfs", node: 2, nodes: [2], bytes: 8192, pageBytes: 4096, object: "halo" };
const whole: Unit = { id: "node3", backend: "node", node: 3, nodes: [2, 3], bytes: 2 * GiB, pageBytes: 4096 };

function born(units: readonly Unit[], request: Partial<OwnMemory> = {}, files: CapturedFiles = fourNodes) {
  using machine = captured(files);
  const memory: OwnMemory = { units, policy: "bind", programs: "preload", owner: { uid: 0, gid: 0 }, ...request };
  return memoryBirth(new Inventory(machine), "sim", memory, "/lib/ours.so");
}

Deno.test("memoryBirth() leads programs to huge pages in the way that was asked for", () => {
  const both = [heap, { ...heap, id: "node1:1GiB", bytes: GiB, pageBytes: GiB }];
  const NODEOS_HUGE_SHARES = "/run/nodeos/memory/sim/shares";
  assert.deepEqual(born(both).variables, {
    NODEOS_HUGE_PAGES: "2097152,1073741824",
    NODEOS_HUGE_SHARES,
    LD_PRELOAD: "/lib/ours.so",
  });
  assert.deepEqual(born([heap], { programs: "tunable" }).variables, {
    NODEOS_HUGE_PAGES: "2097152",
    NODEOS_HUGE_SHARES,
    GLIBC_TUNABLES: "glibc.malloc.hugetlb=2:glibc.malloc.mmap_threshold=2097152",
  });
  assert.deepEqual(born([heap], { programs: "none" }).variables, { NODEOS_HUGE_PAGES: "2097152", NODEOS_HUGE_SHARES });
  // There is nothing to keep apart on one node.
  const alone = { ...heap, node: 0, nodes: [0] };
  assert.deepEqual(born([alone], { programs: "none" }, oneNode).variables, { NODEOS_HUGE_PAGES: "2097152" });
});

Deno.test("memoryBirth() says where objects are, and leaves the memory of programs alone that have no other", () => {
  assert.deepEqual(born([halo]), { variables: { NODEOS_MEMORY: "/run/nodeos/memory/sim" } });
});

Deno.test("memoryBirth() binds, interleaves or prefers among the units that are memory of programs", () => {
  const { bind, interleave, preferred } = memoryModes;
  const units = [heap, { ...heap, id: "node0", node: 0, nodes: [0] }, halo];
  assert.deepEqual(born(units).memory, { mode: bind, nodes: [0, 1] });
  assert.deepEqual(born(units, { policy: "interleave" }).memory, { mode: interleave, nodes: [0, 1] });
  assert.deepEqual(born(units, { policy: "preferred" }).memory, { mode: preferred, nodes: [0] });
  assert.equal(born([{ ...heap, node: 0, nodes: [0] }], {}, oneNode).memory, undefined);
});

Deno.test("memoryBirth() lets no program ask for more than is there, where pages come one by one", () => {
  // Two nodes with 512 MiB free and 96 MiB of files each.
  assert.equal(born([whole]).dataBytes, 2 * 608 * MiB * 15 / 16);
  assert.equal(born([{ ...heap, backend: "limit", node: -1, nodes: [] }]).dataBytes, 64 * MiB * 15 / 16);
  assert.equal(born([heap, whole]).dataBytes, undefined);
});
