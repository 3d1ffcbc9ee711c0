import { hierarchyOf } from "../cgroup.ts";
import type { Machine } from "./machine.ts";
import { type Answer, lacking, no, notCaptured, onlyAnotherKernel, partly, type Question, unknown, yes } from "./question.ts";

const throttle = "/proc/sys/kernel/sched_rt_runtime_us";
const period = "/proc/sys/kernel/sched_rt_period_us";
const fairServer = "/sys/kernel/debug/sched/fair_server";

/** What decides how a container's programs get the CPU. */
export const schedulingQuestions: readonly Question[] = [
  {
    id: "rt-throttle",
    title: "Real-time throttle",
    why: "A throttled real-time program stands still for up to 50 ms in each second, which is worse than no real-time class at all.",
    evidence: throttle,
    ask(machine) {
      const [runtimeUs, periodUs] = [machine.number(throttle), machine.number(period) ?? 1_000_000];
      if (runtimeUs === null) return unknown("cannot be read");
      const found = `${runtimeUs} of ${periodUs} us`;
      if (runtimeUs === -1 || runtimeUs >= periodUs) return yes(runtimeUs === -1 ? "off" : found);
      return partly(found, `echo -1 > ${throttle}`);
    },
  },
  {
    id: "rt-groups",
    title: "Real-time groups",
    why:
      "With CONFIG_RT_GROUP_SCHED a new control group has no real-time budget: every cooperative program in it is refused until it gets one.",
    evidence: "/proc/self/mountinfo",
    ask(machine) {
      const hierarchy = hierarchyOf(machine.inventory.cgroups, "cpu");
      if (hierarchy === null || !machine.inventory.hasRtGroups) return yes("no budgets by group");
      const file = `${hierarchy.mount}/cpu.rt_runtime_us`;
      const budgetUs = machine.number(file);
      if (budgetUs === -1) return yes("budgets by group, the root's is without limit");
      return partly(
        `budgets by group, the root's is ${budgetUs ?? "?"} us`,
        `in this order: echo -1 > ${throttle}; echo -1 > ${file}; or boot with rt_group_sched=0 (from Linux 6.16 on)`,
      );
    },
  },
  {
    id: "fair-server",
    title: "Fair server",
    why: "From 6.12 on ordinary tasks get 50 ms of each second of a CPU even against a real-time program.",
    evidence: "/proc/sys/kernel/osrelease",
    ask: askFairServer,
  },
  {
    id: "sched-ext",
    title: "sched_ext",
    why: "Schedulers loaded as BPF programs need it; cooperative scheduling falls back to SCHED_FIFO without.",
    evidence: "/sys/kernel/sched_ext",
    ask(machine) {
      if (machine.files.exists("/sys/kernel/sched_ext")) return yes(machine.text("/sys/kernel/sched_ext/state") ?? "present");
      const needs = machine.isAtLeast(6, 12) ? "it needs CONFIG_SCHED_CLASS_EXT=y" : "it needs Linux 6.12 with CONFIG_SCHED_CLASS_EXT=y";
      return lacking(needs);
    },
  },
  {
    id: "smt",
    title: "Hyper-threads",
    why: "The other hardware thread of a core slows a program down as much as it likes; give away whole cores, or turn SMT off.",
    evidence: "/sys/devices/system/cpu/online",
    ask(machine) {
      const active = machine.number("/sys/devices/system/cpu/smt/active");
      if (active === 1) return partly("on", "echo off > /sys/devices/system/cpu/smt/control, or boot with nosmt");
      if (active === 0) return yes(machine.text("/sys/devices/system/cpu/smt/control") === "notsupported" ? "one thread per core" : "off");
      const shared = machine.inventory.onlineCpus.some((cpu) => machine.inventory.siblings(cpu).length > 1);
      return shared ? partly("on", "boot with nosmt") : yes("one thread per core");
    },
  },
  {
    id: "governor",
    title: "CPU frequency",
    why:
      "Under a governor that waits for load, each burst of work begins at a low frequency; without any, frequency is no means to cap power.",
    evidence: "/sys/devices/system/cpu/cpu0/cpufreq",
    ask(machine) {
      const governors = new Set(
        machine.inventory.onlineCpus.flatMap((cpu) => machine.text(`/sys/devices/system/cpu/cpu${cpu}/cpufreq/scaling_governor`) ?? []),
      );
      if (governors.size === 0) {
        return no(
          "no frequency driver",
          onlyAnotherKernel(machine.isVirtual ? "the host of this virtual machine decides" : "it has no driver for this processor"),
        );
      }
      const found = [...governors].join(", ");
      return found === "performance"
        ? yes(found)
        : partly(found, "echo performance | tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor");
    },
  },
];

function askFairServer(machine: Machine): Answer {
  if (machine.version === null) return unknown("the kernel's version cannot be read");
  if (!machine.isAtLeast(6, 12)) return yes("not in this kernel");
  const cpus = machine.files.list(fairServer).filter(({ name }) => /^cpu\d+$/.test(name));
  if (cpus.length === 0) {
    if (machine.isCaptured) return notCaptured;
    if (machine.mounts.some(({ type }) => type === "debugfs")) {
      return unknown("not shown by this kernel", onlyAnotherKernel("its settings are shown by CONFIG_SCHED_DEBUG=y"));
    }
    if (!machine.knowsFilesystem("debugfs")) {
      return unknown("not shown by this kernel", onlyAnotherKernel("its settings are shown by CONFIG_DEBUG_FS=y"));
    }
    return unknown("debugfs is not mounted", "mount -t debugfs none /sys/kernel/debug");
  }
  const on = cpus.filter(({ name }) => machine.number(`${fairServer}/${name}/runtime`) !== 0);
  if (on.length === 0) return yes("off on all CPUs");
  return partly(
    `on for ${on.length} of ${cpus.length} CPUs`,
    `for each CPU of a container: echo 0 > ${fairServer}/${on.at(-1)!.name}/runtime`,
  );
}
