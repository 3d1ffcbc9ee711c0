import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { readCgroupLayout } from "./cgroup.ts";
import { rewriteCgroupPath, rewriteCmdline, rewriteCpuinfo, rewriteModules, rewriteMountinfo } from "./redact.ts";

/** Something to capture. */
export interface CaptureSource {
  /** A path in which `*` is any text within a name, `#` is digits, and `{a,b}` is one of the given words; not nested. */
  readonly path: string;
  /** `device` is a link, and what the directories behind it say of the device; `task` is a thread's directory. */
  readonly take: "text" | "link" | "device" | "task";
  /** What to keep of the text. */
  readonly rewrite?: (text: string) => string;
  /** Where to keep it. */
  readonly rename?: (path: string) => string;
}

const cpu = "/sys/devices/system/cpu";
const node = "/sys/devices/system/node";
const pools = "hugepages-*kB/{nr_hugepages,free_hugepages,surplus_hugepages}";

/** What our readers read, everywhere but in cgroups. A reader of something new gets a line here. */
const table: readonly CaptureSource[] = [
  ...text(`${cpu}/{possible,present,online,offline,isolated,nohz_full,kernel_max,smt/active,smt/control}`),
  ...text(`${cpu}/cpu#/{online,cpu_capacity,cpufreq/scaling_driver,cpufreq/scaling_governor,power/pm_qos_resume_latency_us}`),
  ...text(`${cpu}/cpufreq/policy#/{affected_cpus,related_cpus,scaling_governor,scaling_available_governors}`),
  ...text(`${cpu}/cpu#/topology/{physical_package_id,die_id,cluster_id,core_id}`),
  ...text(`${cpu}/cpu#/topology/{core_cpus,thread_siblings,cluster_cpus,die_cpus,package_cpus,core_siblings}_list`),
  ...text(`${cpu}/cpu#/cache/index#/{level,type,size,shared_cpu_list,ways_of_associativity,coherency_line_size}`),
  { path: `${cpu}/cpu#/node#`, take: "link" },
  ...text("/sys/devices/{cpu_core,cpu_atom}/cpus"),
  ...text(`${node}/{possible,online,has_cpu,has_memory,has_normal_memory}`),
  ...text(`${node}/node#/{cpulist,distance,meminfo}`),
  ...text(`${node}/node#/hugepages/${pools}`),
  ...text(`/sys/kernel/mm/hugepages/${pools}`),
  ...text("/sys/kernel/mm/{transparent_hugepage/enabled,transparent_hugepage/defrag,ksm/run}"),
  ...text("/sys/kernel/mm/transparent_hugepage/khugepaged/{defrag,scan_sleep_millisecs}"),
  ...text("/sys/devices/virtual/workqueue/{cpumask,cpumask_requested,cpumask_isolated,writeback/cpumask}"),
  { path: "/sys/{block,class/infiniband,class/net,class/nvme}/*", take: "device" },
  { path: "/sys/bus/pci/devices/*", take: "device" },
  { path: "/sys/devices/virtual/nvme-subsystem/nvme-subsys#/nvme#", take: "link" },
  ...text("/proc/irq/{default_smp_affinity,#/smp_affinity_list,#/effective_affinity_list,#/node}"),
  ...text("/sys/kernel/irq/#/{chip_name,actions}"),
  ...text("/proc/{interrupts,softirqs,meminfo,cgroups,filesystems}"),
  ...text("/proc/cmdline", rewriteCmdline),
  ...text("/proc/cpuinfo", rewriteCpuinfo),
  ...text("/proc/self/mountinfo", rewriteMountinfo),
  ...text("/proc/self/cgroup", rewriteCgroupPath),
  ...text("/proc/sys/kernel/{osrelease,ostype,numa_balancing,timer_migration,perf_event_paranoid}"),
  ...text("/proc/sys/kernel/{sched_rt_runtime_us,sched_rt_period_us,watchdog,nmi_watchdog,soft_watchdog,watchdog_cpumask}"),
  ...text("/proc/sys/vm/{nr_hugepages,nr_overcommit_hugepages,overcommit_memory,stat_interval,swappiness}"),
  ...text(
    "/proc/sys/vm/{unprivileged_userfaultfd,zone_reclaim_mode,compaction_proactiveness,dirty_background_ratio,dirty_writeback_centisecs}",
  ),
  ...text("/proc/sys/kernel/seccomp/actions_avail"),
  ...text("/sys/kernel/{sched_ext/state,security/lsm}"),
  ...text("/proc/modules", rewriteModules),
  { path: "/proc/#/task/#", take: "task" },
];

/** Everything to capture on a machine: the table, and the cpusets at the roots of its cgroups and directly below. */
export function captureSources(files: KernelFiles): CaptureSource[] {
  const cgroups = readCgroupLayout(files).hierarchies.flatMap(({ mount }) => {
    const names = new Map<string, string>();
    const rename = (path: string) => {
      const [group, ...rest] = path.slice(mount.length + 1).split("/");
      if (!names.has(group)) names.set(group, isCommonGroup(group) ? group : `group-${names.size}`);
      return [mount, names.get(group), ...rest].join("/");
    };
    return [
      ...text(`${mount}/cgroup.{controllers,subtree_control,type,sane_behavior}`),
      ...text(`${mount}/{cpuset.*,cpu.rt_runtime_us,cpu.rt_period_us}`),
      { path: `${mount}/*/cpuset.*`, take: "text", rename } as const,
    ];
  });
  return [...table, ...cgroups];
}

/** Names that say nothing of the users of a machine; the others become a number. */
function isCommonGroup(name: string): boolean {
  return /^(init\.scope|(system|user|machine)\.slice|kubepods(\.slice)?|docker|nodeos-.*)$/.test(name);
}

function text(path: string, rewrite?: (text: string) => string): CaptureSource[] {
  return [{ path, take: "text", rewrite }];
}
