import { formatCpuList } from "../kernel/cpulist.ts";
import { isKernelBefore } from "../kernel/release.ts";
import type { Change } from "../plan/step.ts";
import { type NodeFeature, type Scene, setting } from "./node_feature.ts";

const enabled = "/proc/sys/kernel/timer_migration";

/**
 * An idle CPU keeps the timers that are armed on it.
 *
 * Otherwise it hands them to a CPU that is busy, to sleep longer; and on a node that computes, the busy ones are the
 * container's. It looks for one in its own scheduling domain only, so a container that is a domain (a partition of
 * cgroup v2) is spared by that already; on cgroup v1 it is not while the root cpuset balances load.
 *
 * From 6.9 on only high-resolution timers are handed over, and for all others a CPU that is awake does the work of those
 * of its group that sleep, which no setting stops: {@link NodeFeature.left} says so.
 *
 * Source: Documentation/admin-guide/sysctl/kernel.rst, timer_migration. Cost: idle CPUs of the ServiceOS are woken by
 * their own timers, and use a little more power. On CPUs booted with `nohz_full`, timers of the container's own programs
 * also stay there, which the kernel would otherwise take to a housekeeping CPU.
 */
export const timerMigration: NodeFeature = {
  name: "timerMigration",
  doc: "Whether idle CPUs may hand their timers to busy ones, such as the container's",
  words: ["off", "on"],
  reach: "node",
  plan(scene: Scene): Change[] {
    return setting(scene, enabled, "0", "idle CPUs keep their timers, and hand none to the container's");
  },
  left({ inventory: { files }, cpus }: Scene): string[] {
    if (!files.exists(enabled)) return [];
    const list = formatCpuList(cpus);
    const armed = `timers armed before on CPUs ${list}: they stay until they expire; only switching the CPUs off and on moves them`;
    if (isKernelBefore(files, 6, 9)) return [armed];
    const spared = isKernelBefore(files, 6, 19) ? "" : " and in no isolated partition";
    return [armed, `timers of CPUs that sleep: since Linux 6.9 one that is awake${spared} runs them, and CPUs ${list} may be that one`];
  },
};
