import assert from "node:assert/strict";
import { Inventory } from "../../../lib/kernel/inventory.ts";
import type { Unit } from "../../../lib/memory/unit.ts";
import { readUnitUses } from "../../../lib/memory/unit_use.ts";
import { captured } from "../../captured.ts";
import { fourNodes, GiB, MiB } from "./machines.ts";

const huge: Unit = { id: "node1", backend: "hugetlb", node: 1, nodes: [1], bytes: 32 * MiB, pageBytes: 2 * MiB };
const field: Unit = { ...huge, id: "field", bytes: 4 * MiB, object: "field" };
const halo: Unit = { id: "halo", backend: "tmpfs", node: 0, nodes: [0], bytes: MiB, pageBytes: 4096, object: "halo" };
const whole: Unit = { id: "node2", backend: "node", node: 2, nodes: [2, 3], bytes: 2 * GiB, pageBytes: 4096 };
const limit: Unit = { id: "limit", backend: "limit", node: -1, nodes: [], bytes: GiB, pageBytes: 4096 };

Deno.test("readUnitUses() reads what is in use of each kind of unit, objects apart from memory of programs", () => {
  const cgroup = "/sys/fs/cgroup/nodeos-sim";
  using machine = captured({
    ...fourNodes,
    [`${cgroup}/hugetlb.2MB.numa_stat`]: `total=${10 * MiB} N0=0 N1=${10 * MiB} N2=0 N3=0\n`,
    [`${cgroup}/memory.numa_stat`]: `anon N0=5 N1=0 N2=8192 N3=4096\nfile N0=1 N1=1 N2=1 N3=1\n`,
    [`${cgroup}/memory.current`]: "70000\n",
    "/proc/77/comm": "solver\n",
    "/proc/77/maps": "7f0000000000-7f0000080000 rw-s 00000000 00:31 12   /run/nodeos/memory/sim/4KiB-node0/halo\n",
    "/proc/78/maps": "7f0000000000-7f0000080000 rw-s 00000000 00:31 12   /run/nodeos/memory/sim/4KiB-node0/halo2\n",
  });
  const owner = { uid: 0, gid: 0 };
  const uses = readUnitUses(new Inventory(machine), "sim", {
    units: [huge, field, halo, whole, limit],
    policy: "bind",
    programs: "preload",
    owner,
  });
  assert.deepEqual(uses.map(({ unit, usedBytes, path }) => [unit.id, usedBytes, path]), [
    ["node1", 10 * MiB, null],
    ["field", 0, "/run/nodeos/memory/sim/2MiB-node1/field"],
    ["halo", 512 * 1024, "/run/nodeos/memory/sim/4KiB-node0/halo"],
    ["node2", 12288, null],
    ["limit", 70000, null],
  ]);
  assert.deepEqual(uses[2].mappers, [{ pid: 77, name: "solver", endBytes: 512 * 1024 }]);
});
