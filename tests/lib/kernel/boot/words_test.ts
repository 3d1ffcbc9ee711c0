import assert from "node:assert/strict";
import fc from "fast-check";
import { BootWords, parseBootList } from "../../../../lib/kernel/boot/words.ts";
import { formatCpuList } from "../../../../lib/kernel/cpulist.ts";
import { Inventory } from "../../../../lib/kernel/inventory.ts";
import { captured } from "../../../captured.ts";

Deno.test("parseBootList() reads what the kernel's documentation promises", () => {
  const cases: Readonly<Record<string, readonly number[]>> = {
    "3": [3],
    "2-4,7": [2, 3, 4, 7],
    "N": [7],
    "5-N": [5, 6, 7],
    "all": [0, 1, 2, 3, 4, 5, 6, 7],
    "0-7:2/4": [0, 1, 4, 5],
    "1-3,2": [1, 2, 3],
    "6-99": [6, 7],
  };
  for (const [text, cpus] of Object.entries(cases)) assert.deepEqual(parseBootList(text, 7), cpus, text);
});

Deno.test("parseBootList() inverts formatCpuList()", () => {
  fc.assert(fc.property(fc.uniqueArray(fc.nat(1023), { minLength: 1 }), (cpus) => {
    assert.deepEqual(parseBootList(formatCpuList(cpus), 1023), cpus.toSorted((a, b) => a - b));
  }));
});

Deno.test("parseBootList() has no answer for what the kernel would not read", () => {
  for (const text of ["", "4-2", "a", "1,,2", "-3", "0-7:5/4", "0-7:1/0", "domain,3", "9", "1 2"]) {
    assert.equal(parseBootList(text, 7), null, text);
  }
});

Deno.test("BootWords takes the last word of a name, - for _, and nothing behind a lone --", () => {
  using machine = captured({
    "/proc/cmdline": "quiet rcu-nocbs=1 isolcpus=2 rcu_nocbs=3-N nowatchdog name=a=b -- isolcpus=5\n",
    "/sys/devices/system/cpu/online": "0-3\n",
    "/sys/devices/system/cpu/possible": "0-5\n",
  });
  const words = new BootWords(new Inventory(machine));
  assert.deepEqual(words.all("rcu_nocbs"), ["rcu-nocbs=1", "rcu_nocbs=3-N"]);
  assert.deepEqual(words.cpus("rcu_nocbs"), [3, 4, 5]);
  assert.equal(words.value("isolcpus"), "2");
  assert.equal(words.value("nowatchdog"), "");
  assert.equal(words.cpus("nowatchdog"), null);
  assert.equal(words.value("name"), "a=b");
  assert.equal(words.value("absent"), null);
});

Deno.test("BootWords has no words where there is no command line", () => {
  using machine = captured({ "/sys/devices/system/cpu/online": "0\n" });
  assert.deepEqual(new BootWords(new Inventory(machine)).all("quiet"), []);
});
