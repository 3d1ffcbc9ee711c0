import { errno } from "../ffi/errors.ts";
import { list, refuse } from "./fake_cgroups.ts";
import type { FakeKernel } from "./fake_kernel.ts";

/** How the kernel keeps a value that is written; it throws what it refuses. */
type Take = (path: string, value: string) => string;

const governors = ["performance", "powersave", "schedutil"];
const hugePages = ["always", "madvise", "never"];

/** Settings of the whole node, by path, as a machine has them before anybody changes one: the value, and how one is taken. */
export function settingsOf({ machine: { cpuCount } }: FakeKernel): Map<string, readonly [value: string, take: Take]> {
  const cpus = `0-${cpuCount - 1}`;
  const mask = (2 ** cpuCount - 1).toString(16);
  const takeList: Take = (path, value) => list(path, value, cpuCount);
  const settings = new Map<string, readonly [string, Take]>([
    ["/proc/sys/kernel/watchdog", ["1", number]],
    ["/proc/sys/kernel/watchdog_cpumask", [cpus, takeList]],
    ["/proc/sys/kernel/timer_migration", ["1", number]],
    ["/proc/sys/kernel/numa_balancing", ["1", number]],
    ["/proc/sys/vm/stat_interval", ["1", number]],
    ["/proc/sys/vm/compaction_proactiveness", ["20", number]],
    ["/proc/sys/vm/dirty_background_ratio", ["10", number]],
    ["/proc/sys/vm/dirty_writeback_centisecs", ["500", number]],
    ["/sys/kernel/mm/ksm/run", ["1", number]],
    ["/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs", ["10000", number]],
    ["/sys/kernel/mm/transparent_hugepage/enabled", ["[always] madvise never", choose]],
    ["/sys/devices/virtual/workqueue/cpumask", [mask, takeMask(mask.length)]],
    ["/sys/devices/virtual/workqueue/writeback/cpumask", [mask, takeMask(mask.length)]],
    ["/proc/irq/default_smp_affinity", [mask, takeMask(mask.length)]],
    ["/proc/irq/24/smp_affinity_list", [cpus, notEmpty(takeList)]],
    // A managed one: the kernel decides.
    ["/proc/irq/25/smp_affinity_list", [cpus, (path) => refuse(path, errno.EIO)]],
  ]);
  for (let cpu = 0; cpu < cpuCount; cpu++) {
    settings.set(`/sys/devices/system/cpu/cpu${cpu}/power/pm_qos_resume_latency_us`, ["0", latency]);
    // Two CPUs share a clock.
    if (cpu % 2 === 1) continue;
    const policy = `/sys/devices/system/cpu/cpufreq/policy${cpu}`;
    settings.set(`${policy}/affected_cpus`, [cpu + 1 < cpuCount ? `${cpu} ${cpu + 1}` : `${cpu}`, readOnly]);
    settings.set(`${policy}/scaling_available_governors`, [governors.join(" "), readOnly]);
    settings.set(`${policy}/scaling_governor`, [
      "schedutil",
      (path, value) => governors.includes(value) ? value : refuse(path, errno.EINVAL),
    ]);
  }
  const columns = [...Array(cpuCount).keys()];
  const row = (name: number) => `${name}: ${columns.map(() => 7).join(" ")}  PCI-MSI 0-edge eth${name}`;
  settings.set("/proc/interrupts", [`     ${columns.map((cpu) => `CPU${cpu}`).join(" ")}\n${row(24)}\n${row(25)}`, readOnly]);
  return settings;
}

function readOnly(path: string): never {
  return refuse(path, errno.EACCES);
}

function number(path: string, value: string): string {
  return /^\d+$/.test(value) ? value : refuse(path, errno.EINVAL);
}

function choose(path: string, value: string): string {
  if (!hugePages.includes(value)) refuse(path, errno.EINVAL);
  return hugePages.map((word) => word === value ? `[${word}]` : word).join(" ");
}

/** A mask of at least one of the CPUs, as wide as the kernel prints it. */
function takeMask(digits: number): Take {
  return (path, value) => /^[\da-f]+$/.test(value) && parseInt(value, 16) > 0 ? value.padStart(digits, "0") : refuse(path, errno.EINVAL);
}

function notEmpty(take: Take): Take {
  return (path, value) => take(path, value) || refuse(path, errno.EINVAL);
}

function latency(path: string, value: string): string {
  return value === "n/a" ? value : number(path, value);
}
