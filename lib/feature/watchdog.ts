import { formatCpuList, parseCpuList } from "../kernel/cpulist.ts";
import type { Change } from "../plan/step.ts";
import { type NodeFeature, type Scene, setting } from "./node_feature.ts";

const mask = "/proc/sys/kernel/watchdog_cpumask";

/**
 * The lockup detector does not watch the container's CPUs: no timer and no stopper thread every 4 s, and no counter
 * that interrupts. Where it is off there is nothing to do.
 *
 * The kernel takes an empty mask and then watches nothing at all. So if somebody had it watch the container's CPUs
 * only, it watches all others instead.
 *
 * Source: Documentation/admin-guide/lockup-watchdogs.rst and sysctl/kernel.rst, watchdog_cpumask. Cost: a kernel that
 * hangs on one of these CPUs is not reported.
 */
export const watchdog: NodeFeature = {
  name: "watchdog",
  doc: "Whether the kernel's lockup detector runs on the container's CPUs",
  words: ["away", "stay"],
  reach: "cpus",
  plan(scene: Scene): Change[] {
    const isOn = (scene.inventory.files.tryRead("/proc/sys/kernel/watchdog")?.trim() ?? "0") !== "0";
    const watched = parseCpuList(scene.original({ kind: "file", what: mask }) ?? "");
    if (!isOn || watched.length === 0) return [];
    const rest = watched.filter((cpu) => !scene.cpus.includes(cpu));
    const to = formatCpuList(rest.length > 0 ? rest : scene.otherCpus);
    return setting(scene, mask, to, `no lockup detector on CPUs ${formatCpuList(scene.cpus)}`);
  },
};
