import { parseCpuList } from "../cpulist.ts";
import { lacking, no, partly, type Question, unknown, yes } from "./question.ts";

const cpuDirectory = "/sys/devices/system/cpu";

/** What disturbs a program on CPUs of its own. Nothing here is changed by nodeos: boot arguments are the administrator's. */
export const quietQuestions: readonly Question[] = [
  {
    id: "isolcpus",
    title: "Managed interrupts",
    why:
      "Interrupts of NVMe and virtio queues are spread by the kernel and refuse to move: only at boot can they be kept off container CPUs.",
    evidence: "/proc/cmdline",
    ask(machine) {
      const argument = machine.bootArgument("isolcpus");
      const fix = machine.bootFix("isolcpus=managed_irq,");
      if (argument === null) return no("no isolcpus at boot", fix);
      const found = `isolcpus=${argument}`;
      const flags = argument.split(",").filter((field) => /^[a-z_]+$/.test(field));
      if (flags.length === 0 || flags.includes("domain")) {
        const isolated = machine.text(`${cpuDirectory}/isolated`) ||
          argument.split(",").filter((field) => !flags.includes(field)).join(",");
        return partly(
          found,
          `boot with isolcpus=managed_irq,${isolated}`,
          "CPUs isolated from scheduling at boot are never balanced, and partitions of type root refuse them.",
        );
      }
      return flags.includes("managed_irq") ? yes(found) : partly(found, fix);
    },
  },
  {
    id: "nohz-full",
    title: "Tickless CPUs",
    why: "Without nohz_full the kernel's timer interrupts a program that is alone on its CPU 100 to 1000 times a second.",
    evidence: `${cpuDirectory}/nohz_full`,
    ask(machine) {
      const list = machine.text(`${cpuDirectory}/nohz_full`);
      if (list === null) return lacking("it needs CONFIG_NO_HZ_FULL=y");
      const cpus = list === "(null)" ? [] : parseCpuList(list);
      return cpus.length > 0 ? yes(`CPUs ${list}`) : no("none", machine.bootFix("nohz_full="));
    },
  },
  {
    id: "rcu-nocbs",
    title: "RCU callbacks",
    why: "Without rcu_nocbs the kernel's deferred clean-up runs on the CPU that caused it, in the middle of a program.",
    evidence: "/proc/cmdline",
    ask(machine) {
      const argument = machine.bootArgument("rcu_nocbs");
      if (argument) return yes(argument === "all" ? "offloaded from all CPUs" : `offloaded from CPUs ${argument}`);
      const tickless = machine.bootArgument("nohz_full");
      if (tickless) return yes(`offloaded from CPUs ${tickless} by nohz_full`);
      return no("not offloaded", `${machine.bootFix("rcu_nocbs=")} (needs CONFIG_RCU_NOCB_CPU=y)`);
    },
  },
  {
    id: "irqaffinity",
    title: "New interrupts",
    why: "Devices that come up later put their interrupts on any CPU; those that are there are moved when a container asks for it.",
    evidence: "/proc/cmdline",
    ask(machine) {
      const argument = machine.bootArgument("irqaffinity");
      return argument ? yes(`on CPUs ${argument}`) : partly("on any CPU", `boot with irqaffinity=${machine.firstCore}`);
    },
  },
  {
    id: "irqbalance",
    title: "irqbalance",
    why: "Every 10 s irqbalance moves interrupts back onto container CPUs.",
    evidence: "/proc/1/task",
    ask(machine) {
      for (const { name } of machine.files.list("/proc")) {
        if (!/^\d+$/.test(name) || !machine.text(`/proc/${name}/task/${name}/stat`)?.includes("(irqbalance)")) continue;
        return partly(`process ${name}`, "systemctl stop irqbalance, or set IRQBALANCE_BANNED_CPULIST in its environment file");
      }
      return yes("not running");
    },
  },
  {
    id: "watchdog",
    title: "Lockup watchdog",
    why: "The watchdog wakes a thread on every CPU every 4 s, and its NMI counter every 10 s.",
    evidence: "/proc/sys/kernel/watchdog",
    ask(machine) {
      const value = machine.number("/proc/sys/kernel/watchdog");
      if (value === null) return yes("not in this kernel");
      return value === 0 ? yes("off") : partly("on", "sysctl -w kernel.watchdog=0");
    },
  },
  {
    id: "tracefs",
    title: "Kernel tracing",
    why: "Without tracefs a detour can be measured, but not attributed to what caused it.",
    evidence: "/proc/filesystems",
    ask(machine) {
      if (machine.files.exists("/sys/kernel/tracing/available_events")) return yes("/sys/kernel/tracing");
      if (!machine.knowsFilesystem("tracefs")) return lacking("it needs CONFIG_FTRACE=y");
      if (machine.isCaptured && machine.mounts.some(({ type }) => type === "tracefs")) return yes("mounted");
      if (machine.mounts.some(({ type }) => type === "tracefs")) {
        return unknown("mounted, but not for this user", "run it as root: sudo nodeos ...");
      }
      return partly("not mounted", "mount -t tracefs none /sys/kernel/tracing");
    },
  },
];
