import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { type CgroupLayout, type CpusetState, hierarchyOf, readCgroupLayout, readTopCpusets } from "./cgroup.ts";
import { parseCpuList } from "./cpulist.ts";
import { type Irqs, readIrqs } from "./irq.ts";
import { type NumaNode, readMemoryNodes } from "./numa.ts";
import { readTasks, type Task } from "./process.ts";

/**
 * What planners know of a machine. Each fact is read when it is first asked for and then kept, so that a plan sees one
 * state, and a small plan reads little.
 */
export class Inventory {
  readonly #known = new Map<string, unknown>();

  /**
   * An inventory that has read nothing yet.
   *
   * @param files The machine, running or captured.
   */
  constructor(readonly files: KernelFiles) {}

  #once<T>(name: string, read: () => T): T {
    if (!this.#known.has(name)) this.#known.set(name, read());
    return this.#known.get(name) as T;
  }

  /** Where the cgroups are. */
  get cgroups(): CgroupLayout {
    return this.#once("cgroups", () => readCgroupLayout(this.files));
  }

  /** CPUs that run, ascending. */
  get onlineCpus(): readonly number[] {
    return this.#once("onlineCpus", () => parseCpuList(this.files.read("/sys/devices/system/cpu/online")));
  }

  /** CPUs that exist, running or not, ascending. */
  get presentCpus(): readonly number[] {
    return this.#once("presentCpus", () => {
      const list = this.files.tryRead("/sys/devices/system/cpu/present");
      return list === null ? this.onlineCpus : parseCpuList(list);
    });
  }

  /** Hardware threads that share a core with `cpu`, itself among them. */
  siblings(cpu: number): readonly number[] {
    const list = this.files.tryRead(`/sys/devices/system/cpu/cpu${cpu}/topology/thread_siblings_list`);
    return list === null ? [cpu] : parseCpuList(list);
  }

  /** Whether PID 1 is systemd, which has an opinion of its own about cgroups. */
  get runsSystemd(): boolean {
    return this.#once("runsSystemd", () => this.files.tryRead("/proc/1/comm")?.trim() === "systemd");
  }

  /** All threads, of programs and of the kernel; see {@link readTasks}. */
  get tasks(): readonly Task[] {
    return this.#once("tasks", () => readTasks(this.files));
  }

  /** All interrupts; see {@link readIrqs}. */
  get irqs(): Irqs {
    return this.#once("irqs", () => readIrqs(this.files));
  }

  /** NUMA nodes that have memory, ascending; `[0]` on a kernel without NUMA. */
  get memoryNodes(): readonly number[] {
    return this.#once("memoryNodes", () => {
      const list = this.files.tryRead("/sys/devices/system/node/has_memory") ?? this.files.tryRead("/sys/devices/system/node/online");
      return list === null || list.trim() === "" ? [0] : parseCpuList(list);
    });
  }

  /** The memory nodes with their size, what is free, and their huge pages; see {@link readMemoryNodes}. */
  get numaNodes(): readonly NumaNode[] {
    return this.#once("numaNodes", () => readMemoryNodes(this.files, this.onlineCpus));
  }

  /** Memory of the machine in bytes; with `nodes`, of those NUMA nodes. */
  memoryBytes(nodes?: readonly number[]): number {
    const all = () => kilobytes(this.files.read("/proc/meminfo"), /^MemTotal:\s+(\d+) kB/m);
    if (nodes === undefined || nodes.length === this.memoryNodes.length) return this.#once("memoryBytes", all);
    const parts = nodes.map((node) => this.files.tryRead(`/sys/devices/system/node/node${node}/meminfo`));
    return parts.reduce((sum, text) => sum + (text === null ? 0 : kilobytes(text, /MemTotal:\s+(\d+) kB/)), 0);
  }

  /** Top-level cpusets of everybody, ours among them. */
  get topCpusets(): readonly CpusetState[] {
    return this.#once("topCpusets", () => {
      const hierarchy = hierarchyOf(this.cgroups, "cpuset");
      return hierarchy === null ? [] : readTopCpusets(this.files, hierarchy);
    });
  }

  /** `sched_rt_runtime_us`: what real-time tasks may use of each period; -1 is all. `null` when unreadable. */
  get rtRuntimeUs(): number | null {
    return this.#once("rtRuntimeUs", () => number(this.files.tryRead("/proc/sys/kernel/sched_rt_runtime_us")));
  }

  /** Whether real-time budgets are handed out by group (CONFIG_RT_GROUP_SCHED on cgroup v1). */
  get hasRtGroups(): boolean {
    return this.#once("hasRtGroups", () => {
      const hierarchy = hierarchyOf(this.cgroups, "cpu");
      return hierarchy?.version === 1 && this.files.exists(`${hierarchy.mount}/cpu.rt_runtime_us`);
    });
  }
}

function kilobytes(text: string, pattern: RegExp): number {
  return Number(pattern.exec(text)?.[1] ?? 0) * 1024;
}

function number(text: string | null): number | null {
  return text === null ? null : Number(text);
}
