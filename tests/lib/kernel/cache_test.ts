import assert from "node:assert/strict";
import { readCaches } from "../../../lib/kernel/cache.ts";
import { machine } from "../../machines/machine.ts";
import { MemoryRoot } from "../../machines/memory_root.ts";

Deno.test("readCaches() names a shared cache once, ascending by level", () => {
  const caches = readCaches(machine("vm-cgroup1"), [0, 1]);
  assert.deepEqual(caches.map(({ level, type, cpus }) => `L${level} ${type} ${cpus}`), [
    "L1 data 0",
    "L1 instruction 0",
    "L1 data 1",
    "L1 instruction 1",
    "L2 unified 0",
    "L2 unified 1",
    "L3 unified 0,1",
  ]);
});

Deno.test("readCaches() is empty where the kernel hides caches, and for a CPU that is off", () => {
  assert.deepEqual(readCaches(new MemoryRoot({}), [0, 1]), []);
  assert.deepEqual(readCaches(machine("holes"), [4]), []);
});

Deno.test("readCaches() skips what it does not know and leaves out what the kernel does not say", () => {
  const cache = (index: number, level: string, type: string, size: string) => ({
    [`/sys/devices/system/cpu/cpu0/cache/index${index}/level`]: level,
    [`/sys/devices/system/cpu/cpu0/cache/index${index}/type`]: type,
    [`/sys/devices/system/cpu/cpu0/cache/index${index}/size`]: size,
  });
  const files = new MemoryRoot({
    ...cache(0, "1\n", "Data\n", "0\n"),
    ...cache(1, "1\n", "Trace\n", "12K\n"),
    ...cache(2, "\n", "Unified\n", "12K\n"),
    ...cache(3, "2\n", "Unified\n", "2M\n"),
  });
  assert.deepEqual(readCaches(files, [0]), [
    { level: 1, type: "data", sizeBytes: null, lineBytes: null, ways: null, cpus: [0] },
    { level: 2, type: "unified", sizeBytes: 2 ** 21, lineBytes: null, ways: null, cpus: [0] },
  ]);
});
