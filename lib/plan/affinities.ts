import { SysError } from "../../ffi/errors.ts";
import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { getAffinity } from "../../ffi/task.ts";
import { cgroupOf, cgroupPrefix, hierarchyOf, readCgroupLayout, refugeName } from "../kernel/cgroup.ts";
import { formatCpuList, parseCpuList } from "../kernel/cpulist.ts";
import { readTask, type Task } from "../kernel/process.ts";
import { listNumbered } from "../kernel/value.ts";
import { drivers, type Kernel } from "./driver.ts";
import type { Ledger } from "./ledger.ts";
import type { Step } from "./step.ts";

/**
 * Whether the kernel forgets which CPUs threads had chosen for themselves, when cpusets change on cgroup v2: before
 * 6.2 those of all threads of the node, on whatever CPUs; before 6.14 still those of its own (kswapd, kcompactd). On
 * version 1 a thread forgets them when it moves to another cpuset, as it does when the programs of others leave.
 */
function forgetsAffinities(files: KernelFiles, { holdings, node }: Ledger): boolean {
  if (node?.steps.some(({ kind, what }) => kind === "member" && !what.endsWith(":"))) return true;
  const version = /^(\d+)\.(\d+)/.exec(files.tryRead("/proc/sys/kernel/osrelease") ?? "");
  if (version === null || Number(version[1]) * 1000 + Number(version[2]) >= 6014) return false;
  return [...holdings, ...node ? [node] : []].some(({ steps }) => steps.some(({ kind }) => kind === "controller"));
}

/** Whether a step changes a cpuset, or which CPUs run: after others, threads still have the CPUs that they had chosen. */
export function concernsCpusets({ kind, what }: Step): boolean {
  return ["cgroup", "controller", "refuge", "member", "unit"].includes(kind) || /\/cpuset\.|\/cpu\d+\/online$/.test(what);
}

/**
 * Notes, before cpusets change, what the kernel is about to forget. The ledger that comes back has to be written
 * before the change; {@link remind} tells the kernel afterwards.
 *
 * What was noted before stays for threads that have less only because containers took the rest; a thread that has
 * something else since has chosen again. After an interrupted change only the notes count.
 */
export function remember(files: KernelFiles, ledger: Ledger): Ledger {
  if (!forgetsAffinities(files, ledger)) return ledger;
  const noted = ledger.affinities ?? {};
  const affinities: Record<string, string> = {};
  const effective = effectiveCpusBy(files);
  const governed = governedBy(ledger);
  for (const { task, mask } of chosenAffinities(files, effective)) {
    const thread = `${task.tid}:${task.startTicks}`;
    if (!governed.has(thread)) affinities[thread] = mask;
  }
  for (const [thread, cpus] of Object.entries(noted)) {
    if (ledger.disturbed || governed.has(thread) || hasRest(files, thread, cpus, effective)) affinities[thread] = cpus;
  }
  return { ...ledger, affinities, disturbed: true };
}

/** Gives threads back, after cpusets changed, what the kernel forgot, as far as containers leave it to them. */
export function remind(kernel: Kernel, ledger: Ledger): Ledger {
  const { affinities, disturbed, ...rest } = ledger;
  if (!disturbed) return ledger;
  const governed = governedBy(ledger);
  const effective = effectiveCpusBy(kernel);
  const isSettled = (thread: string, cpus: string) => giveBack(kernel, thread, cpus) && showsChoice(kernel, thread, cpus, effective);
  // What cannot be given back yet will be when the container leaves that has it.
  const pending = Object.entries(affinities ?? {}).filter(([thread, cpus]) => governed.has(thread) || !isSettled(thread, cpus));
  return pending.length > 0 ? { ...rest, affinities: Object.fromEntries(pending) } : rest;
}

/** Threads whose CPUs are a step of ours: they have them by a plan, not by choice. */
function governedBy({ node }: Ledger): Set<string> {
  return new Set((node?.steps ?? []).flatMap(({ kind, what }) => kind === "affinity" ? [what] : []));
}

/** Whether a thread has all of `cpus` now, or has ended. The kernel takes what its cpuset allows of a mask. */
function giveBack(kernel: Kernel, thread: string, cpus: string): boolean {
  const { read, write } = drivers.affinity;
  try {
    const now = read(kernel, thread);
    // On kernels that forget less, to write the same would turn what the thread was left with into its choice.
    if (now === cpus || now === null) return true;
    write(kernel, thread, cpus);
    const then = read(kernel, thread);
    return then === cpus || then === null;
  } catch (error) {
    // All of them are in containers, or the kernel has bound the thread since.
    if (error instanceof SysError) return false;
    throw error;
  }
}

/**
 * Whether a thread that has `cpus` can be told from one that chose nothing. Where containers left just these, it cannot:
 * the kernel gives either of them more when they leave. CPUs that are switched off count, since they come back.
 */
function showsChoice(kernel: Kernel, thread: string, cpus: string, effective: (pid: number) => string | null): boolean {
  return cpus !== effective(Number(thread.split(":")[0])) || cpus === kernel.tryRead("/sys/devices/system/cpu/present")?.trim();
}

/** Threads outside of our containers that may run on fewer CPUs than their cgroup, and can be told so. */
function chosenAffinities(files: KernelFiles, effective: (pid: number) => string | null): { task: Task; mask: string }[] {
  return listNumbered(files, "/proc", "").flatMap((pid) =>
    listNumbered(files, `/proc/${pid}/task`, "").flatMap((tid) => {
      const mask = affinityOf(tid);
      if (mask === null || mask === effective(0)) return [];
      const allowed = effective(pid);
      if (allowed === null || mask === allowed) return [];
      const task = readTask(files, pid, tid);
      return task === null || task.isBound ? [] : [{ task, mask }];
    })
  );
}

function affinityOf(tid: number): string | null {
  try {
    return formatCpuList(getAffinity(tid));
  } catch (error) {
    if (error instanceof SysError) return null;
    throw error;
  }
}

/**
 * Whether a thread has what containers left of `cpus`; or all that its cgroup has, which is what the kernel gives to
 * one that they left nothing, and to every one that it forgot about when somebody else changed a cpuset.
 */
function hasRest(files: KernelFiles, thread: string, cpus: string, effective: (pid: number) => string | null): boolean {
  const now = drivers.affinity.read(files, thread);
  const allowed = now === null ? null : effective(Number(thread.split(":")[0]));
  if (now === null || allowed === null) return false;
  const allowedCpus = parseCpuList(allowed);
  return now === allowed || now === formatCpuList(parseCpuList(cpus).filter((cpu) => allowedCpus.includes(cpu)));
}

/** Finds the CPUs that the cgroup of a process may use, 0 for the root; `null` for a container's, or one that is gone. */
function effectiveCpusBy(files: KernelFiles): (pid: number) => string | null {
  const hierarchy = hierarchyOf(readCgroupLayout(files), "cpuset");
  const mount = hierarchy?.mount ?? "";
  const [controller, file] = hierarchy?.version === 1 ? ["cpuset", "cpuset.effective_cpus"] : ["", "cpuset.cpus.effective"];
  const known = new Map<string, string | null>();
  const read = (path: string): string | null => {
    if (path.startsWith(`/${cgroupPrefix}`) && path !== `/${refugeName}`) return null;
    const text = files.tryRead(`${mount}${path}/${file}`)?.trim();
    // Without the controller it is as its parent.
    return text !== undefined ? text : path === "" ? null : read(path.slice(0, path.lastIndexOf("/")));
  };
  return (pid) => {
    const full = pid === 0 ? "/" : cgroupOf(files, pid, controller);
    if (full === null) return null;
    const path = full.replace(/\/$/, "");
    if (!known.has(path)) known.set(path, read(path));
    return known.get(path)!;
  };
}
