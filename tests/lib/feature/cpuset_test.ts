import assert from "node:assert/strict";
import { RefusedError } from "../../../lib/errors.ts";
import { cpuset } from "../../../lib/feature/cpuset.ts";
import { hybrid, noCgroups, v1, v2, v2New } from "../../small_machines.ts";
import { planned } from "./site.ts";

const plan = cpuset.plan.bind(cpuset);
const v2Seat = [
  "/sys/fs/cgroup/cgroup.subtree_control <- +cpuset (shared)",
  "/sys/fs/cgroup/nodeos-sim/ <- (new cgroup)",
  "/sys/fs/cgroup/nodeos-sim/cpuset.cpus <- 2-3",
  "/sys/fs/cgroup/nodeos-sim/cpuset.mems <- 1",
];

Deno.test("cpuset on Linux 6.1 enables the controller, then gives CPUs and memory nodes", () => {
  assert.deepEqual(planned(v2, plan), v2Seat);
});

Deno.test("cpuset on Linux 6.7 and later makes the CPUs exclusive by their own file", () => {
  assert.deepEqual(planned(v2New, plan), [...v2Seat, "/sys/fs/cgroup/nodeos-sim/cpuset.cpus.exclusive <- 2-3"]);
});

Deno.test("cpuset on version 1 makes the CPUs exclusive after they are given, and enables no controller", () => {
  assert.deepEqual(planned(v1, plan), [
    "/sys/fs/cgroup/cpuset/nodeos-sim/ <- (new cgroup)",
    "/sys/fs/cgroup/cpuset/nodeos-sim/cpuset.cpus <- 2-3",
    "/sys/fs/cgroup/cpuset/nodeos-sim/cpuset.mems <- 1",
    "/sys/fs/cgroup/cpuset/nodeos-sim/cpuset.cpu_exclusive <- 1",
  ]);
});

Deno.test("cpuset on a hybrid machine goes where the controller is", () => {
  assert.deepEqual(planned(hybrid, plan), planned(v1, plan));
});

Deno.test("cpuset of the ServiceOS shares: nothing of it is exclusive", () => {
  assert.deepEqual(planned(v2New, plan, { role: "service" }), v2Seat);
  assert.doesNotMatch(planned(v1, plan, { role: "service" }).join(), /exclusive/);
});

Deno.test("cpuset writes lists as the kernel prints them, since each step is read back", () => {
  const lines = planned(v2, plan, { cpus: [0, 1, 2, 5, 7], nodes: [0, 1] });
  assert.deepEqual(lines.slice(2), ["/sys/fs/cgroup/nodeos-sim/cpuset.cpus <- 0-2,5,7", "/sys/fs/cgroup/nodeos-sim/cpuset.mems <- 0-1"]);
});

Deno.test("cpuset without the controller is refused, with the way to get it", () => {
  const refusal = (remedy: RegExp) => (error: unknown) =>
    error instanceof RefusedError && error.exitCode === 1 && /^Cannot own CPUs: .* cpuset controller$/.test(error.message) &&
    remedy.test(error.remedy!);
  assert.throws(() => planned(noCgroups, plan), refusal(/mount -t cgroup2/));
  assert.throws(() => planned({ ...v2, "/sys/fs/cgroup/cgroup.controllers": "memory pids\n" }, plan), refusal(/cgroup_disable=cpuset/));
  assert.throws(
    () => planned({ ...v1, "/proc/self/mountinfo": v1["/proc/self/mountinfo"]!.replaceAll("cpuset", "blkio") }, plan),
    refusal(/mount -t cgroup -o cpuset/),
  );
});
