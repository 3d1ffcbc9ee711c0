import assert from "node:assert/strict";
import { SysError } from "../../ffi/errors.ts";
import { KernelRoot } from "../../ffi/kernel_root.ts";
import { formatCpuList } from "../../lib/kernel/cpulist.ts";
import { readTasks } from "../../lib/kernel/process.ts";
import { listNumbered } from "../../lib/kernel/value.ts";

/** Every value of a node that a container could change, by a name for people. */
export type NodeState = ReadonlyMap<string, string>;

const kernel = new KernelRoot();

/** Trees of settings, and what in them changes by itself. */
const trees: readonly { readonly path: string; readonly volatile: RegExp }[] = [
  {
    path: "/sys/fs/cgroup",
    volatile:
      /\/(?:tasks|cgroup\.(?:procs|threads|stat|stat\.local|events)|cpu\.stat.*|io\.stat|.*[._]pressure|.*\.(?:current|peak|numa_stat|events.*)|memory\.(?:stat|reclaim|.*usage_in_bytes|.*failcnt|kmem\.slabinfo))$/,
  },
  {
    path: "/proc/sys",
    volatile:
      /\/(?:random\/.*|ns_last_pid|dentry-state|inode-(?:nr|state)|file-nr|pty\/nr|nf_conntrack_count|max_newidle_lb_cost|perf_.*|stat_refresh|.*_secret)$/,
  },
  { path: "/sys/kernel/debug/sched", volatile: /\/(?:debug|max_newidle_lb_cost|newidle_.*)$/ },
  { path: "/proc/irq", volatile: /\/(?:spurious|.*_affinity|affinity_hint|effective_affinity.*)$/ },
  { path: "/sys/devices/virtual/workqueue", volatile: /\/(?:uevent|power\/.*)$/ },
  { path: "/sys/devices/system/cpu/isolated", volatile: /$^/ },
  { path: "/sys/devices/system/cpu/online", volatile: /$^/ },
  { path: "/sys/kernel/mm/transparent_hugepage", volatile: /\/(?:pages_collapsed|full_scans|stats\/.*)$/ },
  { path: "/sys/kernel/mm/ksm/run", volatile: /$^/ },
  ...listNumbered(kernel, "/sys/devices/system/cpu", "cpu").map((cpu) => ({
    path: `/sys/devices/system/cpu/cpu${cpu}/power/pm_qos_resume_latency_us`,
    volatile: /$^/,
  })),
];

/** Reads all of them, the cgroups, affinity and scheduling of every thread among them. */
export function nodeState(): NodeState {
  const state = new Map<string, string>();
  for (const { path, volatile } of trees) readTree(state, path, volatile);
  for (const task of readTasks(kernel)) {
    // Workers come, go, and are rebound by the kernel as it needs them; nobody else may touch them.
    if (task.isKernelThread && task.isBound) continue;
    const key = `thread ${task.tid} (${task.name}) of ${task.pid}, started at ${task.startTicks}`;
    const place = cgroupsOf(task.pid, task.tid);
    state.set(key, `CPUs ${formatCpuList(task.allowedCpus)}, ${task.policy} ${task.realtimePriority || task.nice}${place}`);
  }
  return state;
}

/** The cgroups that a thread is in, besides the roots. */
function cgroupsOf(pid: number, tid: number): string {
  const lines = (kernel.tryRead(`/proc/${pid}/task/${tid}/cgroup`) ?? "").split("\n");
  return lines.filter((line) => line !== "" && !line.endsWith(":/")).map((line) => `, in ${line}`).join("");
}

function readTree(state: Map<string, string>, path: string, volatile: RegExp): void {
  const entries = kernel.list(path);
  if (entries.length === 0) readFile(state, path);
  for (const { name, kind } of entries) {
    const child = `${path}/${name}`;
    if (kind === "directory") {
      state.set(`${child}/`, "is there");
      readTree(state, child, volatile);
    } else if (kind === "file" && !volatile.test(child)) readFile(state, child);
  }
}

function readFile(state: Map<string, string>, path: string): void {
  try {
    const text = kernel.tryRead(path);
    if (text !== null) state.set(path, text.trimEnd());
  } catch (error) {
    // Some can only be written.
    if (!(error instanceof SysError)) throw error;
  }
}

/** Asserts that a node is as it was. Threads that ended or started since count only when a program of ours is left. */
export function assertSame(before: NodeState, after: NodeState): void {
  assert.deepEqual(differences(before, after), []);
}

/** What differs, one line each; see {@link assertSame}. */
export function differences(before: NodeState, after: NodeState): string[] {
  const differences: string[] = [];
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    const [was, is] = [before.get(key), after.get(key)];
    if (was === is) continue;
    if (key.startsWith("thread ") && (was === undefined ? !isLeftOver(key) : is === undefined)) continue;
    differences.push(`${key}: ${was ?? "absent"} -> ${is ?? "gone"}`);
  }
  return differences;
}

/** A thread that is new: one of the runtime that runs the tests, a worker of the kernel, or something that should be gone. */
function isLeftOver(key: string): boolean {
  return /\((?:probe|memory_probe|memory_stream|python3|sleep|sh|cat|deno)\)/.test(key) && !key.includes(` of ${Deno.pid},`);
}
