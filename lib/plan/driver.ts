import { errno, SysError } from "../../ffi/errors.ts";
import type { KernelFiles, KernelWriter } from "../../ffi/kernel_root.ts";
import { getAffinity, setAffinity } from "../../ffi/task.ts";
import { formatCpuList, parseCpuList } from "../kernel/cpulist.ts";
import type { StepKind } from "./step.ts";

/** A machine that can be read and changed. */
export type Kernel = KernelFiles & KernelWriter;

/** How one kind of thing is read and changed. */
export interface Driver {
  /** The value now, or `null` when the thing does not exist (any more). */
  read(kernel: KernelFiles, what: string): string | null;
  /** Gives it a value; `null` ends its existence. */
  write(kernel: Kernel, what: string, value: string | null): void;
}

/** Every way in which this project changes a machine. */
export const drivers: Readonly<Record<StepKind, Driver>> = {
  file: {
    read: (kernel, path) => kernel.tryRead(path)?.trim() ?? null,
    write(kernel, path, value) {
      // A file that was not there came with its cgroup, and goes with it. To write no byte at all would change nothing.
      if (value !== null) kernel.write(path, value || "\n");
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
      return tid === null ? null : unlessEnded(() => formatCpuList(getAffinity(tid)));
    },
    write(kernel, what, value) {
      const tid = livingThread(kernel, what);
      if (tid !== null && value !== null) unlessEnded(() => setAffinity(tid, parseCpuList(value)));
    },
  },
};

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

/** What a call about a thread returns, or `null` when the thread ended just before it. */
function unlessEnded<T>(call: () => T): T | null {
  try {
    return call();
  } catch (error) {
    if (error instanceof SysError && error.errno === errno.ESRCH) return null;
    throw error;
  }
}
