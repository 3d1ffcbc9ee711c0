import assert from "node:assert/strict";
import { irqs } from "../../lib/feature/irqs.ts";
import { kernelThreads } from "../../lib/feature/kernel_threads.ts";
import type { NodeFeature, Scene } from "../../lib/feature/node_feature.ts";
import { formatCpuList, parseCpuList } from "../../lib/kernel/cpulist.ts";
import { Inventory } from "../../lib/kernel/inventory.ts";
import { readTasks, type Task } from "../../lib/kernel/process.ts";
import { drivers } from "../../lib/plan/driver.ts";
import { apply, prepare, undo } from "../../lib/plan/executor.ts";
import { isSame, type Step } from "../../lib/plan/step.ts";
import { checkout } from "../host.ts";
import { cgroups, delay, ForeignCgroup, guestTest, hasExclusive, isGuest, kernel, read } from "./guest.ts";

/** CPUs of NUMA node 2: those of the container. */
const cpus: readonly number[] = [4, 5];
const workqueueMask = "/sys/devices/virtual/workqueue/cpumask";

const release = isGuest ? read("/proc/sys/kernel/osrelease").split(".").map(Number) : [0, 0];
const isSince = (major: number, minor: number) => release[0] > major || (release[0] === major && release[1] >= minor);
/** Workers of ordered workqueues follow the mask of all. */
const followsMask = isSince(6, 9);

/** The scene of a container on these CPUs; `held` is what was changed. */
function scene(held: readonly Step[] = []): Scene {
  const inventory = new Inventory(kernel);
  return {
    inventory,
    cpus,
    otherCpus: inventory.onlineCpus.filter((cpu) => !cpus.includes(cpu)),
    taken: cpus,
    sharedNodes: inventory.memoryNodes,
    serviceCpus: null,
    protect: [],
    isolatedCpus: [],
    original: (thing) => held.find((step) => isSame(step, thing))?.from ?? drivers[thing.kind].read(kernel, thing.what),
  };
}

/** What a feature changed, put back when disposed. */
class Away implements Disposable {
  readonly steps: Step[];
  readonly refused: Step[];

  constructor(readonly feature: NodeFeature) {
    this.steps = prepare(kernel, feature.plan(scene()));
    this.refused = apply(kernel, this.steps);
  }

  left(): string[] {
    return this.feature.left!(scene(this.steps));
  }

  [Symbol.dispose](): void {
    assert.deepEqual(undo(kernel, this.steps), []);
  }
}

// The library, registered at its first use, stays loaded: within a test that would count as a leak.
if (isGuest) drivers.irqbalance.read(kernel, "/run/irqbalance/none.sock");

function meets(allowed: readonly number[]): boolean {
  return allowed.some((cpu) => cpus.includes(cpu));
}

function say(lines: readonly string[]): void {
  console.log(lines.map((line) => `  ${line}`).join("\n"));
}

/** Threads of the kernel that may run on the container's CPUs, and are bound neither to them nor to an interrupt. */
function intruders(): string[] {
  const isFree = (task: Task) => task.isKernelThread && !task.isBound && !/^irq\//.test(task.name);
  return onCpus((task) => isFree(task) || (followsMask && task.name.startsWith("kworker/u")));
}

function onCpus(isMeant: (task: Task) => boolean): string[] {
  return readTasks(kernel).filter((task) => isMeant(task) && meets(task.allowedCpus))
    .map(({ name, allowedCpus }) => `${name} ${formatCpuList(allowedCpus)}`);
}

/** Resolves when something is so; fails after 20 s. */
async function until(what: string, isSo: () => boolean): Promise<void> {
  for (let tries = 0; !isSo(); tries++) {
    assert.ok(tries < 200, `waited in vain: ${what}`);
    await delay(100);
  }
}

guestTest("kernelThreads: no unbound thread of the kernel may run on the container's CPUs, and all come back", async () => {
  assert.ok(intruders().length > 10);
  using away = new Away(kernelThreads);
  say(away.steps.map(({ to, why, from }) => `${from} -> ${to}: ${why}`));
  assert.deepEqual(away.refused, []);
  // Workers of the former masks end when they have nothing left to do.
  await until(`workers leave: ${intruders()}`, () => intruders().length === 0);
  const left = away.left();
  say(left);
  for (const name of ["migration/N", "ksoftirqd/N", "cpuhp/N"]) assert.ok(left[0].includes(name), left[0]);
  assert.match(left[0], / on CPUs 4-5: /);
  // What stays of those that belong to no CPU is said.
  const kept = onCpus(({ name }) => name.startsWith("kworker/u")).map((text) => text.split(" ")[0].split("-")[0]);
  for (const name of kept) assert.ok(left.some((line) => line.includes(name)), `${name} in ${left.join("\n")}`);
  assert.ok(left.some((line) => line.startsWith("RCU callbacks on CPUs 4-5: ")), left.join("\n"));
});

guestTest("kernelThreads: a thread that starts meanwhile inherits the CPUs of kthreadd, from 6.2 on", async () => {
  const setting = "/sys/kernel/mm/transparent_hugepage/enabled";
  const was = /\[(\w+)\]/.exec(read(setting))![1];
  const khugepaged = () => readTasks(kernel).find(({ name }) => name === "khugepaged");
  const away = new Away(kernelThreads);
  kernel.write(setting, "never");
  await until("khugepaged ends", () => khugepaged() === undefined);
  kernel.write(setting, "always");
  await until("khugepaged starts", () => khugepaged() !== undefined);
  assert.deepEqual(khugepaged()!.allowedCpus, isSince(6, 2) ? [0, 1, 2, 3, 6, 7] : [0, 1, 2, 3, 4, 5, 6, 7]);
  away[Symbol.dispose]();
  const { tid, startTicks } = khugepaged()!;
  drivers.affinity.write(kernel, `${tid}:${startTicks}`, "0-7");
  kernel.write(setting, was);
});

/** A partition of CPUs without load balancing, as somebody else makes one. */
class Partition implements Disposable {
  readonly #group: ForeignCgroup;

  constructor(name: string, list: string) {
    this.#group = new ForeignCgroup(name);
    this.#write("cpuset.cpus", list);
    if (hasExclusive) this.#write("cpuset.cpus.exclusive", list);
    this.#write("cpuset.cpus.partition", "isolated");
    assert.equal(read(`${this.#group.path}/cpuset.cpus.partition`), "isolated");
  }

  #write(name: string, value: string): void {
    kernel.write(`${this.#group.path}/${name}`, value);
  }

  [Symbol.dispose](): void {
    this.#write("cpuset.cpus.partition", "member");
    this.#group[Symbol.dispose]();
  }
}

const isVersion2 = isGuest && kernel.exists(`${cgroups}/cgroup.controllers`);

/** Calls while children of the root have the cpuset controller. Older kernels then forget affinities: they are given back. */
async function withCpusets(body: () => Promise<void>): Promise<void> {
  const had = read(`${cgroups}/cgroup.subtree_control`).split(" ").includes("cpuset");
  const before = readTasks(kernel).filter(({ isBound }) => !isBound);
  if (!had) kernel.write(`${cgroups}/cgroup.subtree_control`, "+cpuset");
  try {
    await body();
  } finally {
    if (!had) kernel.write(`${cgroups}/cgroup.subtree_control`, "-cpuset");
    for (const { tid, startTicks, allowedCpus } of before) {
      const [what, list] = [`${tid}:${startTicks}`, formatCpuList(allowedCpus)];
      const now = drivers.affinity.read(kernel, what);
      if (now !== null && now !== list) drivers.affinity.write(kernel, what, list);
    }
  }
}

if (isVersion2 || !isGuest) {
  guestTest("kernelThreads: put back after the container's isolated partition went", () =>
    withCpusets(async () => {
      // As the container comes: planned before, made after; and as it goes: put back after.
      const steps = prepare(kernel, kernelThreads.plan(scene()));
      {
        using _own = new Partition("own", "4-5");
        assert.deepEqual(apply(kernel, steps), []);
        await until(`workers leave: ${intruders()}`, () => intruders().length === 0);
      }
      assert.deepEqual(undo(kernel, steps), []);
    }));

  guestTest("kernelThreads: the workqueues' mask comes back beside somebody else's isolated partition", () =>
    withCpusets(async () => {
      using _other = new Partition("other", "7");
      const narrowed = hasExclusive ? "7f" : "ff";
      await until("the kernel takes CPU 7 out", () => read(workqueueMask) === narrowed);
      const steps = prepare(kernel, kernelThreads.plan(scene())).filter(({ kind }) => kind === "workqueue");
      assert.deepEqual(steps.map(({ from, to }) => [from, to]), [["ff", "cf"]]);
      {
        using _own = new Partition("own", "4-5");
        assert.deepEqual(apply(kernel, steps), []);
        // The kernel adds up its own: it does so when a partition comes or goes.
        assert.equal(read(workqueueMask), "cf");
        assert.deepEqual(undo(kernel, steps), []);
        assert.equal(read(workqueueMask), "ff");
      }
      await until("the kernel takes CPU 7 out again", () => read(workqueueMask) === narrowed);
    }));
}

/** Interrupts of devices, by number: their name, and CPUs. */
function deviceIrqs(): { number: number; name: string; allowed: number[]; effective: readonly number[]; onCpus: number }[] {
  const { irqs, cpus: columns } = new Inventory(kernel).irqs;
  return irqs.map(({ number, actions, allowedCpus, effectiveCpus, counts }) => ({
    number,
    name: actions.join(", "),
    allowed: [...allowedCpus!],
    effective: effectiveCpus!,
    onCpus: cpus.reduce((sum, cpu) => sum + counts[columns.indexOf(cpu)], 0),
  }));
}

/** Makes the disks of the guest work. */
async function useDevices(): Promise<void> {
  await new Deno.Command("sh", { args: ["-c", `grep -r zzzz ${checkout}lib >/dev/null; echo 3 >/proc/sys/vm/drop_caches`] }).output();
}

guestTest(
  "irqs: interrupts leave the container's CPUs with their next arrival, but those that the kernel keeps, and come back",
  async () => {
    using away = new Away(irqs);
    say(away.steps.map(({ from, to, why }) => `${from} -> ${to}: ${why}`));
    say(away.refused.map(({ why }) => `refused: ${why}`));
    const kept = away.refused.map(({ what }) => Number(/\d+/.exec(what)?.[0]));
    for (const { number, name, allowed } of deviceIrqs()) assert.equal(meets(allowed), kept.includes(number), `${number} (${name})`);
    // The timer of old, which the kernel has on CPU 0 in any case.
    assert.deepEqual(kept, [0]);
    assert.deepEqual(parseCpuList(read("/proc/irq/0/effective_affinity_list")), [0]);
    // The root directory of the guest is behind the one on CPU 5.
    const busy = deviceIrqs().find(({ name }) => name === "virtio0-requests")!;
    await useDevices();
    const moved = deviceIrqs().find(({ number }) => number === busy.number)!;
    assert.ok(!meets(moved.effective), `${moved.name} on ${moved.effective}`);
    await useDevices();
    const later = deviceIrqs().find(({ number }) => number === busy.number)!;
    assert.equal(later.onCpus, moved.onCpus);
    const left = away.left();
    say(left);
    assert.ok(left.every((line) => !line.includes("virtio0-requests")));
    assert.match(left.at(-1)!, /^on CPUs 4-5 so far: .*LOC \d+/);
  },
);

const irqbalanceProgram = `${checkout}build/vm/irqbalance/usr/sbin/irqbalance`;
const hasIrqbalance = isGuest && await runs(irqbalanceProgram, "--version");

/** Whether a program is there, with its libraries. */
async function runs(program: string, ...args: string[]): Promise<boolean> {
  try {
    return (await new Deno.Command(program, { args, stdout: "null", stderr: "null" }).output()).code !== 127;
  } catch {
    return false;
  }
}

/** An irqbalance that looks every second; where it had interrupts go is put back when it ends. */
class Irqbalance implements AsyncDisposable {
  readonly #lists = deviceIrqs().map(({ number, allowed }) => ({
    path: `/proc/irq/${number}/smp_affinity_list`,
    list: formatCpuList(allowed),
  }));
  readonly #child: Deno.ChildProcess;

  constructor() {
    Deno.mkdirSync("/run/irqbalance", { recursive: true });
    const args = ["--foreground", "--interval", "1"];
    this.#child = new Deno.Command(irqbalanceProgram, { args, stdin: "null", stdout: "null", stderr: "null" }).spawn();
  }

  get socket(): string {
    return `/run/irqbalance/irqbalance${this.#child.pid}.sock`;
  }

  get bannedCpus(): string | null {
    return drivers.irqbalance.read(kernel, this.socket);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.status;
    for (const { path, list } of this.#lists) if (read(path) !== list) kernel.write(path, list);
  }
}

if (hasIrqbalance || !isGuest) {
  guestTest("irqs: a real irqbalance keeps the container's CPUs free, and forgets about it afterwards", async () => {
    await using irqbalance = new Irqbalance();
    await until("irqbalance listens", () => irqbalance.bannedCpus === "");
    {
      using away = new Away(irqs);
      assert.deepEqual(away.steps.at(-1)!.what, irqbalance.socket);
      assert.equal(irqbalance.bannedCpus, "4-5");
      const kept = away.refused.map(({ what }) => Number(/\d+/.exec(what)?.[0]));
      for (let round = 0; round < 4; round++) {
        await useDevices();
        await delay(1000);
        const back = deviceIrqs().filter(({ number, allowed }) => meets(allowed) && !kept.includes(number));
        assert.deepEqual(back.map(({ number, name }) => `${number} (${name})`), []);
      }
      say(deviceIrqs().map(({ number, name, allowed }) => `${number} (${name}) ${formatCpuList(allowed)}`));
    }
    assert.equal(irqbalance.bannedCpus, "");
  });
} else {
  Deno.test({ name: "irqs: a real irqbalance [needs Debian's irqbalance in build/vm/irqbalance]", ignore: true, fn() {} });
}
