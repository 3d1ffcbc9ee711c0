import { errno, SysError } from "../ffi/errors.ts";
import type { KernelEntry, KernelFiles, KernelWriter } from "../ffi/kernel_root.ts";
import { formatCpuList } from "../lib/kernel/cpulist.ts";
import { Version1, writeRtRuntime } from "./fake_cgroup_v1.ts";
import { Version2 } from "./fake_cgroup_v2.ts";
import type { FakeHierarchy } from "./fake_cgroups.ts";
import { type FakeCaches, Resctrl } from "./fake_resctrl.ts";
import { type FakeHugePages, FakeMemory, poolsOf } from "./fake_memory.ts";
import { settingsOf } from "./fake_settings.ts";
import { type FakeTask, FakeTasks } from "./fake_tasks.ts";

/** What a {@link FakeKernel} is like. */
export interface FakeMachine {
  /** Version of the cgroups it has mounted. */
  readonly version: 1 | 2;
  /** CPUs, all of them on. */
  readonly cpuCount: number;
  /** NUMA nodes; 1 by default. */
  readonly nodeCount?: number;
  /** Version 1: real-time budgets by group (CONFIG_RT_GROUP_SCHED). */
  readonly rtGroups?: boolean;
  /** Version 2: `cpuset.cpus.exclusive` (from 6.7 on). */
  readonly exclusiveCpus?: boolean;
  /** The fair server's budgets in debugfs (from 6.12 on). */
  readonly fairServer?: boolean;
  /** Version 2: controllers that the root gives its children from the start. */
  readonly enabled?: readonly string[];
  /** Classes of cache and memory bandwidth, mounted; none by default. */
  readonly caches?: FakeCaches;
  /** Settings of the whole node, and interrupts: what features of the whole node change; none by default. */
  readonly settings?: boolean;
  /** Pools of huge pages, empty; none by default. */
  readonly hugePages?: readonly FakeHugePages[];
  /** Threads of others. */
  readonly tasks?: readonly FakeTask[];
  /** Version 2: why every partition is invalid. */
  readonly partitionInvalid?: string;
}

/** What happens instead of a change: an errno, nothing at all, or `kill -9` of us before or after it. */
export type Fault = number | "ignore" | "kill before" | "kill after";

/** Stands for `kill -9`: nothing that the process still does after it reaches the machine. */
export class Killed extends Error {
  override readonly name = "Killed";
}

const rtRuntime = "/proc/sys/kernel/sched_rt_runtime_us";

/**
 * A machine in memory, with as much of the kernel's behaviour as our steps meet: cgroups of either version, the
 * real-time throttle, its own idea of what a value looks like. Faults happen on demand.
 */
export class FakeKernel implements KernelFiles, KernelWriter {
  readonly base = "(a fake)";
  /** Texts of all files, without the final newline. */
  readonly files = new Map<string, string>();
  /** Directories that are there even when empty. */
  readonly directories = new Set<string>();
  /** Threads of others. */
  readonly tasks: FakeTasks;
  /** Memory that is handed out with a name. */
  readonly memory: FakeMemory = new FakeMemory(this);
  readonly #settings: ReturnType<typeof settingsOf>;
  readonly #hierarchies: readonly FakeHierarchy[];
  /** Looks and changes that were asked for so far. */
  momentCount = 0;
  /** The moment, counted from 1, at which the process is killed. */
  killAt = Infinity;
  /** Changes that were asked for so far. */
  changeCount = 0;
  /** Asked before each change; `change` counts from 1. */
  fault: (change: number, path: string) => Fault | undefined = () => undefined;
  /** Called at the moment of a kill. */
  onKill: () => void = () => {};
  /** Whether the process was killed and not replaced yet. */
  isDead = false;

  constructor(readonly machine: FakeMachine) {
    const cpus = formatCpuList(Array(machine.cpuCount).keys());
    const nodes = formatCpuList(Array(machine.nodeCount ?? 1).keys());
    this.files.set("/proc/sys/kernel/random/boot_id", "11111111-2222-3333-4444-555555555555");
    this.files.set("/sys/devices/system/cpu/online", cpus);
    this.files.set("/sys/devices/system/cpu/present", cpus);
    this.files.set("/sys/devices/system/node/has_memory", nodes);
    this.files.set("/proc/meminfo", "MemTotal:       67108864 kB");
    for (let node = 0; node < (machine.nodeCount ?? 1); node++) {
      this.files.set(`/sys/devices/system/node/node${node}/meminfo`, `Node ${node} MemTotal:       33554432 kB`);
    }
    this.files.set(rtRuntime, "950000");
    for (let cpu = 0; machine.fairServer && cpu < machine.cpuCount; cpu++) {
      this.files.set(`/sys/kernel/debug/sched/fair_server/cpu${cpu}/runtime`, "50000000");
    }
    this.addProcess(Deno.pid, 1000);
    const cgroups = machine.version === 2
      ? [new Version2(this, cpus, nodes)]
      : ["cpuset", "memory", "pids", "cpu"].map((controller) => new Version1(this, controller, cpus, nodes));
    this.#hierarchies = machine.caches === undefined ? cgroups : [...cgroups, new Resctrl(this, machine.caches)];
    const lines = this.#hierarchies.map(({ mount, type }, index) => `${32 + index} 31 0:${30 + index} / ${mount} rw,relatime - ${type}`);
    this.files.set("/proc/self/mountinfo", lines.join("\n"));
    this.#settings = new Map([...machine.settings ? settingsOf(this) : [], ...poolsOf(this)]);
    for (const [path, [value]] of this.#settings) this.files.set(path, value);
    const words = ({ type }: FakeHierarchy, index: number) =>
      type.startsWith("cgroup2 ") ? "0::" : `${cgroups.length - index}:${type.split(",")[1]}:`;
    this.tasks = new FakeTasks(this, cgroups.map((hierarchy, index) => [hierarchy.mount, words(hierarchy, index)]));
    for (const task of machine.tasks ?? []) this.tasks.add(task);
  }

  /** Lets a process live; to give a number another start is to end the one that had it. */
  addProcess(pid: number, startTicks: number): void {
    this.files.set(`/proc/${pid}/stat`, `${pid} (a (odd) name) S 1 ${"0 ".repeat(17)}${startTicks} 0 0`);
  }

  /** After a kill: another process has our number, and the machine works again. */
  restart(): void {
    this.isDead = false;
    this.fault = () => undefined;
    this.onKill = () => {};
    this.changeCount = 0;
    this.killAt = Infinity;
    this.addProcess(Deno.pid, Number(this.files.get(`/proc/${Deno.pid}/stat`)!.split(" ")[23]) + 1);
  }

  /** Everything that somebody could have changed, by path; processes come and go, and are left out. */
  snapshot(): Record<string, string> {
    const files = [...this.files].filter(([path]) => !/^\/proc\/\d+\//.test(path));
    return Object.fromEntries([...files, ...[...this.directories].map((path) => [`${path}/`, ""])].sort(([a], [b]) => a < b ? -1 : 1));
  }

  read(path: string): string {
    const text = this.tryRead(path);
    if (text === null) throw new SysError(`read ${path}`, errno.ENOENT);
    return text;
  }

  tryRead(path: string): string | null {
    this.#live();
    const text = this.files.get(path);
    return text === undefined ? null : `${text}\n`;
  }

  /** The text of a file that is none of the kernel's. */
  textOf(path: string): string | undefined {
    this.#live();
    return this.files.get(path);
  }

  list(path: string): KernelEntry[] {
    this.#live();
    const entries = new Map<string, KernelEntry>();
    for (const name of [...this.files.keys(), ...[...this.directories].map((directory) => `${directory}/`)]) {
      if (!name.startsWith(`${path}/`) || name.length === path.length + 1) continue;
      const [first, ...rest] = name.slice(path.length + 1).split("/");
      if (path === "/proc" && !this.tasks.isListed(Number(first))) continue;
      entries.set(first, { name: first, kind: rest.length > 0 ? "directory" : "file" });
    }
    return [...entries.values()].sort((a, b) => a.name < b.name ? -1 : 1);
  }

  link(): null {
    return null;
  }

  exists(path: string): boolean {
    this.#live();
    return this.files.has(path) || this.directories.has(path);
  }

  write(path: string, text: string): void {
    this.change(path, () => {
      // As measured: to write nothing is no write, and no error either.
      if (text === "") return;
      const value = text.trim();
      if (!this.files.has(path)) throw new SysError(`write ${path}`, errno.ENOENT);
      const hierarchy = this.#hierarchyOf(path);
      if (hierarchy) return hierarchy.write(path, value, text);
      const setting = this.#settings.get(path);
      if (setting !== undefined) return void this.files.set(path, setting[1](path, value));
      if (!/^-?\d+$/.test(value)) throw new SysError(`write ${path}`, errno.EINVAL);
      if (path === rtRuntime) return writeRtRuntime(this, path, value);
      this.files.set(path, value);
    });
  }

  makeDirectory(path: string): void {
    this.change(path, () => {
      const hierarchy = this.#hierarchyOf(path);
      if (hierarchy === undefined) throw new SysError(`make ${path}`, errno.EPERM);
      if (this.directories.has(path)) throw new SysError(`make ${path}`, errno.EEXIST);
      if (!this.directories.has(path.slice(0, path.lastIndexOf("/")))) throw new SysError(`make ${path}`, errno.ENOENT);
      hierarchy.make(path);
    });
  }

  removeDirectory(path: string): void {
    this.change(path, () => {
      const hierarchy = this.#hierarchyOf(path);
      if (hierarchy === undefined || !this.directories.has(path)) throw new SysError(`remove ${path}`, errno.ENOENT);
      const isParent = [...this.directories].some((directory) => directory.startsWith(`${path}/`));
      if (isParent || (this.files.get(`${path}/cgroup.procs`) ?? "") !== "") throw new SysError(`remove ${path}`, errno.EBUSY);
      hierarchy.remove(path);
    });
  }

  #hierarchyOf(path: string): FakeHierarchy | undefined {
    return this.#hierarchies.find(({ mount }) => path.startsWith(`${mount}/`));
  }

  #live(): void {
    if (!this.isDead && ++this.momentCount === this.killAt) this.#kill();
    if (this.isDead) throw new Killed("this process was killed");
  }

  #kill(): void {
    this.onKill();
    this.isDead = true;
  }

  /** Does what somebody asks of the machine, unless a fault happens instead. */
  change(path: string, effect: () => void): void {
    this.#live();
    const fault = this.fault(++this.changeCount, path);
    if (typeof fault === "number") throw new SysError(`change ${path}`, fault);
    try {
      if (fault === undefined || fault === "kill after") effect();
    } finally {
      if (fault === "kill before" || fault === "kill after") {
        this.#kill();
        this.#live();
      }
    }
  }
}
