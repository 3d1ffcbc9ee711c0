import { cgroupPrefix, type Hierarchy, hierarchyOf, refugeName } from "../kernel/cgroup.ts";
import { formatCpuList, parseCpuList } from "../kernel/cpulist.ts";
import type { Task } from "../kernel/process.ts";
import { isKernelBefore } from "../kernel/release.ts";
import type { Change } from "../plan/step.ts";
import type { NodeFeature, Scene } from "./node_feature.ts";

/**
 * Everybody else's programs leave for the ServiceOS: the CPUs that a specification gives to it, or all that no container
 * has.
 *
 * Programs in the root cgroup move to a cgroup of their own, `nodeos-others`; what they start is born there. A cgroup
 * that somebody else made keeps its programs and gets its CPUs bounded, on version 2; where systemd made it, through
 * systemd's own property, since it would write over ours. Before Linux 7 that cannot be taken back where a cgroup had no
 * CPUs of its own: those keep all that no container has. Programs named by `service.protect` stay where they are, and
 * so do those that the kernel does not let go, such as deadline tasks.
 *
 * On version 1 nothing but this keeps others off a container's CPUs. With nobody left in the root cpuset its load
 * balancing is switched off as well, without which the container's own flag has no effect.
 *
 * Source: Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/cpusets.rst. Cost: one write for each process (version 2) or
 * thread (version 1), each a grace period of the kernel at most.
 */
export const tasks: NodeFeature = {
  name: "tasks",
  doc: "Everybody else's programs run on the ServiceOS's CPUs only",
  words: ["away", "stay"],
  reach: "node",
  plan(scene: Scene): Change[] {
    const hierarchy = hierarchyOf(scene.inventory.cgroups, "cpuset");
    if (hierarchy === null) return [];
    // Other containers' CPUs are theirs, whether they wish it or not.
    const cpus = scene.serviceCpus ?? scene.otherCpus.filter((cpu) => !scene.taken.includes(cpu));
    const refuge = `${hierarchy.mount}/${refugeName}`;
    return [
      ...controllerOf(hierarchy),
      { kind: "refuge", what: refuge, to: "", why: "everybody else's programs come here" },
      { kind: "file", what: `${refuge}/cpuset.cpus`, to: formatCpuList(cpus), why: "the ServiceOS's CPUs" },
      ...memoryOf(scene, hierarchy, refuge),
      ...(hierarchy.version === 2 ? boundedCgroups(scene, hierarchy, cpus) : []),
      ...members(scene, hierarchy),
      ...(hierarchy.version === 1 ? rootBalancing(scene, hierarchy) : []),
    ];
  },
  left(scene: Scene): string[] {
    const hierarchy = hierarchyOf(scene.inventory.cgroups, "cpuset");
    if (hierarchy === null) return ["no cgroup hierarchy has the cpuset controller: no program can be moved"];
    const isHere = ({ allowedCpus }: Task) => allowedCpus.some((cpu) => scene.cpus.includes(cpu));
    return rootTasks(scene, hierarchy).filter(isHere).map((task) => {
      const why = isProtected(scene, task) ? "service.protect names it" : "the kernel does not let it go, or it came since";
      return `thread ${task.tid} (${task.name}) on CPUs ${formatCpuList(task.allowedCpus)}: ${why}`;
    });
  },
};

function controllerOf({ version, mount }: Hierarchy): Change[] {
  if (version === 1) return [];
  return [{ kind: "controller", what: `${mount}:cpuset`, to: "+", why: "children of the root get the cpuset controller", shared: true }];
}

function memoryOf(scene: Scene, { version }: Hierarchy, refuge: string): Change[] {
  const what = `${refuge}/cpuset.mems`;
  if (!ownsNodes(scene)) {
    if (version === 2) return [];
    return [{ kind: "file", what, to: formatCpuList(scene.sharedNodes), why: "memory from all NUMA nodes, as before" }];
  }
  const why = "memory from NUMA nodes that no container owns";
  // Version 1 leaves memory where it is unless it is told not to.
  const migrate: Change[] = version === 2
    ? []
    : [{ kind: "file", what: `${refuge}/cpuset.memory_migrate`, to: "1", why: "it leaves theirs", initial: "0" }];
  return [...migrate, { kind: "file", what, to: formatCpuList(scene.sharedNodes), why, ...(version === 2 ? { initial: "" } : {}) }];
}

/** Whether containers own NUMA nodes as a whole. */
function ownsNodes({ inventory, sharedNodes }: Scene): boolean {
  return sharedNodes.length < inventory.memoryNodes.length;
}

/** Cgroups of others directly below the root: what is in them follows. */
function boundedCgroups(scene: Scene, { mount }: Hierarchy, cpus: readonly number[]): Change[] {
  const { inventory, original } = scene;
  return inventory.files.list(mount).flatMap(({ name, kind }): Change[] => {
    if (kind !== "directory" || name.startsWith(cgroupPrefix)) return [];
    const path = `${mount}/${name}`;
    const partition = inventory.files.tryRead(`${path}/cpuset.cpus.partition`)?.trim() ?? "member";
    // A partition has CPUs of its own, which no container can have as well.
    if (partition.startsWith("root") || partition.startsWith("isolated")) return [];
    const why = `programs of ${name} stay on the ServiceOS's CPUs`;
    if (inventory.runsSystemd && /\.(?:slice|scope|service)$/.test(name)) {
      const what = `${name}@${mount}`;
      return [{ kind: "unit", what, to: within(original({ kind: "unit", what }) ?? "", cpus), why }];
    }
    const what = `${path}/cpuset.cpus`;
    const own = original({ kind: "file", what }) ?? "";
    if (own === "" && cannotLift(inventory)) return [];
    return [{ kind: "file", what, to: within(own, cpus), why, initial: "" }, ...boundedMemory(scene, name, path)];
  });
}

/** Where containers own NUMA nodes, the cgroups of others take their memory elsewhere. */
function boundedMemory(scene: Scene, name: string, path: string): Change[] {
  if (!ownsNodes(scene)) return [];
  const what = `${path}/cpuset.mems`;
  const own = scene.original({ kind: "file", what }) ?? "";
  if (own === "" && cannotLift(scene.inventory)) return [];
  return [{
    kind: "file",
    what,
    to: within(own, scene.sharedNodes),
    why: `memory of ${name} leaves nodes that containers own`,
    initial: "",
  }];
}

/** Older kernels do not take the CPUs of a cgroup back to none of its own while programs are in it. */
function cannotLift({ files }: Scene["inventory"]): boolean {
  return isKernelBefore(files, 7, 0);
}

/** What is left of a list within another one; all of that when it says nothing, or nothing is left. */
function within(own: string, cpus: readonly number[]): string {
  const allowed = new Set(parseCpuList(own));
  const left = cpus.filter((cpu) => allowed.has(cpu));
  return formatCpuList(left.length > 0 ? left : cpus);
}

/** Threads of programs that are, or before us were, in the root cgroup: on version 2 the first one of each process. */
function rootTasks(scene: Scene, hierarchy: Hierarchy): Task[] {
  return scene.inventory.tasks.filter((task) =>
    !task.isKernelThread && task.state !== "Z" && task.state !== "X" && (hierarchy.version === 1 || task.tid === task.pid) &&
    scene.original({ kind: "member", what: memberOf(task, hierarchy) }) === "/"
  );
}

function memberOf({ tid, startTicks }: Task, { version, mount }: Hierarchy): string {
  return `${tid}:${startTicks}@${mount}:${version === 1 ? "cpuset" : ""}`;
}

function members(scene: Scene, hierarchy: Hierarchy): Change[] {
  return rootTasks(scene, hierarchy).filter((task) => !isProtected(scene, task)).map((task): Change => ({
    kind: "member",
    what: memberOf(task, hierarchy),
    to: `/${refugeName}`,
    why: `${task.name} leaves for the ServiceOS`,
    ifAllowed: true,
  }));
}

/** `service.protect` names a program as `ps` shows it, with `*` for any characters, or by its process id. */
function isProtected({ protect }: Scene, { pid, name }: Task): boolean {
  return protect.some((pattern) =>
    pattern === `${pid}` || pattern.slice(0, nameLengthMax) === name ||
    new RegExp(`^${pattern.split("*").map(RegExp.escape).join(".*")}$`, "s").test(name)
  );
}

/** The kernel keeps that much of a program's name. */
const nameLengthMax = 15;

function rootBalancing({ inventory }: Scene, { mount }: Hierarchy): Change[] {
  const what = `${mount}/cpuset.sched_load_balance`;
  if (!inventory.files.exists(what)) return [];
  return [{ kind: "file", what, to: "0", why: "the containers' own flags count only without the root's" }];
}
