import assert from "node:assert/strict";
import { RefusedError } from "../../../lib/errors.ts";
import { cache, type CacheWish } from "../../../lib/feature/cache.ts";
import { Inventory } from "../../../lib/kernel/inventory.ts";
import { apply, prepare, undo, verify } from "../../../lib/plan/executor.ts";
import { type Change, formatStep } from "../../../lib/plan/step.ts";
import { FakeKernel } from "../../fake_kernel.ts";
import type { FakeCaches } from "../../fake_resctrl.ts";
import { noCgroups, v2 } from "../../small_machines.ts";
import type { Site } from "../../../lib/plan/seat.ts";
import { planned } from "./site.ts";

const root = "/sys/fs/resctrl";

/** Eight CPUs under two caches. */
function machineWith(caches: Partial<FakeCaches> = {}): FakeKernel {
  return new FakeKernel({ version: 2, cpuCount: 8, caches: { cpusPerCache: 4, ...caches } });
}

function siteOn(machine: FakeKernel, site: Partial<Site> = {}): Site {
  return { inventory: new Inventory(machine), name: "sim", role: "compute", cpus: [2, 3], nodes: [0], ...site };
}

/** Plans for container `sim` on CPUs 2-3, or another one. */
function planOn(machine: FakeKernel, wish: CacheWish, site: Partial<Site> = {}, others: readonly Change[] = []): Change[] {
  return cache.plan(siteOn(machine, site), wish, others);
}

const linesOf = (changes: readonly Change[]) => changes.map((change) => formatStep({ ...change, why: "" }).trimEnd());

function refusal(message: RegExp, remedy: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert(error instanceof RefusedError);
    assert.match(error.message, /^Cannot divide caches for container sim: /);
    assert.match(error.message, message);
    assert.match(error.remedy!, remedy);
    return true;
  };
}

Deno.test("cache without a wish changes nothing, whatever the machine has", () => {
  assert.equal(cache.default, null);
  for (const wish of [null, {}]) {
    assert.deepEqual(planned(noCgroups, (site) => cache.plan(site, wish)), []);
    assert.deepEqual(planOn(machineWith(), wish), []);
  }
});

Deno.test("cache makes a class, gives it parts of the caches of its CPUs, and its CPUs last", () => {
  assert.deepEqual(linesOf(planOn(machineWith(), { l3: 25, memoryBandwidth: 50 }, { cpus: [2, 3, 4] })), [
    `${root}/nodeos-sim/ <- (new class)`,
    `${root}/nodeos-sim/schemata <- L3:0=1f`,
    `${root}/nodeos-sim/schemata <- MB:0=50`,
    `${root}/nodeos-sim/schemata <- L3:1=1f`,
    `${root}/nodeos-sim/schemata <- MB:1=50`,
    `${root}/nodeos-sim/cpus_list <- 2-4`,
  ]);
});

Deno.test("cache has reasons that say how much it is of what", () => {
  const changes = planOn(machineWith({ shareable: 0xfffff }), { l3: 25, memoryBandwidth: 50 });
  assert.deepEqual(changes.slice(1, 3).map(({ why }) => why), [
    "5 of 20 parts of the L3 cache of CPUs 2-3, devices write there as well",
    "50 % of the memory bandwidth for CPUs 2-3",
  ]);
});

for (const short of [false, true]) {
  Deno.test(`cache is applied, verified and undone on a kernel that prints ${short ? "values as they are" : "zeros and spaces before them"}`, () => {
    const machine = machineWith({ short });
    const before = machine.snapshot();
    const steps = prepare(machine, planOn(machine, { l3: 1, memoryBandwidth: 10 }));
    apply(machine, steps);
    assert.deepEqual(verify(machine, steps), []);
    const L3 = short ? "L3:0=1;1=fffff" : "L3:0=00001;1=fffff";
    assert.equal(machine.read(`${root}/nodeos-sim/schemata`), `${L3}\nMB:0=${short ? "10" : " 10"};1=100\n`);
    assert.equal(machine.read(`${root}/cpus_list`), "0-1,4-7\n");
    assert.deepEqual(undo(machine, steps), []);
    assert.deepEqual(machine.snapshot(), before);
  });
}

Deno.test("cache goes back to what a new class has when the wish for one resource ends", () => {
  const machine = machineWith();
  const both = prepare(machine, planOn(machine, { l3: 25, memoryBandwidth: 50 }));
  apply(machine, both);
  assert.deepEqual(undo(machine, both.filter(({ what }) => what.includes(":L3:") || what.includes(":MB:"))), []);
  assert.equal(machine.read(`${root}/nodeos-sim/schemata`), "L3:0=fffff;1=fffff\nMB:0=100;1=100\n");
});

Deno.test("cache rounds up: parts to whole ones and to the least that there may be, bandwidth to the CPU's steps", () => {
  const masks = (caches: Partial<FakeCaches>, l3: number) => planOn(machineWith(caches), { l3 })[1].to;
  assert.deepEqual([1, 5, 6, 50, 99, 100].map((percent) => masks({}, percent)), ["1", "1", "3", "3ff", "fffff", "fffff"]);
  assert.equal(masks({ partsMin: 2 }, 1), "3");
  assert.equal(masks({ parts: 32 }, 100), "ffffffff");
  const bandwidths = (percent: number) => planOn(machineWith(), { memoryBandwidth: percent })[1].to;
  assert.deepEqual([10, 11, 20, 95, 100].map(bandwidths), ["10", "20", "20", "100", "100"]);
  // The steps are the kernel's as well: what it prints is what was planned.
  for (const l3 of [1, 33, 100]) {
    const machine = machineWith({ partsMin: 2, bandwidthStep: 15 });
    apply(machine, prepare(machine, planOn(machine, { l3, memoryBandwidth: 91 })));
  }
});

Deno.test("cache takes parts that devices write to only when no others are free", () => {
  const machine = machineWith({ shareable: 0x3 });
  assert.equal(planOn(machine, { l3: 25 })[1].to, "7c");
  assert.equal(planOn(machine, { l3: 95 })[1].to, "7ffff");
});

Deno.test("cache gives two containers under one cache parts that do not overlap, made one after the other", () => {
  const machine = machineWith();
  apply(machine, prepare(machine, planOn(machine, { l3: 25 })));
  const second = prepare(machine, planOn(machine, { l3: 50 }, { name: "viz", cpus: [0, 1] }));
  assert.deepEqual(second[1].to, "7fe0");
  apply(machine, second);
  assert.throws(() => planOn(machine, { l3: 50 }, { name: "sim", cpus: [2, 3] }), refusal(/needs 10 parts/, /smaller part/));
});

Deno.test("cache gives two containers parts that do not overlap, planned together", () => {
  const machine = machineWith();
  const first = planOn(machine, { l3: 25 });
  const second = planOn(machine, { l3: 25 }, { name: "viz", cpus: [0, 1] }, first);
  assert.equal(second[1].to, "3e0");
  // Under another cache they are not in each other's way.
  assert.equal(planOn(machine, { l3: 25 }, { name: "viz", cpus: [4, 5] }, first)[1].to, "1f");
});

Deno.test("cache keeps the parts of a container that is planned again, also when there are lower ones", () => {
  const machine = machineWith();
  const other = prepare(machine, planOn(machine, { l3: 25 }, { name: "viz", cpus: [0, 1] }));
  apply(machine, other);
  const own = prepare(machine, planOn(machine, { l3: 25 }));
  apply(machine, own);
  undo(machine, other);
  assert.equal(planOn(machine, { l3: 25 }, {}, own)[1].to, "3e0");
  assert.equal(planOn(machine, { l3: 10 }, {}, own)[1].to, "3");
});

Deno.test("cache says who has what when there is no room", () => {
  const machine = machineWith();
  machine.makeDirectory(`${root}/batch`);
  machine.write(`${root}/batch/schemata`, "L3:0=3c0\n");
  machine.write(`${root}/batch/cpus_list`, "0");
  assert.equal(planOn(machine, { l3: 30 })[1].to, "3f");
  assert.throws(
    () => planOn(machine, { l3: 60 }),
    refusal(/12 parts in a row .* CPUs 2-3, which is fffff; class batch has 3c0$/, /take down/),
  );
});

Deno.test("cache does not count a class that runs nothing there, and counts one with tasks or to itself", () => {
  const machine = machineWith({ classCount: 8 });
  machine.makeDirectory(`${root}/batch`);
  machine.write(`${root}/batch/cpus_list`, "4-5");
  assert.equal(planOn(machine, { l3: 25 })[1].to, "1f");
  machine.files.set(`${root}/batch/tasks`, "4711");
  assert.throws(() => planOn(machine, { l3: 25 }), refusal(/class batch has fffff/, /./));
  machine.files.set(`${root}/batch/tasks`, "");
  machine.write(`${root}/schemata`, "L3:0=ffff0;1=ffff0\n");
  machine.write(`${root}/batch/schemata`, "L3:0=f;1=f\n");
  machine.write(`${root}/batch/mode`, "exclusive\n");
  const changes = planOn(machine, { l3: 25 });
  assert.equal(changes[1].to, "1f0");
  apply(machine, prepare(machine, changes));
});

Deno.test("cache gives data and code the same parts where they are divided", () => {
  const machine = machineWith({ resources: ["L3CODE", "L3DATA"] });
  const steps = prepare(machine, planOn(machine, { l3: 25 }));
  assert.deepEqual(linesOf(steps).slice(1, 3), [
    `${root}/nodeos-sim/schemata <- L3CODE:0=1f`,
    `${root}/nodeos-sim/schemata <- L3DATA:0=1f`,
  ]);
  apply(machine, steps);
  assert.equal(planOn(machine, { l3: 25 }, { name: "viz", cpus: [0] })[1].to, "3e0");
});

Deno.test("cache is refused when all classes are taken, made or planned", () => {
  const machine = machineWith({ classCount: 2 });
  const first = planOn(machine, { l3: 25 }, { name: "viz", cpus: [0] });
  const isFull = refusal(/there are 2 classes: that of everybody, nodeos-viz$/, /^Remove one .*rmdir/);
  assert.throws(() => planOn(machine, { l3: 25 }, {}, first), isFull);
  apply(machine, prepare(machine, first));
  assert.throws(() => planOn(machine, { l3: 25 }), isFull);
  // What it has itself is not in its way.
  assert.equal(planOn(machine, { l3: 25 }, { name: "viz", cpus: [0] }, first).length, 3);
});

Deno.test("cache is refused when somebody else has a CPU in a class", () => {
  const machine = machineWith();
  machine.makeDirectory(`${root}/batch`);
  machine.write(`${root}/batch/cpus_list`, "3,5");
  assert.throws(() => planOn(machine, { memoryBandwidth: 50 }), refusal(/class batch has CPUs 3,5$/, /batch\/cpus_list, or rmdir/));
});

Deno.test("cache is refused where the CPU lacks what is wished", () => {
  assert.throws(() => planOn(machineWith({ resources: [] }), { l3: 25 }), refusal(/does not divide its L3 cache/, /Leave l3 out/));
  const unlimited = machineWith({ bandwidthStep: null });
  assert.throws(() => planOn(unlimited, { memoryBandwidth: 50 }), refusal(/does not limit memory bandwidth/, /Leave memoryBandwidth out/));
  const megabytes = machineWith({ short: true });
  megabytes.files.set(`${root}/schemata`, "L3:0=fffff;1=fffff\nMB:0=4294967295;1=4294967295");
  assert.throws(() => planOn(megabytes, { memoryBandwidth: 50 }), refusal(/not counted in percent/, /mba_MBps/));
});

Deno.test("cache is refused without resctrl, with the reason: not mounted, not in the kernel, not in the CPU", () => {
  const plan = (site: Site) => cache.plan(site, { l3: 25 });
  const cpuinfo = (flags: string) => ({ "/proc/cpuinfo": `processor\t: 0\nflags\t\t: fpu ${flags} sse\n` });
  assert.throws(
    () => planned({ ...v2, [root]: null }, plan),
    refusal(/not mounted/, /^Mount it: mount -t resctrl resctrl \/sys\/fs\/resctrl$/),
  );
  assert.throws(() => planned({ ...v2, ...cpuinfo("rdt_a cat_l3") }, plan), refusal(/the kernel does not/, /CONFIG_X86_CPU_RESCTRL/));
  assert.throws(() => planned({ ...v2, ...cpuinfo("avx") }, plan), refusal(/this CPU has no classes/, /Leave cache out/));
  assert.throws(() => planned(v2, plan), refusal(/this CPU has no classes/, /Leave cache out/));
});

Deno.test("cache is refused where the kernel does not say which CPUs share a cache", () => {
  const machine = machineWith();
  for (const path of machine.files.keys()) if (path.includes("/cache/")) machine.files.delete(path);
  assert.throws(() => planOn(machine, { l3: 25 }), refusal(/does not say which last-level cache/, /Leave cache out/));
});
