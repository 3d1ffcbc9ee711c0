import { errnoText, SysError } from "../../ffi/errors.ts";
import { KernelRoot } from "../../ffi/kernel_root.ts";
import { effectiveUid } from "../../ffi/mod.ts";
import { getAffinity } from "../../ffi/task.ts";

/** The running machine. */
export const kernel = new KernelRoot();

/** CPUs that this process may use, ascending. */
export const ownCpus: readonly number[] = getAffinity(0);

/** Whether we are root. */
export const isRoot = effectiveUid() === 0;

// What the tests share opens the library here, once: opened within a test it would count as a leak.
kernel.exists("/proc");
errnoText(1);

/** A cgroup of this test process alone, removed when disposed; what runs in it has to be ended first. */
export class TestCgroup implements Disposable {
  /** Its directory. */
  readonly path: string;

  constructor(mount: string, name: string) {
    this.path = `${mount}/nodeos-test-${Deno.pid}-${name}`;
    kernel.makeDirectory(this.path);
  }

  [Symbol.dispose](): void {
    kernel.removeDirectory(this.path);
  }
}

const mounts = kernel.read("/proc/self/mountinfo").split("\n").map((line) => line.split(" - "));

function mountOf(pattern: RegExp): string | null {
  const found = mounts.find(([, right]) => right !== undefined && pattern.test(right));
  return found === undefined ? null : found[0].split(" ")[4];
}

/** Where cgroup v1 has its cpusets, if we may make some there. */
export const cpusetMount: string | null = isRoot ? writable(mountOf(/^cgroup \S+ (?:\S+,)?cpuset(?:,|$)/)) : null;

/** Where cgroup v2 is mounted, if we may make cgroups there. */
export const unifiedMount: string | null = isRoot ? writable(mountOf(/^cgroup2 /)) : null;

/** Where the cgroups of a controller are, of either version, if we may make some there. */
export function mountOfController(controller: string): string | null {
  if (!isRoot) return null;
  const first = writable(mountOf(new RegExp(`^cgroup \\S+ (?:\\S+,)?${controller}(?:,|$)`)));
  if (first !== null || unifiedMount === null) return first;
  return kernel.read(`${unifiedMount}/cgroup.subtree_control`).split(/\s/).includes(controller) ? unifiedMount : null;
}

/** A file system may be mounted read-only, as in most OCI containers. */
function writable(mount: string | null): string | null {
  if (mount === null) return null;
  try {
    using _group = new TestCgroup(mount, "probe");
    return mount;
  } catch (error) {
    if (error instanceof SysError) return null;
    throw error;
  }
}

/** Whether there is a C compiler. */
export const hasCompiler: boolean = await runs("gcc", "--version");

async function runs(command: string, ...args: string[]): Promise<boolean> {
  try {
    return (await new Deno.Command(command, { args, stdout: "null", stderr: "null" }).output()).success;
  } catch {
    return false;
  }
}

/** Field 22 of a process's stat: what tells it from a later one of the same number. */
export function startTicksOf(pid: number): string {
  const stat = kernel.read(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
}

/** Looks again and again until something is so; fails after 10 s. */
export async function until(what: string, isSo: () => boolean): Promise<void> {
  for (const end = Date.now() + 10_000; !isSo();) {
    if (Date.now() > end) throw new Error(`waited 10 s in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
