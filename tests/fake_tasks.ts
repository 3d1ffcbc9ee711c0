import { errno, SysError } from "../ffi/errors.ts";
import type { FakeKernel } from "./fake_kernel.ts";

/** A thread of somebody else. Numbers begin above those that a kernel gives, so that none of this machine is meant. */
export interface FakeTask {
  /** Its process. */
  readonly pid: number;
  /** Its own number; the first thread by default. */
  readonly tid?: number;
  /** What `ps` shows. */
  readonly name: string;
  /** A thread of the kernel, bound to its CPU. */
  readonly isKernelThread?: boolean;
  /** The kernel refuses to move it to another cgroup, as it does with deadline tasks. */
  readonly isStuck?: boolean;
  /** The letter of its state; `S` by default. */
  readonly state?: string;
  /** Its cgroup below the mount, of the cpusets on version 1; the root by default. */
  readonly cgroup?: string;
}

/** The least number of a thread that no kernel gives (PID_MAX_LIMIT). */
export const firstFakeTid = 2 ** 22 + 1;

const isKernelThreadFlags = 0x04200000;

/** Threads of others and the cgroups they are in: `/proc`, and the lists of each cgroup. */
export class FakeTasks {
  readonly #tasks = new Map<number, FakeTask>();
  /** Cgroup of a thread below each mount. */
  readonly #places = new Map<number, Map<string, string>>();

  /** @param mounts Where hierarchies are mounted, with the words before the path in `/proc/TID/cgroup`. */
  constructor(readonly kernel: FakeKernel, readonly mounts: readonly (readonly [mount: string, words: string])[]) {}

  /** Lets a thread live. */
  add(task: FakeTask): void {
    const { pid, tid = pid, name, state = "S" } = task;
    if (tid < firstFakeTid) throw new RangeError(`thread ${tid} may be one of this machine`);
    this.#tasks.set(tid, task);
    const fields = Array<string | number>(50).fill(0);
    for (
      const [number, value] of [[3, state], [4, 1], [9, task.isKernelThread ? isKernelThreadFlags : 0], [22, startTicks(tid)]] as const
    ) {
      fields[number - 3] = value;
    }
    const stat = `${tid} (${name}) ${fields.join(" ")}`;
    const { files } = this.kernel;
    files.set(`/proc/${tid}/stat`, stat);
    files.set(`/proc/${pid}/task/${tid}/stat`, stat);
    files.set(
      `/proc/${pid}/task/${tid}/status`,
      `Name:\t${name}\nCpus_allowed_list:\t${
        task.isKernelThread ? "0" : files.get("/sys/devices/system/cpu/online")
      }\nMems_allowed_list:\t0`,
    );
    const cpusets = this.mounts.find(([, words]) => words.endsWith(":cpuset:") || words === "0::")![0];
    this.#places.set(tid, new Map(this.mounts.map(([mount]) => [mount, mount === cpusets ? task.cgroup ?? "/" : "/"])));
    this.#show(tid);
  }

  /** A thread starts another process, which is born where it is itself. */
  fork(parent: number, pid: number): void {
    this.add({ pid, name: this.#tasks.get(parent)!.name });
    this.#places.set(pid, new Map(this.#places.get(parent)));
    this.#show(pid);
  }

  /** A thread ends. */
  end(tid: number): void {
    const { pid } = this.#tasks.get(tid)!;
    this.#tasks.delete(tid);
    this.#places.delete(tid);
    for (const path of [...this.kernel.files.keys()]) {
      if (path.startsWith(`/proc/${tid}/`) || path.startsWith(`/proc/${pid}/task/${tid}/`)) this.kernel.files.delete(path);
    }
    for (const [mount] of this.mounts) this.#list(mount);
  }

  /** The cgroup of a thread below a mount. */
  placeOf(tid: number, mount: string): string | undefined {
    return this.#places.get(tid)?.get(mount);
  }

  /** Whether `/proc` lists this number: it does processes, and not their other threads. */
  isListed(number: number): boolean {
    const task = this.#tasks.get(number);
    return task === undefined || task.pid === number;
  }

  /** Does what a write to `cgroup.procs` (the whole process) or `tasks` (one thread) does. */
  move(path: string, mount: string, directory: string, id: number, isProcess: boolean): void {
    const task = this.#tasks.get(id);
    if (task === undefined) throw new SysError(`write ${path}`, errno.ESRCH);
    const moved = isProcess ? [...this.#tasks.values()].filter(({ pid }) => pid === task.pid) : [task];
    if (moved.some(({ isStuck, isKernelThread }) => isStuck || isKernelThread)) throw new SysError(`write ${path}`, errno.EBUSY);
    for (const { pid, tid = pid } of moved) {
      this.#places.get(tid)!.set(mount, directory.slice(mount.length) || "/");
      this.#show(tid);
    }
  }

  #show(tid: number): void {
    const lines = this.mounts.map(([mount, words]) => `${words}${this.placeOf(tid, mount)}`);
    this.kernel.files.set(`/proc/${tid}/cgroup`, lines.join("\n"));
    for (const [mount] of this.mounts) this.#list(mount);
  }

  /** Writes the lists of all cgroups of a hierarchy anew; what is in them that is not a thread of ours stays. */
  #list(mount: string): void {
    const { files, directories } = this.kernel;
    for (const directory of directories) {
      if (directory !== mount && !directory.startsWith(`${mount}/`)) continue;
      const here = [...this.#places].filter(([, places]) => places.get(mount) === (directory.slice(mount.length) || "/")).map(([tid]) =>
        tid
      );
      const pids = [...new Set(here.map((tid) => this.#tasks.get(tid)!.pid))];
      for (const [name, ids] of [["cgroup.procs", pids], ["cgroup.threads", here], ["tasks", here]] as const) {
        const before = files.get(`${directory}/${name}`);
        if (before === undefined) continue;
        const others = before.split("\n").filter((id) => id !== "" && Number(id) < firstFakeTid);
        files.set(`${directory}/${name}`, [...others, ...ids.toSorted((a, b) => a - b)].join("\n"));
      }
    }
  }
}

function startTicks(tid: number): number {
  return 7_000_000_000 + tid;
}
