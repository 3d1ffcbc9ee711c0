import assert from "node:assert/strict";
import {
  parseSchemata,
  readCacheDomains,
  readCacheMasks,
  readClassCount,
  readResourceClasses,
  readSchemata,
} from "../../../lib/kernel/resctrl.ts";
import { captured } from "../../captured.ts";

const root = "/sys/fs/resctrl";
const plain = (text: string) => Object.fromEntries([...parseSchemata(text)].map(([name, values]) => [name, Object.fromEntries(values)]));

Deno.test("parseSchemata() reads values without the zeros and spaces that kernels print before them", () => {
  assert.deepEqual(plain("    L3:0=00fff;1=00000\n    MB:0= 50;1=100\n"), { L3: { 0: "fff", 1: "0" }, MB: { 0: "50", 1: "100" } });
  assert.deepEqual(plain("L3:10=fff;16=f\nMB:10=2048\nL3CODE:0=1"), { L3: { 10: "fff", 16: "f" }, MB: { 10: "2048" }, L3CODE: { 0: "1" } });
});

Deno.test("parseSchemata() leaves out what a class that is being locked has", () => {
  assert.deepEqual(plain("L3:uninitialized\nMB:uninitialized\n"), { L3: {}, MB: {} });
  assert.deepEqual(plain(""), {});
});

Deno.test("readResourceClasses() finds classes beside the kernel's own directories", () => {
  using machine = captured({
    [`${root}/schemata`]: "L3:0=f\n",
    [`${root}/info/L3/cbm_mask`]: "f\n",
    [`${root}/mon_groups`]: null,
    [`${root}/a/schemata`]: "L3:0=3\n",
    [`${root}/a/cpus_list`]: "1,3\n",
    [`${root}/a/tasks`]: "\n",
    [`${root}/a/mode`]: "shareable\n",
    [`${root}/b/schemata`]: "L3:0=c\n",
    [`${root}/b/cpus_list`]: "\n",
    [`${root}/b/tasks`]: "1\n2\n",
    [`${root}/b/mode`]: "exclusive\n",
  });
  const found = readResourceClasses(machine).map(({ schemata, ...rest }) => ({ ...rest, mask: schemata.get("L3")?.get(0) }));
  assert.deepEqual(found, [
    { name: "a", cpus: [1, 3], hasTasks: false, isExclusive: false, mask: "3" },
    { name: "b", cpus: [], hasTasks: true, isExclusive: true, mask: "c" },
  ]);
  assert.equal(readSchemata(machine, `${root}/none`), null);
});

Deno.test("readCacheMasks() and readClassCount() read what the CPU has", () => {
  using machine = captured({
    [`${root}/info/L3/cbm_mask`]: "ffffffff\n",
    [`${root}/info/L3/min_cbm_bits`]: "0\n",
    [`${root}/info/L3/shareable_bits`]: "c0000000\n",
    [`${root}/info/L3/num_closids`]: "16\n",
    [`${root}/info/MB/num_closids`]: "8\n",
    [`${root}/info/L3_MON/num_rmids`]: "160\n",
    [`${root}/info/last_cmd_status`]: "ok\n",
  });
  assert.deepEqual(readCacheMasks(machine, "L3"), { all: 0xffffffffn, shareable: 0xc0000000n, bitsMin: 1 });
  assert.equal(readCacheMasks(machine, "L3CODE"), null);
  assert.equal(readClassCount(machine), 8);
});

Deno.test("readCacheDomains() groups CPUs by the number of their last-level cache", () => {
  const cpu = (number: number, id: string) => ({
    [`/sys/devices/system/cpu/cpu${number}/cache/index0/level`]: "1\n",
    [`/sys/devices/system/cpu/cpu${number}/cache/index3/level`]: "3\n",
    [`/sys/devices/system/cpu/cpu${number}/cache/index3/id`]: id,
  });
  using machine = captured({ ...cpu(0, "0\n"), ...cpu(1, "16\n"), ...cpu(2, "0\n"), "/sys/devices/system/cpu/cpu3/cache": null });
  assert.deepEqual([...readCacheDomains(machine, [0, 1, 2, 3])], [[0, [0, 2]], [16, [1]]]);
});
