import type { Machine } from "./machine.ts";
import { type Answer, lacking, no, onlyAnotherKernel, partly, type Question, yes } from "./question.ts";

/** What measuring and capping power, and partitioning caches, needs. */
export const hardwareQuestions: readonly Question[] = [
  {
    id: "msr",
    title: "Model-specific registers",
    why: "Energy, limits and duty cycles of the finest grain are read and set through /dev/cpu/N/msr.",
    evidence: "/dev/cpu",
    ask: askMsr,
  },
  {
    id: "powercap",
    title: "Power capping",
    why: "Without a powercap zone package power is neither measured nor limited by the kernel.",
    evidence: "/sys/class/powercap",
    ask(machine) {
      const zones = machine.files.list("/sys/class/powercap").map(({ name }) => name).filter((name) => name.includes(":"));
      if (zones.length > 0) return yes(zones.filter((name) => name.split(":").length === 2).join(", "));
      if (machine.isVirtual) return no("no zones", onlyAnotherKernel("a virtual machine has no power limits; look on its host"));
      return no("no zones", machine.isX86 ? "modprobe intel_rapl_msr" : onlyAnotherKernel("it has no driver for this processor"));
    },
  },
  {
    id: "perf",
    title: "Performance counters",
    why: "Energy counters and noise attribution look at whole CPUs, which the kernel allows to the privileged or below level 1.",
    evidence: "/proc/sys/kernel/perf_event_paranoid",
    ask(machine) {
      const level = machine.number("/proc/sys/kernel/perf_event_paranoid");
      if (level === null) return lacking("it needs CONFIG_PERF_EVENTS=y");
      const found = `paranoid level ${level}`;
      if (level <= 0) return yes(found);
      if (machine.can("PERFMON") || machine.can("SYS_ADMIN")) return yes(`${found}, allowed by capability`);
      return (level > 2 ? no : partly)(found, "sysctl -w kernel.perf_event_paranoid=0");
    },
  },
  {
    id: "resctrl",
    title: "Cache partitions",
    why: "Without resctrl containers on one package evict each other's data from the shared cache.",
    evidence: "/proc/filesystems",
    ask(machine) {
      if (machine.mounts.some(({ type }) => type === "resctrl")) return yes("/sys/fs/resctrl");
      if (machine.knowsFilesystem("resctrl")) return partly("not mounted", "mount -t resctrl resctrl /sys/fs/resctrl");
      return no(
        "not offered",
        onlyAnotherKernel("it needs a processor with RDT, QoS or MPAM, and CONFIG_X86_CPU_RESCTRL=y or CONFIG_ARM64_MPAM=y"),
      );
    },
  },
];

function askMsr(machine: Machine): Answer {
  if (!machine.isX86) return no("not an x86", "none on this processor: it has no such registers");
  const cpu = machine.inventory.onlineCpus[0];
  if (machine.files.exists(`/dev/cpu/${cpu}/msr_safe`)) return yes("msr_safe");
  if (!machine.files.exists(`/dev/cpu/${cpu}/msr`)) {
    return no(
      "no device",
      machine.hasModules ? "modprobe msr" : onlyAnotherKernel("it needs CONFIG_X86_MSR=y, and modules cannot be loaded"),
    );
  }
  if (machine.can("SYS_RAWIO") === false) return partly("present, not for this user", "run it as root with CAP_SYS_RAWIO");
  if (!machine.isVirtual) return yes("present");
  return partly(
    "present, in a virtual machine",
    onlyAnotherKernel("the host decides what its guests may read"),
    "In a virtual machine registers that the host does not offer may read 0 instead of failing, so energy may seem to stand still.",
  );
}
