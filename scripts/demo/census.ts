import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { readTasks } from "../../lib/kernel/process.ts";

/** What the demo promises not to touch, as it stands at one moment. */
export interface Census {
  /** Allowed CPUs of every thread, by thread id and start time. */
  readonly affinities: ReadonlyMap<string, string>;
  /** Values of the machine that containers could change. */
  readonly values: ReadonlyMap<string, string>;
}

const watched = [
  "/sys/fs/cgroup/cpuset/cpuset.sched_load_balance",
  "/sys/fs/cgroup/cgroup.subtree_control",
  "/sys/fs/cgroup/cpuset.cpus.effective",
  "/proc/sys/kernel/sched_rt_runtime_us",
  "/proc/irq/default_smp_affinity",
  "/sys/devices/virtual/workqueue/cpumask",
] as const;

/** Reads the affinity of every thread and the values of the machine. */
export function takeCensus(files: KernelFiles): Census {
  const affinities = readTasks(files).map((task) => [`${task.tid}:${task.startTicks}`, task.allowedCpus.join()] as const);
  const values = watched.flatMap((path) => {
    const value = files.tryRead(path);
    return value === null ? [] : [[path, value.trim()] as const];
  });
  return { affinities: new Map(affinities), values: new Map(values) };
}

/** What differs between two censuses, of all that exists in both; `[]` when nothing does. */
export function compareCensus(before: Census, after: Census): string[] {
  const differences = (a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>, kind: string) =>
    [...a].flatMap(([key, value]) => b.has(key) && b.get(key) !== value ? [`${kind} ${key}: was ${value}, is ${b.get(key)}`] : []);
  return [
    ...differences(before.affinities, after.affinities, "affinity of thread"),
    ...differences(before.values, after.values, "value of"),
  ];
}
