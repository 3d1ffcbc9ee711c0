import assert from "node:assert/strict";
import type { Scene } from "../../../lib/feature/node_feature.ts";
import { tasks } from "../../../lib/feature/tasks.ts";
import { Inventory } from "../../../lib/kernel/inventory.ts";
import { drivers } from "../../../lib/plan/driver.ts";
import { apply } from "../../../lib/plan/executor.ts";
import { merge } from "../../../lib/plan/merge.ts";
import { type Change, formatStep, isSame, type Step } from "../../../lib/plan/step.ts";
import { FakeKernel, type FakeMachine } from "../../fake_kernel.ts";
import { type FakeTask, firstFakeTid } from "../../fake_tasks.ts";
import "../plan/world.ts";

const root = "/sys/fs/cgroup";
const [init, sshd, helper, worker, ended, cron] = [0, 10, 11, 20, 30, 40].map((offset) => firstFakeTid + offset);
const crowd: FakeTask[] = [
  { pid: init, name: "init" },
  { pid: sshd, name: "sshd" },
  { pid: sshd, tid: helper, name: "helper" },
  { pid: worker, name: "kworker/3:1", isKernelThread: true },
  { pid: ended, name: "ended", state: "Z" },
];

function machine(options: Partial<FakeMachine> = {}): FakeKernel {
  return new FakeKernel({ version: 2, cpuCount: 8, nodeCount: 2, tasks: crowd, ...options });
}

/** Containers have CPUs 2-3 and wish the feature; `held` was changed for it before. */
function scene(kernel: FakeKernel, held: readonly Step[] = [], request: Partial<Scene> = {}): Scene {
  return {
    inventory: new Inventory(kernel),
    cpus: [2, 3],
    otherCpus: [0, 1, 4, 5, 6, 7],
    taken: [2, 3],
    isolatedCpus: [],
    sharedNodes: new Inventory(kernel).memoryNodes,
    serviceCpus: null,
    protect: [],
    original: (thing) => {
      const known = held.find((step) => isSame(step, thing));
      return known ? known.from : drivers[thing.kind].read(kernel, thing.what);
    },
    ...request,
  };
}

function lines(changes: readonly Change[]): string[] {
  return changes.map((change) =>
    `${change.kind}: ${formatStep({ ...change, why: "" }).trimEnd()}${change.ifAllowed ? " (if allowed)" : ""}`
  );
}

/** Who is moved, in the order of the plan. */
function moved(changes: readonly Change[]): number[] {
  return changes.filter(({ kind }) => kind === "member").map(({ what }) => Number(what.split(":")[0]));
}

Deno.test("tasks on version 2 moves processes as a whole, and bounds the cgroups of others", () => {
  assert.deepEqual(lines(tasks.plan(scene(machine()))), [
    `controller: ${root}/cgroup.subtree_control <- +cpuset`,
    `refuge: ${root}/nodeos-others/ <- (new cgroup)`,
    `file: ${root}/nodeos-others/cpuset.cpus <- 0-1,4-7`,
    `file: ${root}/system.slice/cpuset.cpus <- 0-1,4-7`,
    `member: cgroup of thread ${init} <- /nodeos-others (if allowed)`,
    `member: cgroup of thread ${sshd} <- /nodeos-others (if allowed)`,
  ]);
});

Deno.test("tasks takes memory of others off NUMA nodes that a container owns, as far as it can be given back", () => {
  const memory = (options: Partial<FakeMachine>) =>
    lines(tasks.plan(scene(machine(options), [], { sharedNodes: [0] }))).filter((line) => /mems|migrate/.test(line));
  assert.deepEqual(memory({}), [`file: ${root}/nodeos-others/cpuset.mems <- 0`, `file: ${root}/system.slice/cpuset.mems <- 0`]);
  assert.deepEqual(memory({ version: 1 }), [
    `file: ${root}/cpuset/nodeos-others/cpuset.memory_migrate <- 1`,
    `file: ${root}/cpuset/nodeos-others/cpuset.mems <- 0`,
  ]);
});

Deno.test("tasks on version 1 moves each thread, and ends balancing in the root", () => {
  const mount = `${root}/cpuset`;
  assert.deepEqual(lines(tasks.plan(scene(machine({ version: 1 })))), [
    `refuge: ${mount}/nodeos-others/ <- (new cgroup)`,
    `file: ${mount}/nodeos-others/cpuset.cpus <- 0-1,4-7`,
    `file: ${mount}/nodeos-others/cpuset.mems <- 0-1`,
    `member: cgroup of thread ${init} <- /nodeos-others (if allowed)`,
    `member: cgroup of thread ${sshd} <- /nodeos-others (if allowed)`,
    `member: cgroup of thread ${helper} <- /nodeos-others (if allowed)`,
    `file: ${mount}/cpuset.sched_load_balance <- 0`,
  ]);
});

Deno.test("tasks leaves alone who is in a cgroup of somebody's, ended, or the kernel's", () => {
  const kernel = machine({ tasks: [...crowd, { pid: cron, name: "cron", cgroup: "/system.slice" }] });
  assert.deepEqual(moved(tasks.plan(scene(kernel))), [init, sshd]);
});

for (const version of [1, 2] as const) {
  Deno.test(`tasks on version ${version} sends them to the CPUs of the ServiceOS, or to those that no container has`, () => {
    const cpusOf = (request: Partial<Scene>) =>
      tasks.plan(scene(machine({ version }), [], request)).find(({ what }) => what.endsWith("/nodeos-others/cpuset.cpus"))?.to;
    assert.equal(cpusOf({ serviceCpus: [0, 1], taken: [0, 1, 2, 3] }), "0-1");
    // Another container, which does not wish the feature, has 4-5.
    assert.equal(cpusOf({ taken: [2, 3, 4, 5] }), "0-1,6-7");
  });
}

Deno.test("tasks on version 2 keeps what a cgroup had chosen, as far as the ServiceOS has it", () => {
  const kernel = machine({ enabled: ["cpuset"] });
  for (const [name, cpus] of [["a", "1-3"], ["b", "2-3"], ["c", "4"]]) {
    kernel.makeDirectory(`${root}/${name}`);
    kernel.write(`${root}/${name}/cpuset.cpus`, cpus);
  }
  const plan = tasks.plan(scene(kernel));
  const bounds = Object.fromEntries(plan.filter(({ why }) => /stay on/.test(why)).map(({ what, to }) => [what.split("/")[4], to]));
  assert.deepEqual(bounds, { a: "1", b: "0-1,4-7", c: "4", "system.slice": "0-1,4-7" });
});

Deno.test("tasks leaves partitions of others alone, and our own cgroups", () => {
  const kernel = machine({ enabled: ["cpuset"] });
  for (const name of ["rt", "nodeos-sim", "nodeos-service"]) kernel.makeDirectory(`${root}/${name}`);
  kernel.write(`${root}/rt/cpuset.cpus`, "7");
  kernel.write(`${root}/rt/cpuset.cpus.partition`, "root");
  assert.deepEqual(lines(tasks.plan(scene(kernel))).filter((line) => /\/(?:rt|nodeos-s\w+)\//.test(line)), []);
});

Deno.test("tasks bounds what systemd made through systemd, and the rest by itself", () => {
  const kernel = machine({ enabled: ["cpuset"] });
  kernel.files.set("/proc/1/comm", "systemd");
  for (const name of ["init.scope", "user.slice", "batch"]) kernel.makeDirectory(`${root}/${name}`);
  kernel.write(`${root}/user.slice/cpuset.cpus`, "0,2");
  assert.deepEqual(lines(tasks.plan(scene(kernel))).filter((line) => !line.includes("nodeos-others") && !line.startsWith("controller")), [
    `file: ${root}/batch/cpuset.cpus <- 0-1,4-7`,
    `unit: init.scope@${root} <- 0-1,4-7`,
    `unit: system.slice@${root} <- 0-1,4-7`,
    `unit: user.slice@${root} <- 0`,
  ]);
});

Deno.test("tasks stays away from programs that service.protect names", () => {
  const protectedBy = (...protect: string[]) => moved(tasks.plan(scene(machine({ version: 1 }), [], { protect })));
  assert.deepEqual(protectedBy("sshd"), [init, helper]);
  assert.deepEqual(protectedBy("s*d"), [init, helper]);
  assert.deepEqual(protectedBy("*"), []);
  assert.deepEqual(protectedBy("ssh"), [init, sshd, helper]);
  assert.deepEqual(protectedBy("s.hd", "ss|d", "ini[t]"), [init, sshd, helper]);
  // A process id protects all threads of the process.
  assert.deepEqual(protectedBy(`${sshd}`), [init]);
});

Deno.test("tasks knows a program by its full name, of which the kernel keeps 15 characters", () => {
  const kernel = machine({ tasks: [{ pid: init, name: "systemd-journal" }] });
  assert.deepEqual(moved(tasks.plan(scene(kernel, [], { protect: ["systemd-journald"] }))), []);
  assert.deepEqual(moved(tasks.plan(scene(kernel, [], { protect: ["systemd-jour"] }))), [init]);
});

for (const version of [1, 2] as const) {
  Deno.test(`tasks on version ${version}, planned again when it is done, is the same plan`, () => {
    const kernel = machine({ version, tasks: [...crowd, { pid: cron, name: "stuck", isStuck: true }] });
    const { steps } = merge(kernel, [], tasks.plan(scene(kernel)));
    assert.equal(apply(kernel, steps).length, 1);
    const again = merge(kernel, steps, tasks.plan(scene(kernel, steps)));
    assert.deepEqual(again, { steps, gone: [] });
    // What was started there since is where it belongs; what came to the root is not.
    kernel.tasks.fork(init, cron + 1);
    kernel.tasks.add({ pid: cron + 2, name: "late" });
    const later = merge(kernel, steps, tasks.plan(scene(kernel, steps)));
    assert.deepEqual(moved(later.steps.filter((step) => !steps.some((known) => isSame(known, step)))), [cron + 2]);
    // Who ended is not missed.
    kernel.tasks.end(init);
    assert.deepEqual(merge(kernel, steps, tasks.plan(scene(kernel, steps))).gone, []);
  });
}

Deno.test("tasks says which programs stay, and why", () => {
  const left = tasks.left!(scene(machine(), [], { protect: ["ssh*"] }));
  assert.ok(left.includes(`thread ${sshd} (sshd) on CPUs 0-7: service.protect names it`), left.join());
  assert.ok(left.some((line) => line.includes("(init) on CPUs 0-7: the kernel does not let it go, or it came since")), left.join());
  // Who cannot run on the container's CPUs does not stay there.
  assert.deepEqual(tasks.left!({ ...scene(machine()), cpus: [99] }), []);
  const without = machine();
  without.files.set("/proc/self/mountinfo", "22 27 0:21 / /proc rw - proc proc rw");
  assert.deepEqual(tasks.plan(scene(without)), []);
  assert.match(tasks.left!(scene(without))[0], /no program can be moved/);
});
