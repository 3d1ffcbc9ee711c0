import assert from "node:assert/strict";
import { SysError } from "../../ffi/errors.ts";
import { launch, type Launched, type LaunchRequest, waitAsync } from "../../ffi/launch.ts";
import { spreadThreads } from "../../ffi/place.ts";
import { sendSignal } from "../../ffi/task.ts";
import { formatCpuList } from "../../lib/kernel/cpulist.ts";
import { cpusetMount, kernel, ownCpus, startTicksOf, TestCgroup, unifiedMount, until } from "./host.ts";
import { checkout, scratch, shell } from "./programs.ts";

const hasUnified = unifiedMount !== null && kernel.read(`${unifiedMount}/cgroup.subtree_control`).split(/\s/).includes("cpuset");
const mount = hasUnified ? unifiedMount : cpusetMount;
const [first, second] = ownCpus;
const needs = { ignore: mount === null || ownCpus.length < 2 };
/** Whether masks that threads were given outlive a change of their cpuset: from 6.2 on. */
const keepsMasks = (() => {
  const [major, minor] = kernel.read("/proc/sys/kernel/osrelease").split(".").map(Number);
  return major * 1000 + minor >= 6002;
})();

// Registered at its first use, which within a test would count as a leak.
assert.throws(() => spreadThreads("/proc/none", []));

/** A cpuset of our own and a program in it, ended with it. */
class Group implements Disposable {
  static #count = 0;
  readonly #group = new TestCgroup(mount!, `place-${Group.#count++}`);
  readonly #programs: Launched[] = [];
  readonly threadsPath = `${this.#group.path}/${hasUnified ? "cgroup.threads" : "tasks"}`;

  constructor(cpus: readonly number[]) {
    this.setCpus(cpus);
    if (!hasUnified) kernel.write(`${this.#group.path}/cpuset.mems`, "0");
  }

  setCpus(cpus: readonly number[]): void {
    // A container of somebody on this machine may have one of them for itself, for a moment.
    retrying(() => kernel.write(`${this.#group.path}/cpuset.cpus`, formatCpuList([...cpus])));
  }

  start(argv: readonly string[], cpus: readonly number[]): Launched {
    const seat: Partial<LaunchRequest> = hasUnified ? { cgroup: this.#group.path } : { tasks: [this.threadsPath] };
    const program = launch({ argv, cpus, ...seat });
    this.#programs.push(program);
    return program;
  }

  /** What each thread may run on. */
  masks({ pid }: Launched): string[] {
    return kernel.list(`/proc/${pid}/task`).map(({ name }) =>
      /^Cpus_allowed_list:\t(.*)$/m.exec(kernel.read(`/proc/${pid}/task/${name}/status`))![1]
    );
  }

  [Symbol.dispose](): void {
    for (const { pid } of this.#programs) if (kernel.exists(`/proc/${pid}`)) sendSignal(pid, BigInt(startTicksOf(pid)), 9);
    // Who is killed leaves its cgroup a moment later.
    retrying(() => this.#group[Symbol.dispose]());
  }
}

/** Tries again what the kernel refuses, for up to 10 s. */
function retrying(action: () => void): void {
  for (const end = Date.now() + 10_000;;) {
    try {
      return action();
    } catch (error) {
      if (!(error instanceof SysError) || Date.now() > end) throw error;
    }
  }
}

const loadOf = (threads: number) => [`${checkout}build/nodeos-helper`, "load", `--threads=${threads}`, "--seconds=30"];

/** A program whose threads are all there. */
async function startLoad(group: Group, threads: number, cpus: readonly number[]): Promise<Launched> {
  const program = group.start(loadOf(threads), cpus);
  await until("all threads are there", () => group.masks(program).length === threads);
  return program;
}

Deno.test({
  ...needs,
  name: "spreadThreads() gives every thread the CPUs that its container got [needs root, cgroups and two CPUs]",
  async fn() {
    using group = new Group([first]);
    const program = await startLoad(group, 3, [first]);
    group.setCpus([first, second]);
    assert.deepEqual(group.masks(program), Array(3).fill(formatCpuList(keepsMasks ? [first] : [first, second])));
    const placed = spreadThreads(group.threadsPath, [first]);
    if (keepsMasks) assert.equal(placed, 3);
    assert.deepEqual(group.masks(program), Array(3).fill(formatCpuList([first, second])));
    group.setCpus([second]);
    spreadThreads(group.threadsPath, [first, second]);
    assert.deepEqual(group.masks(program), Array(3).fill(`${second}`));
    // As the kernel has it: disjoint from what they had.
    group.setCpus([first]);
    spreadThreads(group.threadsPath, [second]);
    assert.deepEqual(group.masks(program), Array(3).fill(`${first}`));
    group.setCpus([first, second]);
    spreadThreads(group.threadsPath, [first]);
    assert.deepEqual(group.masks(program), Array(3).fill(formatCpuList([first, second])));
  },
});

Deno.test({
  ...needs,
  name: "spreadThreads() gives new CPUs to threads that sleep, without waiting for them [needs root, cgroups and two CPUs]",
  fn() {
    using group = new Group([first]);
    const program = group.start(["sleep", "60"], [first]);
    group.setCpus([first, second]);
    assert.equal(spreadThreads(group.threadsPath, [first]), keepsMasks ? 1 : 0);
    assert.deepEqual(group.masks(program), [formatCpuList([first, second])]);
  },
});

Deno.test({
  ...needs,
  name: "spreadThreads() leaves threads alone that chose their CPU themselves [needs root, cgroups, three CPUs and taskset]",
  ignore: needs.ignore || ownCpus.length < 3 || shell("taskset -V").code !== 0,
  async fn() {
    using group = new Group([first, second]);
    const program = group.start(["sh", "-c", `taskset -cp ${second} $$ >/dev/null; exec sleep 60`], [first, second]);
    await until("it has chosen", () => group.masks(program)[0] === `${second}`);
    group.setCpus([first, second, ownCpus[2]]);
    assert.equal(spreadThreads(group.threadsPath, [first, second]), 0);
    // Linux before 6.2 forgets what threads chose when a cpuset changes.
    if (keepsMasks) assert.deepEqual(group.masks(program), [`${second}`]);
  },
});

Deno.test("spreadThreads() says when there is no such list", () => {
  assert.throws(() => spreadThreads("/proc/none/cgroup.threads", [0]), {
    name: "SysError",
    code: "ENOENT",
    message: /^Cannot place the threads of \/proc\/none\/cgroup.threads/,
  });
  assert.throws(() => spreadThreads("/etc/hostname", [0]), { code: "EACCES" });
});

Deno.test("spreadThreads() finds no thread in a text that is no list, with or without CPUs", () => {
  assert.equal(spreadThreads("/proc/version", ownCpus), 0);
  assert.equal(spreadThreads("/proc/version", []), 0);
});

Deno.test({
  ...needs,
  name: "waitAsync() follows a container whose CPUs change, and ends with the program [needs root, cgroups and two CPUs]",
  async fn() {
    using group = new Group([first]);
    const program = await startLoad(group, 3, [first]);
    const ended = waitAsync(program, scratch, { threadsPath: group.threadsPath, cpus: [first] });
    const are = (cpus: readonly number[]) => group.masks(program).every((mask) => mask === formatCpuList([...cpus]));
    for (const cpus of [[first, second], [second], [first, second], [first], [first, second]]) {
      group.setCpus(cpus);
      await until(`all threads have ${cpus}`, () => are(cpus));
    }
    sendSignal(program.pid, BigInt(startTicksOf(program.pid)), 15);
    assert.equal((await ended).code, 0);
  },
});
