import { errno, SysError } from "../../ffi/errors.ts";
import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { getAffinity, setAffinity } from "../../ffi/task.ts";
import { cgroupOf } from "../kernel/cgroup.ts";
import { formatCpuList, parseCpuList } from "../kernel/cpulist.ts";
import { listNumbered } from "../kernel/value.ts";
import { banCpus, readBannedCpus } from "./irqbalance.ts";
import { filterDriver } from "./device_filter.ts";
import { lentDriver } from "./lent.ts";
import { mountDriver, roomDriver } from "./mount.ts";
import { objectDriver } from "./object.ts";
import { poolDriver } from "./pool.ts";
import { msrDriver, powerDriver } from "./power.ts";
import { classDriver, schemataDriver } from "./resource_class.ts";
import { sharesDriver } from "./shares.ts";
import { setAllowedCpus } from "./systemd.ts";
import type { Driver, Kernel } from "./kernel.ts";
import type { StepKind } from "./step.ts";

export type { Driver, Kernel };

/** Every way in which this project changes a machine. */
export const drivers: Readonly<Record<StepKind, Driver>> = {
  file: {
    read: (kernel, path) => kernel.tryRead(path)?.trim() ?? null,
    write(kernel, path, value) {
      // A file that was not there came with its cgroup, and goes with it.
      if (value === null) return;
      // A partition that was broken stays so when the same is written again: it has to be a member in between.
      if (path.endsWith("/cpuset.cpus.partition") && kernel.tryRead(path)?.includes("invalid")) kernel.write(path, "member");
      // To write no byte at all would change nothing.
      kernel.write(path, value || "\n");
    },
  },

  cgroup: {
    read: (kernel, path) => kernel.exists(path) ? "" : null,
    write(kernel, path, value) {
      if (value === null) removeCgroup(kernel, path);
      else kernel.makeDirectory(path);
    },
  },

  controller: {
    read(kernel, what) {
      const { directory, controller } = splitController(what);
      const enabled = kernel.tryRead(`${directory}/cgroup.subtree_control`);
      return enabled === null ? null : enabled.trim().split(" ").includes(controller) ? "+" : "-";
    },
    write(kernel, what, value) {
      const { directory, controller } = splitController(what);
      if (value !== null) kernel.write(`${directory}/cgroup.subtree_control`, `${value}${controller}`);
    },
  },

  affinity: {
    read(kernel, what) {
      const tid = livingThread(kernel, what);
      return tid === null ? null : unlessEnded(() => formatCpuList(runningCpus(tid)));
    },
    write(kernel, what, value) {
      const tid = livingThread(kernel, what);
      if (tid !== null && value !== null) unlessEnded(() => setAffinity(tid, parseCpuList(value)));
    },
  },

  choice: {
    read: (kernel, path) => /\[([^\]]*)\]/.exec(kernel.tryRead(path) ?? "")?.[1] ?? null,
    write(kernel, path, value) {
      if (value !== null) kernel.write(path, value);
    },
  },

  refuge: {
    read: (kernel, path) => kernel.exists(path) ? "" : null,
    write(kernel, path, value) {
      if (value === null) emptyRefuge(kernel, path);
      else kernel.makeDirectory(path);
    },
  },

  unit: {
    read(kernel, what) {
      const { path } = splitUnit(what);
      return kernel.exists(path) ? kernel.tryRead(`${path}/cpuset.cpus`)?.trim() ?? "" : null;
    },
    write(kernel, what, value) {
      const { unit, path } = splitUnit(what);
      if (value !== null && kernel.exists(path)) setAllowedCpus(kernel, unit, path, value);
    },
  },

  member: {
    read(kernel, what) {
      const { thread, tid, controller } = splitMember(what);
      return livingThread(kernel, thread) === null ? null : cgroupOf(kernel, tid, controller);
    },
    write(kernel, what, value) {
      const { thread, tid, mount, controller } = splitMember(what);
      if (value === null || livingThread(kernel, thread) === null) return;
      const path = `${mount}${value}/${controller === "" ? "cgroup.procs" : "tasks"}`.replace("//", "/");
      unlessEnded(() => kernel.write(path, `${tid}`));
      if (controller === "") keepOffPartitions(kernel, mount, value, tid);
    },
  },

  workqueue: {
    read: (kernel, path) => (kernel.tryRead(`${path}_requested`) ?? kernel.tryRead(path))?.trim() ?? null,
    write(kernel, path, value) {
      if (value !== null) kernel.write(path, value);
    },
  },

  irqbalance: {
    lags: true,
    read: (_kernel, socket) => readBannedCpus(socket),
    write(_kernel, socket, value) {
      if (value !== null) banCpus(socket, value);
    },
  },

  filter: filterDriver,
  class: classDriver,
  schemata: schemataDriver,
  pool: poolDriver,
  mount: mountDriver,
  object: objectDriver,
  room: roomDriver,
  lent: lentDriver,
  shares: sharesDriver,
  msr: msrDriver,
  power: powerDriver,
};

/** `UNIT@MOUNT`. The kernel is asked, not systemd: what counts is what is true. */
function splitUnit(what: string): { unit: string; path: string } {
  const at = what.indexOf("@");
  return { unit: what.slice(0, at), path: `${what.slice(at + 1)}/${what.slice(0, at)}` };
}

/** `TID:START@MOUNT:CONTROLLER`; the controller is empty on version 2, where a process moves as a whole. */
function splitMember(what: string): { thread: string; tid: number; mount: string; controller: string } {
  const [, thread, mount, controller] = /^(\d+:\d+)@(.*):([^:]*)$/.exec(what) ?? ["", "0:0", "", ""];
  return { thread, tid: Number.parseInt(thread), mount, controller };
}

/**
 * Before 6.2 a process that comes to the root cgroup gets all CPUs of the machine, those of partitions as well; what it
 * had chosen is given back elsewhere, see `affinities.ts`.
 */
function keepOffPartitions(kernel: Kernel, mount: string, cgroup: string, pid: number): void {
  const effective = cgroup === "/" ? kernel.tryRead(`${mount}/cpuset.cpus.effective`)?.trim() : undefined;
  if (effective === undefined) return;
  const allowed = parseCpuList(effective);
  for (const tid of listNumbered(kernel, `/proc/${pid}/task`, "")) {
    unlessEnded(() => {
      const had = getAffinity(tid);
      const kept = had.filter((cpu) => allowed.includes(cpu));
      if (kept.length < had.length) setAffinity(tid, kept.length > 0 ? kept : allowed);
    });
  }
}

/** Threads that were born in a refuge know no other place: they go to the root with it. */
function emptyRefuge(kernel: Kernel, path: string): void {
  const mount = path.slice(0, path.lastIndexOf("/"));
  const list = kernel.exists(`${path}/tasks`) ? "tasks" : "cgroup.procs";
  for (let round = 0; round < 10; round++) {
    const ids = (kernel.tryRead(`${path}/${list}`) ?? "").split("\n").filter(Boolean);
    if (ids.length === 0) break;
    for (const id of ids) {
      unlessEnded(() => kernel.write(`${mount}/${list}`, id));
      if (list === "cgroup.procs") keepOffPartitions(kernel, mount, "/", Number(id));
    }
  }
  kernel.removeDirectory(path);
}

/** Removes a cgroup with those that programs made inside it. */
function removeCgroup(kernel: Kernel, path: string): void {
  for (const { name, kind } of kernel.list(path)) if (kind === "directory") removeCgroup(kernel, `${path}/${name}`);
  kernel.removeDirectory(path);
}

function splitController(what: string): { directory: string; controller: string } {
  const at = what.lastIndexOf(":");
  return { directory: what.slice(0, at), controller: what.slice(at + 1) };
}

/** The thread of `TID:START`, or `null` when it ended, even if its number is in use again. */
function livingThread(kernel: KernelFiles, what: string): number | null {
  const [tid, start] = what.split(":");
  const stat = kernel.tryRead(`/proc/${tid}/stat`);
  if (stat === null) return null;
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] === start ? Number(tid) : null;
}

/** CPUs of a thread that run; none when all of its own are switched off, as those of a NUMA node's threads may be. */
function runningCpus(tid: number): number[] {
  try {
    return getAffinity(tid);
  } catch (error) {
    if (error instanceof SysError && error.code === "ENODATA") return [];
    throw error;
  }
}

/** What a call about a thread returns, or `null` when the thread ended just before it. */
function unlessEnded<T>(call: () => T): T | null {
  try {
    return call();
  } catch (error) {
    if (error instanceof SysError && error.errno === errno.ESRCH) return null;
    throw error;
  }
}
