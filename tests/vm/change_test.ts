import assert from "node:assert/strict";
import { wait } from "../../ffi/launch.ts";
import { Node, type StartedProgram } from "../../lib/container/node.ts";
import { decideResize, type Resize } from "../../lib/container/resize.ts";
import { decideSwitch, type Switch } from "../../lib/container/switch.ts";
import { formatCpuList, parseCpuList } from "../../lib/kernel/cpulist.ts";
import { readTask, type Task } from "../../lib/kernel/process.ts";
import { listNumbered } from "../../lib/kernel/value.ts";
import {
  Bystander,
  cgroups,
  delay,
  ForeignCgroup,
  guestTest,
  hasExclusive,
  kernel,
  nodeosOutput,
  probe,
  read,
  stateDirectory,
  writeCarefully,
} from "./guest.ts";

const resize = (node: Node, resizes: readonly Resize[], take = false) =>
  node.change((inventory, ledger) => decideResize(inventory, ledger, resizes, take));
const switchFeature = (node: Node, name: string, wanted: Switch) => node.change((_, ledger) => [decideSwitch(ledger, name, wanted)]);

const programs: StartedProgram[] = [];

function taskOf(tid: number): Task {
  const pid = Number(/^Tgid:\s*(\d+)/m.exec(read(`/proc/${tid}/status`))![1]);
  return readTask(kernel, pid, tid)!;
}

/** A program of several threads that work and rest for ever, in a container. Returns the threads. */
async function startThreads(node: Node, container: string, count: number): Promise<number[]> {
  const program = node.start(container, { argv: [probe, "pulse", `${count}`] });
  programs.push(program);
  for (;;) {
    const tids = listNumbered(kernel, `/proc/${program.pid}/task`, "");
    if (tids.length === count) return tids;
    await delay(20);
  }
}

/** Takes everything down, and collects what was killed. */
async function end(node: Node): Promise<void> {
  await node.down([], 0);
  for (const program of programs.splice(0)) wait(program);
}

/** CPUs that threads may run on, and those where they ran last. */
function placesOf(tids: readonly number[]): { allowed: string[]; last: number[] } {
  const tasks = tids.map((tid) => taskOf(tid));
  return { allowed: tasks.map(({ allowedCpus }) => formatCpuList(allowedCpus)), last: tasks.map(({ lastCpu }) => lastCpu) };
}

/** Asserts what is true in a while: threads that sleep move when they wake up, and emulated ones take their time. */
async function eventually(check: () => void): Promise<void> {
  for (let triesLeft = 200;; triesLeft--) {
    try {
      return check();
    } catch (error) {
      if (triesLeft === 0) throw error;
      await delay(100);
    }
  }
}

function assertOn(tids: readonly number[], cpus: string): void {
  const { allowed, last } = placesOf(tids);
  assert.deepEqual([...new Set(allowed)], [cpus]);
  assert.ok(last.every((cpu) => parseCpuList(cpus).includes(cpu)), `they ran on ${last}`);
}

guestTest("resize: a container grows into the ServiceOS and gives the CPUs back, its programs running", async () => {
  const node = new Node(kernel, stateDirectory);
  await node.up({ serviceCpus: [0, 1, 2], containers: [{ name: "sim", cpus: [4, 5] }] }, "persistent");
  const pids = await startThreads(node, "sim", 4);
  await assert.rejects(resize(node, [{ name: "sim", cpus: [2, 3, 4, 5] }]), /Cannot give sim CPU 2: it belongs to the ServiceOS/);
  await resize(node, [{ name: "sim", cpus: [2, 3, 4, 5] }], true);
  await eventually(() => {
    assertOn(pids, "2-5");
    assert.ok(new Set(placesOf(pids).last).size > 2, "the new CPUs are used");
  });
  assert.equal(read(`${cgroups}/nodeos-service/cpuset.cpus.effective`), "0-1");
  assert.deepEqual(node.verify().flatMap(({ drift }) => drift), []);

  await resize(node, [{ name: "sim", cpus: [5] }, { name: "service", cpus: [0, 1, 2, 3, 4] }]);
  await eventually(() => {
    assertOn(pids, "5");
  });
  assert.deepEqual(listNumbered(kernel, `/proc/${pids[0]}/task`, ""), pids, "nobody was killed");
  assert.equal(read(`${cgroups}/nodeos-service/cpuset.cpus.effective`), "0-4");
  await end(node);
});

guestTest("resize: CPUs go from one container to another in one plan, and threads that had chosen keep theirs", async () => {
  const node = new Node(kernel, stateDirectory);
  await node.up({ containers: [{ name: "a", cpus: [2, 3, 4] }, { name: "b", cpus: [5, 6], loadBalancing: "on" }] }, "persistent");
  const [a, b] = [await startThreads(node, "a", 2), await startThreads(node, "b", 2)];
  const [whole, chosen] = a;
  await new Deno.Command("taskset", { args: ["-pc", "3", `${chosen}`] }).output();
  await resize(node, [{ name: "a", cpus: [2, 3] }, { name: "b", cpus: [4, 5, 6] }]);
  await eventually(() => {
    assertOn([whole], "2-3");
    assertOn([chosen], "3");
    assertOn(b, "4-6");
  });
  // Each loses some to the other, and the choice of one thread is among them.
  await resize(node, [{ name: "b", cpus: [3, 4] }, { name: "a", cpus: [2, 5, 6] }]);
  await eventually(() => {
    assertOn([whole], "2,5-6");
    assertOn([chosen], "5");
    assertOn(b, "3-4");
  });
  await nodeosOutput("resize", "a", "--cpus", "2,5", "--give", "b");
  await eventually(() => {
    assertOn(b, "3-4,6");
  });
  await end(node);
});

guestTest("resize: a container does not grow onto CPUs that programs of another cgroup keep", async () => {
  const node = new Node(kernel, stateDirectory);
  await node.up({ containers: [{ name: "sim", cpus: [4, 5] }] }, "persistent");
  using other = new ForeignCgroup("other");
  writeCarefully(`${other.path}/cpuset.cpus`, "6-7");
  const grow = resize(node, [{ name: "sim", cpus: [4, 5, 6] }]);
  // Newer kernels take them from the other one.
  if (hasExclusive) await grow;
  // Some kernels break the partition, and some leave the other one there and say nothing.
  else await assert.rejects(grow, /not exclusive|Cannot give container sim CPUs 6: programs of .* still run there/);
  assert.deepEqual(node.verify().flatMap(({ drift }) => drift), []);
  assert.equal(read(`${cgroups}/nodeos-sim/cpuset.cpus.effective`), hasExclusive ? "4-6" : "4-5");
  assert.equal(read(`${other.path}/cpuset.cpus.effective`), hasExclusive ? "7" : "6-7");
  await end(node);
});

guestTest("resize: a limit below what is in use is refused, and nothing changes", async () => {
  const node = new Node(kernel, stateDirectory);
  await node.up({ containers: [{ name: "sim", cpus: [4], memoryBytes: 2 ** 29 }] }, "persistent");
  programs.push(node.start("sim", { argv: ["/bin/sh", "-c", "head -c 20000000 /dev/zero >/dev/shm/taken; exec sleep 1000"] }));
  while (Number(read(`${cgroups}/nodeos-sim/memory.current`)) < 2e7) await delay(50);
  const holding = node.find("sim");
  await assert.rejects(
    resize(node, [{ name: "sim", memoryBytes: 2 ** 22, cpus: [5] }]),
    /Cannot limit the memory of sim to 4194304 bytes: it uses/,
  );
  assert.deepEqual(node.find("sim"), holding);
  await resize(node, [{ name: "sim", memoryBytes: 2 ** 28 }]);
  assert.equal(read(`${cgroups}/nodeos-sim/memory.max`), `${2 ** 28}`);
  await nodeosOutput("resize", "sim", "--memory", "none", "--pids", "100");
  assert.equal(read(`${cgroups}/nodeos-sim/memory.max`), "max");
  assert.equal(read(`${cgroups}/nodeos-sim/pids.max`), "100");
  Deno.removeSync("/dev/shm/taken");
  await end(node);
});

guestTest("feature: scheduling and load balancing switch while programs run", async () => {
  const node = new Node(kernel, stateDirectory);
  await node.up({ containers: [{ name: "sim", cpus: [4, 5] }] }, "persistent");
  const pids = await startThreads(node, "sim", 2);
  const policies = () => pids.map((pid) => taskOf(pid).policy);
  await switchFeature(node, "sim", { feature: "scheduling", enable: true, scheduling: { policy: "cooperative", throttle: "lift" } });
  assert.deepEqual(new Set(policies()), new Set(["fifo"]));
  assert.equal(read("/proc/sys/kernel/sched_rt_runtime_us"), "-1");
  await switchFeature(node, "sim", { feature: "scheduling", enable: false });
  assert.deepEqual(new Set(policies()), new Set(["fair"]));
  await switchFeature(node, "sim", { feature: "loadBalancing", enable: true });
  assert.equal(read(`${cgroups}/nodeos-sim/cpuset.cpus.partition`), "root");
  await switchFeature(node, "sim", { feature: "loadBalancing", enable: false });
  assert.equal(read(`${cgroups}/nodeos-sim/cpuset.cpus.partition`), "isolated");
  assert.deepEqual(node.verify().flatMap(({ drift }) => drift), []);
  await end(node);
});

guestTest("feature tasks: everybody else leaves for the ServiceOS, what they start as well, and comes back", async () => {
  await using wide = await new Bystander("0-7").ready();
  await using narrow = await new Bystander("3,6").ready();
  await using shielded = await new Bystander("1-7", undefined, "shielded").ready();
  const node = new Node(kernel, stateDirectory);
  await node.up({
    serviceCpus: [0, 1],
    protect: ["shield*"],
    containers: [{ name: "sim", cpus: [4, 5], quiet: { tasks: true } }],
  }, "persistent");
  assert.deepEqual([wide.cgroup, narrow.cgroup, shielded.cgroup], ["/nodeos-others", "/nodeos-others", "/"]);
  assert.deepEqual([wide.allowedCpus, narrow.allowedCpus], ["0-1", "0-1"]);
  assert.equal(new Set(node.verifyNode()).size, 0);

  await using late = await new Bystander("0-7", cgroups).ready();
  assert.equal(late.cgroup, "/");
  assert.deepEqual(node.verifyNode().map(({ step }) => step.what.split(":")[0]), [`${late.pid}`]);
  assert.deepEqual(await node.repair(), []);
  assert.equal(late.cgroup, "/nodeos-others");

  await switchFeature(node, "sim", { feature: "tasks", enable: false });
  assert.deepEqual([wide.cgroup, narrow.cgroup], ["/", "/"]);
  await switchFeature(node, "sim", { feature: "tasks", enable: true });
  assert.deepEqual([wide.cgroup, narrow.cgroup], ["/nodeos-others", "/nodeos-others"]);
  await end(node);
  assert.deepEqual([wide, narrow, shielded].map(({ allowedCpus }) => allowedCpus), ["0-7", "3,6", "1-7"]);
});
