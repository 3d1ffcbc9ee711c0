import { formatCpuList, parseCpuList } from "../kernel/cpulist.ts";
import type { Task } from "../kernel/process.ts";
import type { Change } from "../plan/step.ts";
import { elsewhere, elsewhereMask } from "./elsewhere.ts";
import { leftThreads } from "./left_threads.ts";
import type { NodeFeature, Scene } from "./node_feature.ts";

const workqueues = "/sys/devices/virtual/workqueue";

/**
 * Threads of the kernel that belong to no CPU run elsewhere: workers of its workqueues through their masks, and each of
 * the others (kswapd, kcompactd, khugepaged, the threads of RCU, ...) by its affinity. A thread that was on the
 * container's CPUs only, as those of a NUMA node are, goes to all other CPUs.
 *
 * kthreadd is among them: it runs whenever a kernel thread starts. From Linux 6.2 on new ones inherit its CPUs, and keep
 * them afterwards; before that they start on all CPUs, whatever it has.
 *
 * Workers of ordered workqueues follow the mask from 6.9 on only; before, they are named among what stays.
 *
 * From 6.7 on the kernel itself takes isolated partitions out of the workqueues' mask, which is then left to it. What was
 * asked for counts for the others (`cpumask_requested`): it is what comes back when a partition goes.
 *
 * Source: Documentation/core-api/workqueue.rst, admin-guide/kernel-per-CPU-kthreads.rst, sched_setaffinity(2). Cost: two
 * system calls for each of these threads, about 30 on a small machine; work of a NUMA node may run far from its memory.
 */
export const kernelThreads: NodeFeature = {
  name: "kernelThreads",
  doc: "Threads and workqueues of the kernel that are bound to no CPU run elsewhere",
  words: ["away", "stay"],
  reach: "cpus",
  plan: (scene: Scene): Change[] => [...planWorkqueues(scene), ...planThreads(scene)],
  left: leftThreads,
};

function planWorkqueues(scene: Scene): Change[] {
  const why = `kernel work that is bound to no CPU keeps off CPUs ${formatCpuList(scene.cpus)}`;
  const all = planGlobalMask(scene, why);
  const names = scene.inventory.files.list(workqueues).filter(({ kind }) => kind === "directory").map(({ name }) => name);
  const own = names.flatMap((name) =>
    // Ordered ones do not take a mask of their own; that of all counts for them as well.
    maskChange(scene, { kind: "file", what: `${workqueues}/${name}/cpumask`, why: `the workqueue ${name} does so too`, ifAllowed: true })
  );
  return [...all, ...own];
}

/**
 * The mask of all workqueues. Where the kernel takes isolated partitions out by itself, writing it beside one would put
 * their CPUs in again, also when a former value is put back: what is isolated anyway is left to the kernel.
 */
function planGlobalMask(scene: Scene, why: string): Change[] {
  const what = `${workqueues}/cpumask`;
  const excludes = scene.inventory.files.exists(`${what}_isolated`);
  const cpus = excludes ? scene.cpus.filter((cpu) => !scene.isolatedCpus.includes(cpu)) : scene.cpus;
  return cpus.length === 0 ? [] : maskChange({ ...scene, cpus }, { kind: "workqueue", what, why });
}

function maskChange(scene: Scene, change: Omit<Change, "to">): Change[] {
  const mask = scene.original(change);
  const to = mask === null ? null : elsewhereMask(scene, mask);
  return to === null ? [] : [{ ...change, to }];
}

function planThreads(scene: Scene): Change[] {
  // Where containers are partitions, the kernel allows its threads on none of their CPUs, wished or not.
  const containers = scene.taken.filter((cpu) => !scene.serviceCpus?.includes(cpu));
  const free = scene.otherCpus.filter((cpu) => !containers.includes(cpu));
  const others = free.length > 0 ? free : scene.otherCpus;
  return scene.inventory.tasks.filter(isMovable).flatMap((task): Change[] => {
    const what = `${task.tid}:${task.startTicks}`;
    const original = scene.original({ kind: "affinity", what });
    const allowed = original === null ? task.allowedCpus : parseCpuList(original);
    const rest = elsewhere(scene, allowed, others);
    if (rest === null) return [];
    const to = formatCpuList(rest.filter((cpu) => others.includes(cpu)));
    return [{ kind: "affinity", what, to, why: `${task.name} keeps off the container's CPUs`, ifAllowed: true }];
  });
}

/** The thread of an interrupt is not: the kernel has it follow the interrupt. */
function isMovable({ isKernelThread, isBound, name, allowedCpus, state }: Task): boolean {
  if (!isKernelThread || isBound || state === "Z" || state === "X" || /^irq\/\d+-/.test(name)) return false;
  const [, cpu] = /\/(\d+)$/.exec(name) ?? [];
  return !(allowedCpus.length === 1 && cpu === `${allowedCpus[0]}`);
}
