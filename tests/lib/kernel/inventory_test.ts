import assert from "node:assert/strict";
import { SysError } from "../../../ffi/errors.ts";
import { Inventory } from "../../../lib/kernel/inventory.ts";
import { captured } from "../../captured.ts";
import { hybrid, noCgroups, v1, v1RealTimeGroups, v2 } from "../../small_machines.ts";

Deno.test("Inventory knows CPUs, cores and memory of a machine", () => {
  using machine = captured(v2);
  const inventory = new Inventory(machine);
  assert.deepEqual(inventory.onlineCpus, [0, 1, 2, 3, 4, 5, 6, 7]);
  assert.deepEqual(inventory.presentCpus, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
  assert.deepEqual(inventory.siblings(5), [1, 5]);
  assert.deepEqual(inventory.memoryNodes, [0, 1]);
  assert.equal(inventory.memoryBytes(), 8 * 2 ** 30);
  assert.equal(inventory.memoryBytes([1]), 4 * 2 ** 30);
  assert.equal(inventory.memoryBytes([0, 1]), 8 * 2 ** 30);
  assert.equal(inventory.rtRuntimeUs, 950000);
});

Deno.test("Inventory of a machine without NUMA, SMT or real time has one node, single threads and null", () => {
  using machine = captured({ "/sys/devices/system/cpu/online": "0-1\n", "/proc/meminfo": "MemTotal:  1024 kB\n" });
  const inventory = new Inventory(machine);
  assert.deepEqual(inventory.memoryNodes, [0]);
  assert.deepEqual(inventory.siblings(1), [1]);
  assert.equal(inventory.memoryBytes([0]), 2 ** 20);
  assert.equal(inventory.rtRuntimeUs, null);
  assert.equal(inventory.cgroups.mode, "none");
  assert.deepEqual(inventory.topCpusets, []);
});

Deno.test("Inventory gives a node without memory none, and an older kernel's nodes by what is online", () => {
  using machine = captured({
    "/sys/devices/system/node/online": "0,2\n",
    "/sys/devices/system/node/node0/meminfo": "Node 0 MemTotal:  2048 kB\n",
    "/proc/meminfo": "MemTotal:  2048 kB\n",
  });
  const inventory = new Inventory(machine);
  assert.deepEqual(inventory.memoryNodes, [0, 2]);
  assert.equal(inventory.memoryBytes([2]), 0);
});

Deno.test("Inventory reads each fact once: a plan sees one state", () => {
  using machine = captured(v2);
  const inventory = new Inventory(machine);
  assert.equal(inventory.onlineCpus.length, 8);
  Deno.writeTextFileSync(`${machine.base}/sys/devices/system/cpu/online`, "0\n");
  assert.equal(inventory.onlineCpus.length, 8);
  assert.deepEqual(new Inventory(machine).onlineCpus, [0]);
});

Deno.test("Inventory of a directory that is no machine says which file is missing", () => {
  using machine = captured({ "/etc/passwd": "" });
  assert.throws(
    () => new Inventory(machine).onlineCpus,
    (error) => error instanceof SysError && error.code === "ENOENT" && /cpu\/online/.test(error.message),
  );
});

Deno.test("Inventory sees real-time groups on version 1 alone, where the kernel has them", () => {
  const expected = [[v1RealTimeGroups, true], [v1, false], [hybrid, false], [v2, false], [noCgroups, false]] as const;
  for (const [files, has] of expected) {
    using machine = captured(files);
    assert.equal(new Inventory(machine).hasRtGroups, has);
  }
});
