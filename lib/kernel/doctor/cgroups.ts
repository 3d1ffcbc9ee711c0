import { hierarchyOf } from "../cgroup.ts";
import type { Machine } from "./machine.ts";
import { type Answer, lacking, no, onlyAnotherKernel, partly, type Question, unknown, yes } from "./question.ts";

/** Kernel configuration that a controller needs. */
const configuration = {
  cpuset: "CONFIG_CPUSETS",
  memory: "CONFIG_MEMCG",
  pids: "CONFIG_CGROUP_PIDS",
  cpu: "CONFIG_CGROUP_SCHED",
  hugetlb: "CONFIG_CGROUP_HUGETLB",
};

/** A controller that containers use. */
export type Controller = keyof typeof configuration;

/** Controllers beyond the cpuset, and what cpusets can do here. */
export const cgroupQuestions: readonly Question[] = [
  {
    id: "memory-controller",
    title: "Memory limits",
    why: "Without the memory controller a container's memory has no limit of its own, and one that grows takes the node with it.",
    evidence: "/proc/self/mountinfo",
    ask: (machine) => controllerAnswer(machine, "memory"),
  },
  {
    id: "pids-controller",
    title: "Process limits",
    why: "Without the pids controller a program that forks without end takes the node with it.",
    evidence: "/proc/self/mountinfo",
    ask: (machine) => controllerAnswer(machine, "pids"),
  },
  {
    id: "cpu-controller",
    title: "CPU weights",
    why: "Without the cpu controller containers that share CPUs cannot be weighed against each other.",
    evidence: "/proc/self/mountinfo",
    ask: (machine) => controllerAnswer(machine, "cpu"),
  },
  {
    id: "hugetlb-controller",
    title: "Huge page limits",
    why: "Without the hugetlb controller any program may take the huge pages that are meant for a container.",
    evidence: "/proc/self/mountinfo",
    ask: (machine) => controllerAnswer(machine, "hugetlb"),
  },
  {
    id: "partitions",
    title: "CPU partitions",
    why: "The kernel itself keeps others off the CPUs of a partition, and from 6.7 on tells when it cannot.",
    evidence: "/proc/self/mountinfo",
    ask: askPartitions,
  },
];

/** What mounts control groups on a machine without. */
export function mountFix(machine: Machine): string {
  if (machine.knowsFilesystem("cgroup2") && machine.isAtLeast(5, 0)) return "mount -t cgroup2 none /sys/fs/cgroup";
  if (!machine.knowsFilesystem("cgroup")) return onlyAnotherKernel("it needs CONFIG_CGROUPS=y and CONFIG_CPUSETS=y");
  return "mount -t tmpfs none /sys/fs/cgroup && mkdir /sys/fs/cgroup/cpuset && mount -t cgroup -o cpuset none /sys/fs/cgroup/cpuset";
}

/** What gives cpusets to version 2 on a machine that has them in version 1. */
export function version2Fix(machine: Machine): string {
  if (!machine.knowsFilesystem("cgroup2") || !machine.isAtLeast(5, 0)) return onlyAnotherKernel("cpusets of version 2 need Linux 5.0");
  const systemd = machine.text("/proc/1/comm") === "systemd";
  return systemd ? "boot with systemd.unified_cgroup_hierarchy=1" : "boot with cgroup_no_v1=all, then mount -t cgroup2 none /sys/fs/cgroup";
}

/** Where a controller is, and the command that makes it usable. */
export function controllerAnswer(machine: Machine, controller: Controller): Answer {
  const layout = machine.inventory.cgroups;
  const hierarchy = hierarchyOf(layout, controller);
  if (hierarchy?.version === 1) return yes(`version 1 at ${hierarchy.mount}`);
  const outside = "start the surrounding container with --privileged --cgroupns=host";
  if (hierarchy) {
    const at = `version 2 at ${hierarchy.mount}`;
    const control = `${hierarchy.mount}/cgroup.subtree_control`;
    if (machine.text(control)?.split(" ").includes(controller)) return yes(at);
    if (isTrueRoot(machine, hierarchy.mount)) return { ...yes(`${at}, enabled on demand`), fix: `echo +${controller} > ${control}` };
    return partly(`${at}, not enabled below it`, `echo +${controller} > ${control} where no process is in it, or ${outside}`);
  }
  const row = (machine.text("/proc/cgroups") ?? "").split("\n").map((line) => line.split("\t")).find(([name]) => name === controller);
  if (layout.mode === "none") return no("no control groups", mountFix(machine));
  if (!row) {
    return lacking(`it needs ${configuration[controller]}=y`);
  }
  if (row[3] === "0") return no("disabled at boot", `boot with cgroup_enable=${controller}, and without cgroup_disable=${controller}`);
  if (layout.mode === "v2" && !isTrueRoot(machine, layout.hierarchies[0].mount)) {
    return no("not handed down to this cgroup namespace", outside);
  }
  if (layout.mode === "v2") return no("bound to version 1, which is not mounted", `boot with cgroup_no_v1=${controller}`);
  const parent = layout.hierarchies[0].mount.split("/").slice(0, -1).join("/");
  return no("not mounted", `mkdir -p ${parent}/${controller} && mount -t cgroup -o ${controller} none ${parent}/${controller}`);
}

/** Only the true root lacks this file; elsewhere a group with processes of its own may not hand controllers down. */
function isTrueRoot(machine: Machine, mount: string): boolean {
  return !machine.files.exists(`${mount}/cgroup.type`);
}

function askPartitions(machine: Machine): Answer {
  const hierarchy = hierarchyOf(machine.inventory.cgroups, "cpuset");
  if (hierarchy === null) return no("no cpusets", controllerAnswer(machine, "cpuset").fix ?? "");
  if (hierarchy.version === 1) {
    if (machine.files.exists(`${hierarchy.mount}/cpuset.cpu_exclusive`)) {
      return partly(
        "cpu_exclusive of version 1",
        version2Fix(machine),
        "A version 1 cpuset is exclusive among its siblings only, and load balancing has to be turned off in the root for all.",
      );
    }
    return no("no cpuset.cpu_exclusive", `mount ${hierarchy.mount} without noprefix`);
  }
  // Distributions carry partitions to older kernels: what a group has says more than the number.
  const groups = machine.files.list(hierarchy.mount).filter(({ kind }) => kind === "directory").map(({ name }) =>
    `${hierarchy.mount}/${name}`
  );
  const has = (file: string) => groups.some((group) => machine.files.exists(`${group}/${file}`));
  if (has("cpuset.cpus.exclusive") || machine.isAtLeast(6, 7)) return yes("root, isolated, exclusive CPUs");
  if (machine.version === null) return unknown("the kernel's version cannot be read");
  const fix = onlyAnotherKernel("boot Linux 6.7 or later");
  if (machine.isAtLeast(6, 1)) {
    return partly(
      "root, isolated",
      fix,
      "Before 6.7 a sibling that names the same CPUs breaks a partition, so nodeos has to read all siblings back.",
    );
  }
  if (machine.isAtLeast(5, 0)) {
    return partly("root", fix, "Before 6.1 there are no isolated partitions: load balancing cannot be turned off.");
  }
  return no("none", fix);
}
