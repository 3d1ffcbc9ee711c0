import assert from "node:assert/strict";
import { readDeviceFilter } from "../../ffi/device_filter.ts";
import { KernelRoot } from "../../ffi/kernel_root.ts";
import { wait } from "../../ffi/launch.ts";
import { spreadThreads } from "../../ffi/place.ts";
import { getAffinity, setAffinity } from "../../ffi/task.ts";
import { Node } from "../../lib/container/node.ts";
import { hierarchyOf, readCgroupLayout } from "../../lib/kernel/cgroup.ts";
import { formatCpuList } from "../../lib/kernel/cpulist.ts";
import { readTasks } from "../../lib/kernel/process.ts";
import { checkout } from "../host.ts";
import { assertSame, differences, type NodeState, nodeState } from "./state.ts";

/** Whether these tests run in a guest of the test bed: they change the whole node. */
export const isGuest = Deno.permissions.querySync({ name: "env", variable: "NODEOS_GUEST" }).state === "granted" &&
  Deno.env.get("NODEOS_GUEST") === "1";

/** The guest's kernel. */
export const kernel: KernelRoot = new KernelRoot();
/** Root of the cgroup hierarchy that has its cpusets: the only one, except in the variant `cgroup1`. */
export const cgroups: string = isGuest ? hierarchyOf(readCgroupLayout(kernel), "cpuset")!.mount : "/sys/fs/cgroup";
/** Where the commands keep their state. */
export const stateDirectory = "/run/nodeos";
/** The program that looks at itself; `probe.c`. */
export const probe = `${checkout}build/vm/probe`;
/** Kernels from 6.7 on trim the siblings of a partition; older ones let a sibling break it. */
export const hasExclusive: boolean = isGuest && kernel.exists(`${cgroups}/cpuset.cpus.isolated`);

// Before the tests: what a test loads, it has to unload.
if (isGuest) {
  getAffinity(0);
  assert.throws(() => spreadThreads("/proc/none", [0]));
  readDeviceFilter("/proc/none");
  kernel.memory?.isDirectory("/run/nodeos/memory");
}
let state = isGuest ? nodeState() : undefined;

/**
 * A test that runs in a guest only, and leaves the whole node exactly as it found it.
 *
 * @param killsWriters The test kills commands while they write partitions; see {@link catchUpWorkqueues}.
 */
export function guestTest(name: string, body: () => Promise<void> | void, { killsWriters = false } = {}): void {
  Deno.test({
    name: isGuest ? name : `${name} [needs the test bed: deno task test:vm]`,
    ignore: !isGuest,
    async fn() {
      const before = state!;
      try {
        await body();
        state = await settled(before);
        if (killsWriters) state = await catchUpWorkqueues(before, state);
        assertSame(before, state);
      } catch (error) {
        // What this one left behind shall not fail the next one.
        await new Node(kernel, stateDirectory).down([], 0);
        state = nodeState();
        throw error;
      }
    },
  });
}

/** The node as it is, or as soon as it is as before: newer kernels update the workqueues' mask a moment later. */
async function settled(before: NodeState): Promise<NodeState> {
  let after = nodeState();
  for (let tries = 0; tries < 5 && differences(before, after).length > 0; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    after = nodeState();
  }
  return after;
}

/**
 * Newer kernels update the workqueues' mask after the write that changes a partition: a writer that is killed in it does
 * not, and nothing that user space can write does, but the next change of any partition. If that mask alone differs, it is
 * said, and a partition is changed; anything else that differs stays for the comparison.
 */
async function catchUpWorkqueues(before: NodeState, after: NodeState): Promise<NodeState> {
  const left = differences(before, after);
  if (left.length === 0 || !left.every((line) => /^\/sys\/devices\/virtual\/workqueue\/cpumask(?:_isolated)?: /.test(line))) return after;
  console.log(`the kernel left behind: ${left.join(", ")}`);
  const node = new Node(kernel, stateDirectory);
  await node.up({ containers: [{ name: "any", cpus: [6] }] }, "persistent");
  await node.down(["any"], 0);
  return await settled(before);
}

/** How a command ended, and what it said. */
export interface CommandResult {
  /** Exit status. */
  readonly code: number;
  /** Standard output. */
  readonly out: string;
  /** Standard error. */
  readonly err: string;
}

/** A `nodeos` command, as its users start it. */
export function nodeosCommand(args: readonly string[], output: "piped" | "null"): Deno.Command {
  const words = ["run", "-q", "--no-check", "--cached-only", "-P=admin", "scripts/nodeos.ts", ...args];
  return new Deno.Command(Deno.execPath(), { args: words, cwd: checkout, stdin: "null", stdout: output, stderr: output });
}

/** Runs one to its end. */
export async function nodeos(...args: string[]): Promise<CommandResult> {
  const { code, stdout, stderr } = await nodeosCommand(args, "piped").output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, out, err };
}

/** Runs one that must succeed, and returns what it printed. */
export async function nodeosOutput(...args: string[]): Promise<string> {
  const { code, out, err } = await nodeos(...args);
  assert.equal(code, 0, `nodeos ${args.join(" ")} ended with ${code}: ${err}`);
  return out;
}

/** Starts a program in a container that this process knows, waits for it, and returns what it printed. */
export function outputIn(node: Node, container: string, ...argv: string[]): string {
  const path = Deno.makeTempFileSync();
  try {
    const program = node.start(container, { argv: ["/bin/sh", "-c", `exec "$@" >${path}`, "sh", ...argv] });
    const { code } = wait(program, program.placement);
    assert.equal(code, 0, `${argv.join(" ")} in ${container} ended with ${code}`);
    return Deno.readTextFileSync(path);
  } finally {
    Deno.removeSync(path);
  }
}

/** What `probe facts` prints. */
export interface Facts {
  /** Line of `/proc/self/cgroup`. */
  readonly cgroup: string;
  /** CPU of its first instruction. */
  readonly cpu: number;
  /** Its scheduling policy, by number. */
  readonly policy: number;
  /** Its real-time priority. */
  readonly priority: number;
  /** CPUs it may run on. */
  readonly allowed: readonly number[];
}

/** What `probe spin` prints of each thread. */
export interface Spinner {
  /** CPUs it ran on after it had been placed. */
  readonly seen: readonly number[];
  /** CPUs it may run on. */
  readonly allowed: readonly number[];
}

/** The text of a file of the kernel, without the final newline. */
export function read(path: string): string {
  return kernel.read(path).trim();
}

/** Somebody else's program, which no test may disturb; it ends when this is disposed. */
export class Bystander implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;

  /**
   * @param cpus The CPUs that it has chosen for itself.
   * @param cgroup Directory of the cgroup that it is to run in.
   * @param name What it is called.
   */
  constructor(readonly cpus: string, cgroup?: string, readonly name: string = "sleep") {
    const join = cgroup === undefined ? "" : `echo $$ >${cgroup}/cgroup.procs && `;
    const link = name === "sleep" ? "" : `mkdir -p /tmp/bystander && ln -sf /bin/sleep /tmp/bystander/${name} && `;
    const args = ["-c", `${join}${link}PATH=/tmp/bystander:$PATH exec taskset -c ${cpus} ${name} 1000`];
    this.#child = new Deno.Command("/bin/sh", { args, stdin: "null", stdout: "null", stderr: "null" }).spawn();
  }

  /** Its process id. */
  get pid(): number {
    return this.#child.pid;
  }

  /** CPUs that it may run on now. */
  get allowedCpus(): string {
    return /^Cpus_allowed_list:\s*(.*)$/m.exec(read(`/proc/${this.pid}/status`))![1];
  }

  /** Path of its cgroup, version 2. */
  get cgroup(): string {
    return /^0::(.*)$/m.exec(read(`/proc/${this.pid}/cgroup`))![1];
  }

  /** Resolves when it sleeps. */
  async ready(): Promise<this> {
    while (read(`/proc/${this.pid}/comm`) !== this.name) await delay(10);
    return this;
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.status;
  }
}

/** Somebody else's cgroup; it is removed when this is disposed. */
export class ForeignCgroup implements Disposable {
  /** Its directory. */
  readonly path: string;

  /** @param name Its name, below the root. */
  constructor(name: string) {
    this.path = `${cgroups}/${name}`;
    kernel.makeDirectory(this.path);
  }

  /** Removes it. */
  [Symbol.dispose](): void {
    kernel.removeDirectory(this.path);
  }
}

/**
 * Changes a cpuset as a careful somebody else would: threads that had chosen their CPUs, and that old kernels forget
 * about, have them again.
 */
export function writeCarefully(path: string, value: string): void {
  const all = formatCpuList(getAffinity(1));
  const chosen = readTasks(kernel).filter((task) => !task.isBound && formatCpuList(task.allowedCpus) !== all);
  kernel.write(path, value);
  for (const { tid, allowedCpus } of chosen) setAffinity(tid, allowedCpus);
}

/** Resolves after `ms` milliseconds. */
export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
