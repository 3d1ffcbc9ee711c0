import type { Change } from "../plan/step.ts";
import { type NodeFeature, type Scene, setting } from "./node_feature.ts";

const interval = "/proc/sys/vm/stat_interval";
const intervalSecondsMin = 60;

/**
 * The kernel adds up the memory counters of each CPU once a minute, not once a second: a kernel thread runs for it on
 * every CPU that changed one. Newer kernels leave CPUs out that the boot parameter `nohz_full` or an isolated partition
 * took.
 *
 * A minute, since the interval at hand ends before a new one counts: after the container left, the node has its former
 * rhythm within that minute. (tuned takes 10 s, partrt 1000 s, which would last for a quarter of an hour.) The counters
 * stay bounded: each CPU keeps at most 125 pages of each sort and zone to itself, whatever the interval.
 *
 * Source: Documentation/admin-guide/sysctl/vm.rst, stat_interval. Cost: `/proc/meminfo` and `/proc/vmstat` may be behind
 * by these 125 pages for each CPU; free pages of other NUMA nodes stay in a CPU's cache for three minutes, not seconds.
 */
export const vmstat: NodeFeature = {
  name: "vmstat",
  doc: "How often each CPU's memory counters are added up: once a minute, or as usual once a second",
  words: ["rare", "usual"],
  reach: "node",
  plan(scene: Scene): Change[] {
    if (Number(scene.original({ kind: "file", what: interval }) ?? 0) >= intervalSecondsMin) return [];
    return setting(scene, interval, `${intervalSecondsMin}`, "memory counters are added up once a minute");
  },
};
