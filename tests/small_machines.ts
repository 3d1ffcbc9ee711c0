import type { CapturedFiles } from "./captured.ts";

/** Eight CPUs of four cores (0 and 4 are one core), two NUMA nodes of 4 GiB; where its cgroups are is added to it. */
const bare: CapturedFiles = {
  "/sys/devices/system/cpu/online": "0-7\n",
  "/sys/devices/system/cpu/present": "0-8\n",
  ...Object.fromEntries(
    [0, 1, 2, 3, 4, 5, 6, 7].map((cpu) => [
      `/sys/devices/system/cpu/cpu${cpu}/topology/thread_siblings_list`,
      `${cpu % 4},${cpu % 4 + 4}\n`,
    ]),
  ),
  "/sys/devices/system/node/has_memory": "0-1\n",
  "/sys/devices/system/node/node0/meminfo": "Node 0 MemTotal:        4194304 kB\nNode 0 MemFree:         4000000 kB\n",
  "/sys/devices/system/node/node1/meminfo": "Node 1 MemTotal:        4194304 kB\nNode 1 MemFree:         4000000 kB\n",
  "/proc/meminfo": "MemTotal:        8388608 kB\nMemFree:         8000000 kB\n",
  "/proc/sys/kernel/sched_rt_runtime_us": "950000\n",
};

const mountV2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec - cgroup2 cgroup2 rw,nsdelegate\n";

/** Cgroup v2 as Linux 6.1 has it: partitions, and no file of the exclusive CPUs. */
export const v2: CapturedFiles = {
  ...bare,
  "/proc/self/mountinfo": `22 27 0:21 / /proc rw - proc proc rw\n${mountV2}`,
  "/sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory hugetlb pids rdma misc\n",
  "/sys/fs/cgroup/cgroup.subtree_control": "memory pids\n",
  "/sys/fs/cgroup/cpuset.cpus.effective": "0-7\n",
};

/** Cgroup v2 as Linux 6.7 and later have it; debugfs shows the fair server of two CPUs. */
export const v2New: CapturedFiles = {
  ...v2,
  "/sys/fs/cgroup/cpuset.cpus.isolated": "\n",
  "/sys/kernel/debug/sched/fair_server/cpu2/runtime": "50000000\n",
  "/sys/kernel/debug/sched/fair_server/cpu3/runtime": "50000000\n",
};

function mountV1(options: string, id: number): string {
  return `${id} 30 0:${id} / /sys/fs/cgroup/${options} rw,nosuid - cgroup cgroup rw,${options}\n`;
}

/** Cgroup v1, each controller in a hierarchy of its own, without real-time groups. */
export const v1: CapturedFiles = {
  ...bare,
  "/proc/self/mountinfo": ["cpuset", "memory", "pids", "cpu,cpuacct"].map((options, index) => mountV1(options, 40 + index)).join(""),
  "/sys/fs/cgroup/cpuset/cpuset.cpus": "0-7\n",
  "/sys/fs/cgroup/cpuset/cpuset.sched_load_balance": "1\n",
  "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
  "/sys/fs/cgroup/pids/cgroup.procs": "1\n",
  "/sys/fs/cgroup/cpu,cpuacct/cpu.shares": "1024\n",
};

/** The same with real-time budgets by group (CONFIG_RT_GROUP_SCHED). */
export const v1RealTimeGroups: CapturedFiles = { ...v1, "/sys/fs/cgroup/cpu,cpuacct/cpu.rt_runtime_us": "950000\n" };

/** Both versions, as the mixed setup of systemd has them: all controllers on version 1 but `pids`. */
export const hybrid: CapturedFiles = {
  ...v1,
  "/proc/self/mountinfo": mountV2.replace("/sys/fs/cgroup ", "/sys/fs/cgroup/unified ") +
    ["cpuset", "memory", "cpu,cpuacct"].map((options, index) => mountV1(options, 40 + index)).join(""),
  "/sys/fs/cgroup/unified/cgroup.controllers": "pids hugetlb\n",
  "/sys/fs/cgroup/unified/cgroup.subtree_control": "\n",
};

/** No cgroups at all. */
export const noCgroups: CapturedFiles = { ...bare, "/proc/self/mountinfo": "22 27 0:21 / /proc rw - proc proc rw\n" };
