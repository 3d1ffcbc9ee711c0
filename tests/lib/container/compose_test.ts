import assert from "node:assert/strict";
import { birthOf, planContainer } from "../../../lib/container/compose.ts";
import type { ContainerSpec } from "../../../lib/container/spec.ts";
import { Inventory } from "../../../lib/kernel/inventory.ts";
import { formatStep, isSame } from "../../../lib/plan/step.ts";
import { captured, type CapturedFiles } from "../../captured.ts";
import { hybrid, v1RealTimeGroups, v2New } from "../../small_machines.ts";

const spec: ContainerSpec = {
  name: "sim",
  role: "compute",
  cpus: [2, 3],
  nodes: [0, 1],
  memoryBytes: 2 ** 30,
  pidsMax: 64,
  scheduling: { policy: "cooperative", throttle: "lift" },
  loadBalancing: "off",
  swap: "on",
  devices: null,
  cache: null,
  quiet: [],
};

function plan(files: CapturedFiles, wanted: ContainerSpec = spec) {
  using machine = captured(files);
  const changes = planContainer(new Inventory(machine), wanted);
  changes.forEach((change, index) =>
    assert.equal(changes.findIndex((other) => isSame(other, change)), index, `twice: ${formatStep(change)}`)
  );
  return changes.map((change) => formatStep({ ...change, why: "" }).trimEnd());
}

Deno.test("planContainer() on version 2 makes one cgroup, and a partition once its CPUs are exclusive", () => {
  assert.deepEqual(plan(v2New), [
    "/sys/fs/cgroup/cgroup.subtree_control <- +cpuset",
    "/sys/fs/cgroup/nodeos-sim/ <- (new cgroup)",
    "/sys/fs/cgroup/nodeos-sim/cpuset.cpus <- 2-3",
    "/sys/fs/cgroup/nodeos-sim/cpuset.mems <- 0-1",
    "/sys/fs/cgroup/nodeos-sim/cpuset.cpus.exclusive <- 2-3",
    "/sys/fs/cgroup/nodeos-sim/cpuset.cpus.partition <- isolated",
    "/sys/fs/cgroup/cgroup.subtree_control <- +memory",
    "/sys/fs/cgroup/nodeos-sim/memory.max <- 1073741824",
    "/sys/fs/cgroup/cgroup.subtree_control <- +pids",
    "/sys/fs/cgroup/nodeos-sim/pids.max <- 64",
    "/proc/sys/kernel/sched_rt_runtime_us <- -1",
    "/sys/kernel/debug/sched/fair_server/cpu2/runtime <- 0",
    "/sys/kernel/debug/sched/fair_server/cpu3/runtime <- 0",
  ]);
});

Deno.test("planContainer() on version 1 makes a cgroup in each hierarchy", () => {
  assert.deepEqual(plan(v1RealTimeGroups), [
    "/sys/fs/cgroup/cpuset/nodeos-sim/ <- (new cgroup)",
    "/sys/fs/cgroup/cpuset/nodeos-sim/cpuset.cpus <- 2-3",
    "/sys/fs/cgroup/cpuset/nodeos-sim/cpuset.mems <- 0-1",
    "/sys/fs/cgroup/cpuset/nodeos-sim/cpuset.cpu_exclusive <- 1",
    "/sys/fs/cgroup/cpuset/nodeos-sim/cpuset.sched_load_balance <- 0",
    "/sys/fs/cgroup/memory/nodeos-sim/ <- (new cgroup)",
    "/sys/fs/cgroup/memory/nodeos-sim/memory.limit_in_bytes <- 1073741824",
    "/sys/fs/cgroup/pids/nodeos-sim/ <- (new cgroup)",
    "/sys/fs/cgroup/pids/nodeos-sim/pids.max <- 64",
    "/proc/sys/kernel/sched_rt_runtime_us <- -1",
    "/sys/fs/cgroup/cpu,cpuacct/cpu.rt_runtime_us <- -1",
    "/sys/fs/cgroup/cpu,cpuacct/nodeos-rt/ <- (new cgroup)",
    "/sys/fs/cgroup/cpu,cpuacct/nodeos-rt/cpu.rt_runtime_us <- -1",
  ]);
});

Deno.test("planContainer() on a hybrid machine makes cgroups in both versions", () => {
  const directories = plan(hybrid).filter((line) => line.endsWith("(new cgroup)"));
  assert.deepEqual(directories, [
    "/sys/fs/cgroup/cpuset/nodeos-sim/ <- (new cgroup)",
    "/sys/fs/cgroup/memory/nodeos-sim/ <- (new cgroup)",
    "/sys/fs/cgroup/unified/nodeos-sim/ <- (new cgroup)",
  ]);
});

Deno.test("planContainer() of a lean container touches its own cpuset only", () => {
  const lines = plan(v2New, { ...spec, memoryBytes: null, pidsMax: null, scheduling: { policy: "fair" } });
  assert.ok(
    lines.every((line) => line.startsWith("/sys/fs/cgroup/nodeos-sim/") || line === "/sys/fs/cgroup/cgroup.subtree_control <- +cpuset"),
    lines.join("\n"),
  );
});

Deno.test("planContainer() of the ServiceOS gives CPUs and takes none away", () => {
  const service: ContainerSpec = {
    ...spec,
    name: "service",
    role: "service",
    cpus: [0, 1],
    memoryBytes: null,
    pidsMax: null,
    scheduling: { policy: "fair" },
    loadBalancing: "on",
  };
  assert.deepEqual(plan(v2New, service), [
    "/sys/fs/cgroup/cgroup.subtree_control <- +cpuset",
    "/sys/fs/cgroup/nodeos-service/ <- (new cgroup)",
    "/sys/fs/cgroup/nodeos-service/cpuset.cpus <- 0-1",
    "/sys/fs/cgroup/nodeos-service/cpuset.mems <- 0-1",
  ]);
});

Deno.test("birthOf() joins what the features want of a program's start", () => {
  using machine = captured(v2New);
  const inventory = new Inventory(machine);
  assert.deepEqual(birthOf(inventory, spec), { scheduling: { policy: 1, priority: 10 }, placeThreads: true });
  assert.deepEqual(birthOf(inventory, { ...spec, scheduling: { policy: "fair" }, loadBalancing: "on" }), {
    scheduling: undefined,
    placeThreads: false,
  });
});
