import assert from "node:assert/strict";
import { inLargestUnit, listNumbered, parseMeminfo, readCpuList, readNumber, readText, unescapeOctal } from "../../../lib/kernel/value.ts";
import { MemoryRoot } from "../../machines/memory_root.ts";

const files = new MemoryRoot({
  "/sys/number": "12\n",
  "/sys/negative": "-1\n",
  "/sys/size": "12K\n",
  "/sys/empty": "\n",
  "/sys/list": "0-2,8\n",
  "/sys/null": "  (null)\n",
  "/sys/refused": { errno: 1 },
  "/sys/invalid": { errno: 22 },
  "/sys/cpu/cpu0/a": "",
  "/sys/cpu/cpu10/a": "",
  "/sys/cpu/cpu2/a": "",
  "/sys/cpu/cpufreq/a": "",
  "/sys/cpu/cpu": "",
});

Deno.test("readText() trims, and takes a refusal of the kernel for an absent file", () => {
  assert.equal(readText(files, "/sys/number"), "12");
  assert.equal(readText(files, "/sys/empty"), "");
  for (const path of ["/sys/absent", "/sys/refused", "/sys/invalid"]) assert.equal(readText(files, path), null);
});

Deno.test("readText() lets an error that is not the kernel's pass", () => {
  const broken = new MemoryRoot({});
  broken.tryRead = () => {
    throw new TypeError("a defect");
  };
  assert.throws(() => readText(broken, "/sys/number"), { name: "TypeError", message: "a defect" });
});

Deno.test("readNumber() reads whole numbers and nothing else", () => {
  assert.equal(readNumber(files, "/sys/number"), 12);
  assert.equal(readNumber(files, "/sys/negative"), -1);
  for (const path of ["/sys/size", "/sys/empty", "/sys/null", "/sys/absent"]) assert.equal(readNumber(files, path), null);
});

Deno.test("readCpuList() tells the empty list from none", () => {
  assert.deepEqual(readCpuList(files, "/sys/list"), [0, 1, 2, 8]);
  assert.deepEqual(readCpuList(files, "/sys/empty"), []);
  for (const path of ["/sys/null", "/sys/absent", "/sys/refused"]) assert.equal(readCpuList(files, path), null);
});

Deno.test("listNumbered() orders by number and skips names that only begin alike", () => {
  assert.deepEqual(listNumbered(files, "/sys/cpu", "cpu"), [0, 2, 10]);
  assert.deepEqual(listNumbered(files, "/sys/absent", "cpu"), []);
});

Deno.test("parseMeminfo() reads the machine's and a node's, kilobytes as bytes and counts as they are", () => {
  const whole = parseMeminfo("MemTotal:       24684084 kB\nActive(anon):       2 kB\nHugePages_Total:       7\nrubbish\n");
  assert.deepEqual([...whole], [["MemTotal", 24684084 * 1024], ["Active(anon)", 2048], ["HugePages_Total", 7]]);
  const node = parseMeminfo("Node 12 MemTotal:        4942028 kB\nNode 12 HugePages_Free:      3\n");
  assert.deepEqual([...node], [["MemTotal", 4942028 * 1024], ["HugePages_Free", 3]]);
});

Deno.test("inLargestUnit() takes the largest unit that divides a number, and none that there is not", () => {
  assert.deepEqual([0, 1, 1024, 1536, 2 ** 21, 2 ** 50].map((bytes) => inLargestUnit(bytes, 4)), [
    [0, 0],
    [1, 0],
    [1, 1],
    [1536, 0],
    [2, 2],
    [2 ** 20, 3],
  ]);
});

Deno.test("unescapeOctal() reads what mountinfo writes", () => {
  assert.equal(unescapeOctal("/a\\040b\\134c"), "/a b\\c");
  assert.equal(unescapeOctal("/plain"), "/plain");
});
