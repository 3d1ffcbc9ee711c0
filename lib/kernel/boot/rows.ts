import { formatCpuList } from "../cpulist.ts";
import { parseCpuMask } from "../cpumask.ts";
import { active, compare, differs, type Finding, inactive, type Row, unsupported } from "./row.ts";
import type { BootScene } from "./scene.ts";

const nothing = "nothing: this can be had at boot only";

/** Arguments worth their price for containers that are to be quiet. */
export const rows: readonly Row[] = [
  {
    name: "nohz_full",
    argument: ({ list }) => `nohz_full=${list}`,
    buys: "no timer tick while one thread runs alone; free kernel threads and timers go elsewhere",
    costs: ({ cpus }) =>
      "every system call, page fault and interrupt takes longer there, and the ServiceOS does a tick per second for each of these CPUs. " +
      "Two threads on a CPU bring the tick back, and so do a POSIX CPU timer and an unsteady clock. While no container has these CPUs, " +
      "other programs run there at that price" +
      (cpus.includes(0) ? ". The kernel takes the CPU it boots on out of the list, commonly CPU 0: leave that one to the ServiceOS" : ""),
    without: () => "nothing for the tick itself, 100 to 1000 times a second; the rest can be moved at run time",
    find: findTickless,
  },
  {
    name: "rcu_nocbs",
    argument: ({ list }) => `rcu_nocbs=${list}`,
    buys: "the kernel's deferred clean-up runs in threads that can be kept off these CPUs",
    costs: ({ ticklessCpus }) =>
      "handing over takes a lock: programs that open, close and map a lot get slower, and the ServiceOS does the work" +
      (ticklessCpus === null ? "" : ". nohz_full implies it for its own CPUs; written out, it stays when that one goes"),
    without: () => nothing,
    find: findOffloaded,
  },
  {
    name: "isolcpus",
    argument: ({ list }) => `isolcpus=managed_irq,${list}`,
    buys: "interrupts of disk queues, which nobody can move, go to the ServiceOS where it shares the queue",
    costs: () =>
      "best effort: a queue of container CPUs only keeps its interrupt there, and fires when they do I/O. The flag domain is left out: it " +
      "takes CPUs from the scheduler until the next boot, and partitions do that at run time and give them back",
    without: () =>
      "nothing: the kernel manages these interrupts (NVMe, virtio) and refuses to move them. Switching a CPU off and on moves those it shares",
    find: findManaged,
  },
  {
    name: "irqaffinity",
    argument: ({ otherList }) => `irqaffinity=${otherList}`,
    buys: "other interrupts start on the CPUs of the ServiceOS, from the first driver on",
    costs: () => "those CPUs take them all: few of them may be too slow for a fast network",
    without: ({ otherList }) =>
      `write ${otherList} to smp_affinity_list of each interrupt in /proc/irq, and its mask to default_smp_affinity for what comes later`,
    find: findInterrupts,
  },
  {
    name: "skew_tick",
    argument: () => "skew_tick=1",
    buys: "CPUs tick one after the other, and do not wait for each other's locks",
    costs: () => "a little power: CPUs that idle wake up at different moments",
    without: () => nothing,
    find: ({ words }) => findValue(words.value("skew_tick"), "1", words.all("skew_tick")),
  },
  {
    name: "systemd.cpu_affinity",
    argument: ({ otherList }) => `systemd.cpu_affinity=${otherList}`,
    buys: "services and logins start on the CPUs of the ServiceOS, from the first one on",
    costs: ({ list }) => `CPUs ${list} idle while no container has them, unless a program asks for them itself; needs systemd 245`,
    without: ({ otherList }) =>
      `systemctl set-property --runtime SLICE AllowedCPUs=${otherList}, for each slice, which moves what runs (cgroup version 2)`,
    find(scene) {
      if (!scene.hasSystemd) return null;
      return findList(scene, "systemd.cpu_affinity", scene.otherCpus) ?? inactive(describeFirstProcess(scene));
    },
  },
  versionRow("systemd.unified_cgroup_hierarchy", "1", true),
  versionRow("cgroup_no_v1", "all", false),
];

/** Arguments that others may want: what they buy can be had at run time, or costs about as much. */
export const choices: readonly Row[] = [
  {
    name: "nowatchdog",
    argument: () => "nowatchdog",
    buys: "no lockup watchdog: neither its timer every 4 s, nor its counter interrupt every 10 s",
    costs: () => "a CPU that hangs in the kernel is not reported any more. nosoftlockup alone leaves the counter",
    without: ({ otherList }) =>
      `sysctl kernel.watchdog=0, or kernel.watchdog_cpumask=${otherList}, which nohz_full does by itself: this is as good`,
    find: findWatchdog,
  },
  {
    name: "rcu_nocb_poll",
    argument: () => "rcu_nocb_poll",
    buys: "CPUs need not even wake the threads that do their clean-up",
    costs: () => "those threads look again and again: power, and time of the ServiceOS",
    without: () => nothing,
    find(scene) {
      if (scene.canOffload === false) return unsupported("CONFIG_RCU_NOCB_CPU");
      return scene.words.value("rcu_nocb_poll") === null ? inactive() : active();
    },
  },
];

function findTickless(scene: BootScene): Finding {
  const found = scene.ticklessCpus;
  if (found === null) return unsupported("CONFIG_NO_HZ_FULL");
  // The CPU that boots is taken out of the list by most kernels.
  const possible = scene.cpus.filter((cpu) => cpu !== 0 || found.includes(0));
  return compare(found, possible.length > 0 ? possible : scene.cpus);
}

/** The two arguments say which: from 5.17 on every CPU has a thread as soon as one is offloaded, so threads tell little. */
function findOffloaded(scene: BootScene): Finding {
  const { words, canOffload } = scene;
  if (canOffload === false) return unsupported("CONFIG_RCU_NOCB_CPU");
  const value = words.value("rcu_nocbs");
  const own = words.cpus("rcu_nocbs");
  if (value && own === null) return differs(`rcu_nocbs=${value}, which the kernel takes for all CPUs`);
  const tickless = scene.ticklessCpus ?? [];
  // With neither argument, threads mean a kernel that was built to offload all CPUs (CONFIG_RCU_NOCB_CPU_DEFAULT_ALL).
  const isBuiltIn = value === null && tickless.length === 0;
  const found = isBuiltIn ? scene.callbackThreadCpus : [...new Set([...own ?? [], ...tickless])].sort((a, b) => a - b);
  const finding = compare(found, scene.cpus);
  if (finding.status === "inactive" && canOffload === null) return inactive("needs CONFIG_RCU_NOCB_CPU, which cannot be told from here");
  if (finding.status === "active" && value === null) return active(isBuiltIn ? "active, built in" : "active, by nohz_full");
  return finding;
}

function findManaged({ words, cpus }: BootScene): Finding {
  const value = words.value("isolcpus");
  if (value === null) return inactive();
  const fields = value.split(",");
  const flags = fields.filter((field) => /^[a-z_]+$/.test(field) && field !== "all");
  const list = fields.filter((field) => !flags.includes(field)).join(",");
  if (flags.length === 0 || flags.includes("domain")) return differs(`CPUs ${list} are out of the scheduler until the next boot (domain)`);
  if (!flags.includes("managed_irq")) return differs(`isolcpus=${value}`);
  return compare(words.list(list) ?? [], cpus);
}

function findInterrupts(scene: BootScene): Finding {
  const atBoot = findList(scene, "irqaffinity", scene.otherCpus);
  if (atBoot !== null) return atBoot;
  const mask = scene.text("/proc/irq/default_smp_affinity");
  const now = mask === null ? [] : parseCpuMask(mask);
  if (now.length === 0 || now.some((cpu) => scene.cpus.includes(cpu))) return inactive();
  return inactive(`at run time somebody chose CPUs ${formatCpuList(now)}`);
}

/** An argument that is a list of CPUs; `null` when it is not there. */
function findList({ words }: BootScene, name: string, wanted: readonly number[]): Finding | null {
  const value = words.value(name);
  if (value === null) return null;
  const found = words.list(value);
  return found === null ? differs(`${name}=${value}`) : compare(found, wanted);
}

function findValue(found: string | null, wanted: string, [word]: readonly string[]): Finding {
  if (found === null) return inactive();
  return found === wanted ? active() : differs(word);
}

function describeFirstProcess(scene: BootScene): string | undefined {
  const status = scene.text("/proc/1/status") ?? scene.text("/proc/1/task/1/status");
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(status ?? "")?.[1];
  return list === undefined ? undefined : `systemd runs on CPUs ${list}`;
}

function findWatchdog(scene: BootScene): Finding {
  const { words } = scene;
  if (words.value("nowatchdog") !== null) return active();
  const isSoftOff = words.value("nosoftlockup") !== null;
  const isCounterOff = words.value("nmi_watchdog") === "0";
  if (isSoftOff && isCounterOff) return active("active, by nosoftlockup and nmi_watchdog=0");
  if (isSoftOff) return differs("nosoftlockup: the counter is on");
  if (isCounterOff) return differs("nmi_watchdog=0: the timer is on");
  return inactive(scene.text("/proc/sys/kernel/watchdog") === "0" ? "at run time somebody switched it off" : undefined);
}

/** Version 1 gives way to version 2: asked of systemd where it runs, otherwise of the kernel. */
function versionRow(name: string, value: string, ofSystemd: boolean): Row {
  return {
    name,
    argument: () => `${name}=${value}`,
    buys: "CPUs come from cgroup version 2, where the kernel itself keeps others out of a container's",
    costs: () =>
      `software that knows only version 1 stops working${
        ofSystemd ? "" : ", and whatever mounts version 1 here has to mount version 2 instead"
      }`,
    without: () =>
      "version 1 is used as it is: cpu_exclusive keeps other cpusets away, but nothing keeps away what runs in the root cpuset",
    find({ usesVersion1, hasSystemd, words }) {
      if (!usesVersion1 || hasSystemd !== ofSystemd) return null;
      const word = words.all(name).at(-1);
      if (word === undefined) return inactive("the cpuset controller is on version 1");
      return differs(`${word}, and yet the cpuset controller is on version 1`);
    },
  };
}
