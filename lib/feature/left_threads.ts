import { formatCpuList } from "../kernel/cpulist.ts";
import { parseCpuMask } from "../kernel/cpumask.ts";
import type { Task } from "../kernel/process.ts";
import { within } from "./elsewhere.ts";
import type { Scene } from "./node_feature.ts";

/** Threads of the kernel that no wish takes off the containers' CPUs: by name and CPU, with the reason. */
export function leftThreads(scene: Scene): string[] {
  const tasks = scene.inventory.tasks.filter((task) => task.isKernelThread && within(scene, task.allowedCpus).length > 0);
  const bound = tasks.filter(({ isBound, name }) => isBound && !isOfInterrupt(name));
  return [
    ...ofEachCpu(bound.filter(({ name }) => perCpu.test(name))),
    ...workers(bound.filter(({ name }) => worker.test(name))),
    ...freeWorkers(scene, bound.filter(({ name }) => freeWorker.test(name))),
    ...rescuers(bound.filter(({ name }) => !perCpu.test(name) && !worker.test(name) && !freeWorker.test(name))),
    ...tasks.filter(({ name }) => isOfInterrupt(name)).map((task) => `${task.name} on CPUs ${cpusOf(task)}: follows its interrupt`),
    ...callbacks(scene),
  ];
}

const perCpu = /^([^:]+)\/(\d+)$/;
const worker = /^kworker\/(\d+):/;
const freeWorker = /^kworker\/u\d+:/;

function isOfInterrupt(name: string): boolean {
  return /^irq\/\d+-/.test(name);
}

function cpusOf({ allowedCpus }: Task): string {
  return formatCpuList(allowedCpus);
}

/** `migration/4`, `ksoftirqd/4`, ...: those that the same CPUs have in one line. */
function ofEachCpu(tasks: readonly Task[]): string[] {
  const cpusByName = Map.groupBy(tasks, ({ name }) => perCpu.exec(name)![1]);
  const namesByCpus = Map.groupBy(cpusByName, ([, tasks]) => formatCpuList(tasks.flatMap(({ allowedCpus }) => allowedCpus)));
  return [...namesByCpus].map(([cpus, names]) =>
    `${names.map(([name]) => `${name}/N`).sort().join(", ")} on CPUs ${cpus}: the kernel has one for each CPU`
  );
}

function workers(tasks: readonly Task[]): string[] {
  if (tasks.length === 0) return [];
  const cpus = formatCpuList(tasks.flatMap(({ allowedCpus }) => allowedCpus));
  return [`kworker/N:* on CPUs ${cpus} (${tasks.length} now): work that is queued on these very CPUs`];
}

/** Once the mask of all workqueues is without the CPUs, only those are left that it does not count for. */
function freeWorkers({ inventory, cpus }: Scene, tasks: readonly Task[]): string[] {
  const mask = inventory.files.tryRead("/sys/devices/virtual/workqueue/cpumask");
  if (mask === null || parseCpuMask(mask).some((cpu) => cpus.includes(cpu))) return [];
  return [...Map.groupBy(tasks, cpusOf)].map(([cpus, tasks]) =>
    `${tasks.map(({ name }) => name).sort().join(", ")} on CPUs ${cpus}: before Linux 6.9 ordered workqueues keep the CPUs they began with`
  );
}

function rescuers(tasks: readonly Task[]): string[] {
  return [...Map.groupBy(tasks, cpusOf)].map(([cpus, tasks]) =>
    `${
      tasks.map(({ name }) => name).sort().join(", ")
    } on CPUs ${cpus}: bound by the kernel; rescuers of workqueues run when memory is short`
  );
}

/** Threads `rcuop/N` (`rcuos/N` without preemption) do the callbacks of those CPUs that are named at boot. */
function callbacks({ inventory, cpus }: Scene): string[] {
  const offloaded = new Set(inventory.tasks.flatMap(({ name, isKernelThread }) => {
    const [, cpu] = (isKernelThread && /^rcuo[ps]\/(\d+)$/.exec(name)) || [];
    return cpu === undefined ? [] : [Number(cpu)];
  }));
  const rest = cpus.filter((cpu) => !offloaded.has(cpu));
  if (rest.length === 0) return [];
  return [`RCU callbacks on CPUs ${formatCpuList(rest)}: they were not offloaded at boot; "nodeos doctor --boot" says how`];
}
