import assert from "node:assert/strict";
import { RefusedError } from "../../../lib/errors.ts";
import { scheduling, type SchedulingWish } from "../../../lib/feature/scheduling.ts";
import { hybrid, noCgroups, v1, v1RealTimeGroups, v2, v2New } from "../../small_machines.ts";
import type { Site } from "../../../lib/plan/seat.ts";
import { planned } from "./site.ts";

const plan = (wish: SchedulingWish) => (site: Site) => scheduling.plan(site, wish);
const lift = plan({ policy: "cooperative", throttle: "lift" });
const keep = plan({ policy: "cooperative", throttle: "keep" });
const deadlineWish = { policy: "deadline", runtimeNs: 5e6, deadlineNs: 8e6, periodNs: 1e7 } as const;
const deadline = plan(deadlineWish);
const sysctl = "/proc/sys/kernel/sched_rt_runtime_us <- -1 (shared)";

Deno.test("scheduling is fair by default, which changes nothing", () => {
  assert.deepEqual(scheduling.default, { policy: "fair" });
  for (const files of [v1, v2, hybrid, noCgroups]) assert.deepEqual(planned(files, plan({ policy: "fair", nice: 5 })), []);
});

Deno.test("scheduling cooperative lifts the throttle of the machine", () => {
  assert.deepEqual(planned(v2, lift), [sysctl]);
  assert.deepEqual(planned(v1, lift), [sysctl]);
});

Deno.test("scheduling cooperative stops the fair server of its own CPUs where the kernel has one", () => {
  assert.deepEqual(planned(v2New, lift), [
    sysctl,
    "/sys/kernel/debug/sched/fair_server/cpu2/runtime <- 0",
    "/sys/kernel/debug/sched/fair_server/cpu3/runtime <- 0",
  ]);
  assert.deepEqual(planned(v2New, lift, { cpus: [3, 5] }), [sysctl, "/sys/kernel/debug/sched/fair_server/cpu3/runtime <- 0"]);
});

Deno.test("scheduling cooperative that keeps the throttle changes nothing without real-time groups", () => {
  assert.deepEqual(planned(v2New, keep), []);
  assert.deepEqual(planned(v1, keep), []);
});

Deno.test("scheduling cooperative keeps the kernel's order with real-time groups: machine, root group, container", () => {
  assert.deepEqual(planned(v1RealTimeGroups, lift), [
    sysctl,
    "/sys/fs/cgroup/cpu,cpuacct/cpu.rt_runtime_us <- -1 (shared)",
    "/sys/fs/cgroup/cpu,cpuacct/nodeos-rt/ <- (new cgroup) (shared)",
    "/sys/fs/cgroup/cpu,cpuacct/nodeos-rt/cpu.rt_runtime_us <- -1 (shared)",
  ]);
});

Deno.test("scheduling cooperative that keeps the throttle gives the container what the root group has", () => {
  assert.deepEqual(planned(v1RealTimeGroups, keep), [
    "/sys/fs/cgroup/cpu,cpuacct/nodeos-rt/ <- (new cgroup) (shared)",
    "/sys/fs/cgroup/cpu,cpuacct/nodeos-rt/cpu.rt_runtime_us <- 950000 (shared)",
  ]);
});

Deno.test("scheduling deadline needs a scheduling domain of its own: a partition, or a root cpuset that balances nothing", () => {
  const split = { ...v1, "/sys/fs/cgroup/cpuset/cpuset.sched_load_balance": "0\n" };
  assert.deepEqual(planned(v2, deadline), []);
  assert.deepEqual(planned(split, deadline), []);
  for (const files of [v1, hybrid]) {
    assert.throws(
      () => planned(files, deadline),
      (error) =>
        error instanceof RefusedError && /container sim .*deadline/.test(error.message) && /cpuset\.sched_load_balance/.test(error.remedy!),
    );
  }
});

Deno.test("scheduling says how programs are born", () => {
  const birth = (wish: SchedulingWish) => scheduling.birth!({} as Site, wish).scheduling;
  assert.equal(birth({ policy: "fair" }), undefined);
  assert.deepEqual(birth({ policy: "fair", nice: -5 }), { policy: 0, nice: -5 });
  assert.deepEqual(birth({ policy: "cooperative", throttle: "lift" }), { policy: 1, priority: 10 });
  assert.deepEqual(birth(deadlineWish), { policy: 6, flags: 1n, runtimeNs: 5_000_000n, deadlineNs: 8_000_000n, periodNs: 10_000_000n });
});
