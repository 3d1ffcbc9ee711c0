import { cStates } from "./c_states.ts";
import { compaction } from "./compaction.ts";
import { dirtyPages } from "./dirty_pages.ts";
import { frequency } from "./frequency.ts";
import { irqs } from "./irqs.ts";
import { kernelThreads } from "./kernel_threads.ts";
import { khugepaged } from "./khugepaged.ts";
import { ksm } from "./ksm.ts";
import type { NodeFeature } from "./node_feature.ts";
import { numaBalancing } from "./numa_balancing.ts";
import { smtSiblings } from "./smt.ts";
import { tasks } from "./tasks.ts";
import { timerMigration } from "./timer_migration.ts";
import { transparentHugePages } from "./transparent_huge_pages.ts";
import { vmstat } from "./vmstat.ts";
import { watchdog } from "./watchdog.ts";

/**
 * Every feature of the whole node, in the order they are planned: what moves things away first, then settings. khugepaged is
 * a kernel thread itself: it is started again after the CPUs of new kernel threads are as they were. CPUs are
 * switched off last and on again first, since that changes what the others set.
 */
export const nodeFeatures: readonly NodeFeature[] = [
  tasks,
  khugepaged,
  kernelThreads,
  irqs,
  watchdog,
  timerMigration,
  vmstat,
  numaBalancing,
  transparentHugePages,
  compaction,
  ksm,
  dirtyPages,
  cStates,
  frequency,
  smtSiblings,
];

/** The feature of a name, or `undefined`. */
export function nodeFeature(name: string): NodeFeature | undefined {
  return nodeFeatures.find((feature) => feature.name === name);
}

/** What `preset: quiet` switches on: all of them but the one that takes CPUs away from everybody. */
export const quietPreset: readonly string[] = nodeFeatures.map(({ name }) => name).filter((name) => name !== smtSiblings.name);
