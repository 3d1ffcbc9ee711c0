import assert from "node:assert/strict";
import fc from "fast-check";
import { chooseCpus, serviceHolder } from "../../../lib/container/choose.ts";
import { Inventory } from "../../../lib/kernel/inventory.ts";
import { captured, type CapturedFiles } from "../../captured.ts";
import { machine } from "../../machines/machine.ts";
import { v2 } from "../../small_machines.ts";

/** Chooses on the small machine, where 0 and 4, 1 and 5, 2 and 6, 3 and 7 are cores. */
function chosen(count: number | undefined, held: Record<number, string> = {}, files: CapturedFiles = v2): number[] | null {
  using small = captured(files);
  return chooseCpus(new Inventory(small), new Map(Object.entries(held).map(([cpu, holder]) => [Number(cpu), holder])), count);
}

Deno.test("chooseCpus() without a count takes all but the first core, which stays with the ServiceOS", () => {
  assert.deepEqual(chosen(undefined), [1, 2, 3, 5, 6, 7]);
});

Deno.test("chooseCpus() takes whole cores first", () => {
  assert.deepEqual(chosen(2), [1, 5]);
  assert.deepEqual(chosen(4), [1, 2, 5, 6]);
  assert.deepEqual(chosen(3), [1, 2, 5]);
  assert.deepEqual(chosen(6), [1, 2, 3, 5, 6, 7]);
});

Deno.test("chooseCpus() gives back null rather than the core of the ServiceOS", () => {
  assert.equal(chosen(7), null);
  assert.equal(chosen(8), null);
  assert.equal(chosen(undefined, {}, { ...v2, "/sys/devices/system/cpu/online": "0,4\n" }), null);
});

Deno.test("chooseCpus() leaves what others hold, and keeps the first core that nobody holds", () => {
  assert.deepEqual(chosen(undefined, { 1: "container a", 5: "container a" }), [2, 3, 6, 7]);
  assert.deepEqual(chosen(undefined, { 0: "cgroup x", 4: "cgroup x" }), [2, 3, 6, 7]);
  assert.deepEqual(chosen(2, { 1: "container a" }), [2, 6]);
});

Deno.test("chooseCpus() keeps nothing back when the ServiceOS has CPUs of its own", () => {
  assert.deepEqual(chosen(undefined, { 0: serviceHolder }), [1, 2, 3, 4, 5, 6, 7]);
  assert.deepEqual(chosen(7, { 0: serviceHolder }), [1, 2, 3, 4, 5, 6, 7]);
});

Deno.test("chooseCpus() of a machine whose CPUs are all held is null", () => {
  const all = Object.fromEntries([0, 1, 2, 3, 4, 5, 6, 7].map((cpu) => [cpu, "container a"]));
  assert.equal(chosen(undefined, all), null);
  assert.equal(chosen(1, all), null);
});

for (const name of ["xeon-2s", "epyc-4n", "phi", "arm-80", "holes", "power9-smt4", "hybrid-16", "big-256"]) {
  Deno.test(`chooseCpus() on ${name} gives as many free CPUs as asked for, and splits at most one core`, () => {
    const inventory = new Inventory(machine(name));
    const online = inventory.onlineCpus;
    fc.assert(
      fc.property(fc.nat(online.length), fc.uniqueArray(fc.constantFrom(...online), { maxLength: 8 }), (count, held) => {
        const holders = new Map(held.map((cpu) => [cpu, "container a"]));
        const cpus = chooseCpus(inventory, holders, count + 1);
        if (cpus === null) return;
        assert.equal(cpus.length, count + 1);
        assert.deepEqual(cpus, [...new Set(cpus)].sort((a, b) => a - b));
        assert.ok(cpus.every((cpu) => online.includes(cpu) && !holders.has(cpu)));
        const isSplit = (cpu: number) =>
          inventory.siblings(cpu).some((other) => online.includes(other) && !holders.has(other) && !cpus.includes(other));
        assert.ok(new Set(cpus.filter(isSplit).map((cpu) => inventory.siblings(cpu).join())).size <= 1);
      }),
      { numRuns: 40 },
    );
  });
}
