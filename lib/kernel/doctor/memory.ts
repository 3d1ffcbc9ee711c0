import { errno } from "../../../ffi/errors.ts";
import { formatCpuList, parseCpuList } from "../cpulist.ts";
import { type Answer, lacking, no, partly, type Question, yes } from "./question.ts";
import type { Machine } from "./machine.ts";

const pools = "/sys/kernel/mm/hugepages";
const nodes = "/sys/devices/system/node";

/** What decides where a container's memory is and what touching it costs. */
export const memoryQuestions: readonly Question[] = [
  {
    id: "numa",
    title: "Memory nodes",
    why: "On a machine with one memory node a container cannot own a part of the memory by node; huge page pools do that instead.",
    evidence: nodes,
    ask(machine) {
      const list = machine.text(`${nodes}/has_memory`) ?? machine.text(`${nodes}/online`);
      if (list === null) return lacking("it needs CONFIG_NUMA=y");
      const ids = parseCpuList(list);
      if (ids.length > 1) return yes(`${ids.length} (${formatCpuList(ids)})`);
      return partly("one", "boot with numa=fake=4 (needs CONFIG_NUMA_EMU=y)");
    },
  },
  {
    id: "numa-balancing",
    title: "NUMA balancing",
    why: "Automatic balancing takes pages away from a program to see who touches them, and stops it for each fault.",
    evidence: "/proc/sys/kernel/numa_balancing",
    ask(machine) {
      const value = machine.number("/proc/sys/kernel/numa_balancing");
      if (value === null) return yes("not in this kernel");
      return value === 0 ? yes("off") : partly("on", "sysctl -w kernel.numa_balancing=0");
    },
  },
  {
    id: "huge-pages",
    title: "Huge page pools",
    why: "Memory that a container owns page by page comes from these pools, and large data sets need fewer TLB entries in them.",
    evidence: pools,
    ask: askHugePages,
  },
  {
    id: "thp",
    title: "Transparent huge pages",
    why: "Programs that do not ask for huge pages get none, and miss the TLB more often.",
    evidence: "/sys/kernel/mm/transparent_hugepage/enabled",
    ask(machine) {
      const text = machine.text("/sys/kernel/mm/transparent_hugepage/enabled");
      if (text === null) return lacking("it needs CONFIG_TRANSPARENT_HUGEPAGE=y");
      const mode = /\[(\w+)\]/.exec(text)?.[1] ?? text;
      return mode === "never" ? partly(mode, "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled") : yes(mode);
    },
  },
  {
    id: "swap",
    title: "Swap",
    why: "A page that was swapped out stops a program for milliseconds when it is touched.",
    evidence: "/proc/swaps",
    ask(machine) {
      const areas = (machine.text("/proc/swaps") ?? "").split("\n").slice(1).map((line) => line.split(/\s+/)[0]).filter(Boolean);
      return areas.length === 0 ? yes("none") : partly(areas.join(", "), "swapoff -a");
    },
  },
  {
    id: "userfaultfd",
    title: "userfaultfd",
    why: "Paging from user space resolves page faults through it; without it only plainly mapped files are paged.",
    evidence: "/proc/sys/vm/unprivileged_userfaultfd",
    ask: askUserfaultfd,
  },
];

function askHugePages(machine: Machine): Answer {
  const sizes = machine.files.list(pools).map(({ name }) => Number(/^hugepages-(\d+)kB$/.exec(name)?.[1])).filter((kb) => kb > 0).sort((
    a,
    b,
  ) => a - b);
  if (sizes.length === 0) return lacking("it needs CONFIG_HUGETLBFS=y");
  const counts = sizes.map((kb) => machine.number(`${pools}/hugepages-${kb}kB/nr_hugepages`) ?? 0);
  const found = sizes.map((kb, index) => {
    const free = machine.number(`${pools}/hugepages-${kb}kB/free_hugepages`) ?? 0;
    const unit = kb >= 2 ** 20 ? `${kb / 2 ** 20} GiB` : kb >= 2 ** 10 ? `${kb / 2 ** 10} MiB` : `${kb} KiB`;
    return `${unit}: ${counts[index] === 0 ? "none" : `${free} of ${counts[index]} free`}`;
  }).join(", ");
  if (counts.some((count) => count > 0)) return yes(found);
  return partly(found, `echo 512 > ${pools}/hugepages-${sizes.includes(2048) ? 2048 : sizes[0]}kB/nr_hugepages`);
}

function askUserfaultfd(machine: Machine): Answer {
  const sysctl = machine.number("/proc/sys/vm/unprivileged_userfaultfd");
  const result = machine.probes.syscall("userfaultfd");
  if (result === null) return yes(sysctl === 1 ? "for all users" : "for root");
  if (result > 0) return yes(sysctl === 1 ? "for all users" : "for this user");
  if (result === -errno.ENOSYS) return lacking("it needs CONFIG_USERFAULTFD=y");
  if (sysctl === 0) return no("for root only", "sysctl -w vm.unprivileged_userfaultfd=1, or run it as root");
  return no(`refused (error ${-result})`, "run it as root, outside of containers whose seccomp profile forbids it");
}
