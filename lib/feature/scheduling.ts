import { policies, resetOnFork, type Scheduling } from "../../ffi/task.ts";
import { RefusedError } from "../errors.ts";
import { hierarchyOf } from "../kernel/cgroup.ts";
import { type Site, takeSeat } from "../plan/seat.ts";
import type { Change } from "../plan/step.ts";
import type { Birth, Feature } from "./feature.ts";

/** How the programs of a container are scheduled. */
export type SchedulingWish =
  /** The kernel's default class. */
  | { readonly policy: "fair"; readonly nice?: number }
  /** SCHED_FIFO at one priority: a thread runs until it waits or yields. */
  | { readonly policy: "cooperative"; readonly throttle: "lift" | "keep" }
  /** SCHED_DEADLINE for the program's first thread; threads it makes are fair. */
  | { readonly policy: "deadline"; readonly runtimeNs: number; readonly deadlineNs: number; readonly periodNs: number };

const rtRuntimeSysctl = "/proc/sys/kernel/sched_rt_runtime_us";
const fairServer = "/sys/kernel/debug/sched/fair_server";

/** The control group of version 1 that all cooperative containers share for their real-time budget. */
const realTimeGroup = "rt";

/** One priority for all: above it, room for what the kernel and the administrator must be able to run. */
const cooperativePriority = 10;

/**
 * The scheduling class of a container's programs.
 *
 * A real-time class that is throttled is worse than none: at 95 % the worst detour is 50 ms in each second. So the
 * throttle is part of the plan (`lift`), or explicitly accepted (`keep`).
 */
export const scheduling: Feature<SchedulingWish> = {
  name: "scheduling",
  doc: "fair, cooperative (SCHED_FIFO at one priority, throttle lifted) or deadline",
  default: { policy: "fair" },
  plan(site: Site, wish: SchedulingWish): Change[] {
    if (wish.policy === "cooperative") return planCooperative(site, wish.throttle);
    if (wish.policy === "deadline") {
      requireOwnDomain(site);
      requirePeriod(site, wish.periodNs);
    }
    return [];
  },
  birth(_site: Site, wish: SchedulingWish): Birth {
    return { scheduling: kernelScheduling(wish) };
  },
};

function kernelScheduling(wish: SchedulingWish): Scheduling | undefined {
  switch (wish.policy) {
    case "fair":
      return wish.nice === undefined ? undefined : { policy: policies.other, nice: wish.nice };
    case "cooperative":
      return { policy: policies.fifo, priority: cooperativePriority };
    case "deadline":
      // Without the flag the kernel refuses every fork of a deadline task (EAGAIN).
      return {
        policy: policies.deadline,
        flags: resetOnFork,
        runtimeNs: BigInt(wish.runtimeNs),
        deadlineNs: BigInt(wish.deadlineNs),
        periodNs: BigInt(wish.periodNs),
      };
  }
}

function planCooperative(site: Site, throttle: "lift" | "keep"): Change[] {
  const { inventory } = site;
  const changes: Change[] = [];
  // The order is the kernel's: a group may not have more than its parent, the root not more than the sysctl.
  if (throttle === "lift") {
    changes.push({
      kind: "file",
      what: rtRuntimeSysctl,
      to: "-1",
      why: "real-time throttle lifted: it would stop the program for 50 ms in each second",
      shared: true,
    });
    for (const cpu of site.cpus) {
      const what = `${fairServer}/cpu${cpu}/runtime`;
      if (inventory.files.exists(what)) {
        changes.push({ kind: "file", what, to: "0", why: `fair server of CPU ${cpu} off: it would preempt the program` });
      }
    }
  }
  if (!inventory.hasRtGroups) return changes;
  // One group for all of them: what children have together may not be more than their parent has, and -1 is all of it.
  const seat = takeSeat({ ...site, name: realTimeGroup }, "cpu", "run in real time");
  const budget = "cpu.rt_runtime_us";
  const all = inventory.files.read(`${seat.hierarchy.mount}/${budget}`).trim();
  if (throttle === "lift") {
    changes.push({
      kind: "file",
      what: `${seat.hierarchy.mount}/${budget}`,
      to: "-1",
      why: "real-time budget of the root group",
      shared: true,
    });
  }
  const to = throttle === "lift" ? "-1" : all;
  const why = "a new group has no real-time budget of its own";
  const own = { kind: "file", what: `${seat.directory}/${budget}`, to, why, initial: "0" } as const;
  return [
    ...changes,
    ...[...seat.changes, own].map((change) => ({
      ...change,
      shared: true,
      why: change.why.replace(/^container \S+,/, "cooperative containers,"),
    })),
  ];
}

/** The kernel takes periods between two limits, by default 100 us to 4 s. */
function requirePeriod({ inventory, name }: Site, periodNs: number): void {
  for (const [limit, isBeyond] of [["min", (ns: number) => periodNs < ns], ["max", (ns: number) => periodNs > ns]] as const) {
    const path = `/proc/sys/kernel/sched_deadline_period_${limit}_us`;
    const us = inventory.files.tryRead(path);
    if (us === null || !isBeyond(Number(us) * 1000)) continue;
    throw new RefusedError(
      `Cannot run container ${name} under the deadline policy: its period of ${
        periodNs / 1000
      } us is beyond the kernel's ${limit} of ${us.trim()} us`,
      {
        remedy: `Choose another period, or write another limit to ${path}`,
      },
    );
  }
}

/** A deadline task must be allowed on every CPU of its scheduling domain: the container has to be one. */
function requireOwnDomain({ inventory, name }: Site): void {
  const hierarchy = hierarchyOf(inventory.cgroups, "cpuset");
  if (hierarchy?.version !== 1) return;
  if (inventory.files.tryRead(`${hierarchy.mount}/cpuset.sched_load_balance`)?.trim() === "0") return;
  throw new RefusedError(
    `Cannot run container ${name} under the deadline policy: on cgroup v1 the root cpuset balances all CPUs as one domain`,
    {
      remedy: `Write 0 to ${hierarchy.mount}/cpuset.sched_load_balance once every task has a cpuset of its own, or boot with cgroup v2`,
    },
  );
}
