import assert from "node:assert/strict";
import { fileFrames, frameFlags, frameOwners, type FrameRun } from "../../ffi/frames.ts";
import { runningMemory } from "../../ffi/memory.ts";
import { apply, prepare, undo, verify } from "../../lib/plan/executor.ts";
import type { Change, Step } from "../../lib/plan/step.ts";
import { cgroups, delay, guestTest, isGuest, kernel, read } from "./guest.ts";

const mib = 2 ** 20;
const base = "/run/nodeos/memory/sim";
const group = `${cgroups}/nodeos-sim`;
const owner = "1000:1000";
const nodes = [0, 1, 2, 3];

// Registered at their first use, which within a test would count as a leak.
if (isGuest) {
  runningMemory.file(base);
  assert.throws(() => runningMemory.remount("/tmp", ""));
  frameFlags(0, 1);
  assert.throws(() => fileFrames(`${base}/none`, 4096));
}

const change = (kind: Change["kind"], what: string, to: string, initial?: string): Change => ({ kind, what, to, why: "", initial });
const pool = (node: number, count: number) =>
  change("pool", `/sys/devices/system/node/node${node}/hugepages/hugepages-2048kB/nr_hugepages`, `${count}`);
const small = (node: number) => `${base}/4KiB-node${node}`;
const huge = (node: number) => `${base}/2MiB-node${node}`;
const object = (directory: string, node: number, bytes: number) =>
  change("object", `${directory}/halo@${node}@${group}`, `${bytes} ${owner}`);

/** A container on CPUs 2 and 3 with memory of each node, in pages of both sizes; undone when disposed. */
function container(): Disposable & { readonly steps: readonly Step[] } {
  const steps = prepare(kernel, [
    ...["cpuset", "memory", "hugetlb"].map((controller) => change("controller", `${cgroups}:${controller}`, "+")),
    change("cgroup", group, ""),
    change("file", `${group}/cpuset.mems`, "0-3", ""),
    change("file", `${group}/cpuset.cpus`, "2-3", ""),
    ...nodes.flatMap((node) => [
      pool(node, 16),
      change("mount", small(node), `tmpfs mpol=bind:${node}`),
      object(small(node), node, 16 * mib),
      change("mount", huge(node), "hugetlbfs pagesize=2M"),
      object(huge(node), node, 32 * mib),
    ]),
  ]);
  apply(kernel, steps);
  return { steps, [Symbol.dispose]: () => assert.deepEqual(undo(kernel, steps), []) };
}

/** Page frames of each node, from its zones. */
function framesOfNode(node: number): FrameRun[] {
  const zones = read("/proc/zoneinfo").split(/^(?=Node )/m).filter((text) => text.startsWith(`Node ${node},`));
  return zones.flatMap((text) => {
    const number = (name: string) => Number(new RegExp(`^\\s+${name}:?\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0);
    return number("spanned") > 0 ? [{ frame: number("start_pfn"), count: number("spanned") }] : [];
  });
}

const statistic = (file: string, name: string) => new RegExp(`^${name}[ =].*$`, "m").exec(read(`${group}/${file}`))?.[0] ?? "";

guestTest("objects lie on the NUMA node that they were asked from, all of them, counted for their container", () => {
  using made = container();
  assert.deepEqual(verify(kernel, made.steps), []);
  assert.equal(statistic("memory.numa_stat", "shmem"), `shmem ${nodes.map((node) => `N${node}=${16 * mib}`).join(" ")}`);
  assert.equal(read(`${group}/hugetlb.2MB.current`), `${nodes.length * 32 * mib}`);
  const inode = BigInt(Deno.statSync(group).ino!);
  for (const node of nodes) {
    const own = framesOfNode(node);
    for (const [directory, bytes] of [[small(node), 16 * mib], [huge(node), 32 * mib]] as const) {
      const runs = fileFrames(`${directory}/halo`, bytes);
      assert.equal(runs.reduce((sum, { count }) => sum + count, 0), bytes / 4096, directory);
      const isInside = ({ frame, count }: FrameRun) => own.some((run) => frame >= run.frame && frame + count <= run.frame + run.count);
      assert(runs.every(isInside), `${directory}: ${JSON.stringify(runs)} outside of ${JSON.stringify(own)}`);
      for (const { frame, count } of runs) {
        // Flag 17: out of a pool; such pages are charged to no memory cgroup.
        assert(frameFlags(frame, count).every((flags) => (flags >> 17n & 1n) === (directory === huge(node) ? 1n : 0n)));
        assert(frameOwners(frame, count)!.every((found) => found === (directory === huge(node) ? 0n : inode)));
      }
    }
  }
});

guestTest("an object that finds too little is refused with why, and everything is as before", () => {
  using made = container();
  const refused = (wishes: readonly Change[], message: RegExp) => {
    assert.throws(() => apply(kernel, prepare(kernel, wishes)), { name: "RefusedError", message });
    assert.deepEqual(verify(kernel, made.steps), []);
  };
  refused([object(huge(2), 2, 96 * mib)], /Cannot give object halo 64 MiB: node 2 has 0 of 32 huge pages of 2 MiB free/);
  kernel.write(`${group}/hugetlb.2MB.max`, `${136 * mib}`);
  refused([pool(1, 64), object(huge(1), 1, 96 * mib)], /Cannot give object halo 64 MiB: the container may have 136 MiB/);
  kernel.write(`${group}/hugetlb.2MB.max`, "max");
  refused([object(small(3), 3, 3072 * mib)], /Cannot give object halo 3056 MiB: node 3 has \d+ MiB free/);
  kernel.write(`${group}/memory.max`, `${80 * mib}`);
  refused([object(small(0), 0, 60 * mib)], /Cannot give object halo 44 MiB: the container may have 80 MiB/);
  kernel.write(`${group}/memory.max`, "max");
  refused([pool(1, 2000)], /Cannot reserve huge pages of 2 MiB: node 1 has room for \d+ of 2000/);
});

guestTest("an object grows although programs of its container leave no CPU to anybody", async () => {
  using made = container();
  const throttle = "/proc/sys/kernel/sched_rt_runtime_us";
  const before = read(throttle);
  const starved = softirqThreads([2, 3]);
  // Without its softirqs a CPU keeps the kernel's grace periods from ending, and with them every change of a cgroup, on 6.1 for
  // ever. That is the kernel's to bear, not the object's: whoever switches the throttle off has to know it.
  for (const pid of starved) setScheduler(["--fifo", "--pid", "20", pid]);
  kernel.write(throttle, "-1");
  // Should the kernel stand still all the same, they end by themselves, and the test says so.
  const script = `ulimit -t 60; echo $$ >${group}/cgroup.procs; exec chrt -f 10 sh -c 'while :; do :; done'`;
  const hogs = [2, 3].map(() => new Deno.Command("sh", { args: ["-c", script], stdin: "null" }).spawn());
  let ended = 0;
  for (const hog of hogs) hog.status.then(() => ended++);
  try {
    await delay(1000);
    apply(kernel, prepare(kernel, [object(small(0), 0, 32 * mib)]));
    assert.equal(runningMemory.file(`${small(0)}/halo`)!.allocatedBytes, 32 * mib);
    await delay(0);
    assert.equal(ended, 0, "the programs were there all the time");
  } finally {
    for (const hog of hogs) kill(hog);
    for (const hog of hogs) await hog.status;
    kernel.write(throttle, before);
    for (const pid of starved) setScheduler(["--other", "--pid", "0", pid]);
  }
  assert.equal(verify(kernel, made.steps).length, 1);
});

function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch (error) {
    // It ended by itself.
    if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
  }
}

function softirqThreads(cpus: readonly number[]): string[] {
  const names = cpus.map((cpu) => `ksoftirqd/${cpu}`);
  const pids = [...Deno.readDirSync("/proc")].map(({ name }) => name).filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => names.includes(kernel.tryRead(`/proc/${pid}/comm`)?.trim() ?? ""));
}

function setScheduler(args: readonly string[]): void {
  const { success, stderr } = new Deno.Command("chrt", { args: [...args] }).outputSync();
  assert(success, new TextDecoder().decode(stderr));
}

/** Uses up what its container has, gives some of it back, and maps an object. */
const script = `
  const { allocate, mapObject } = await import("${import.meta.resolve("../../lib/memory/allocate.ts")}");
  const said = [];
  const first = allocate(5 * ${mib});
  new Uint8Array(first.buffer).fill(1);
  try { allocate(4 * ${mib}); } catch (error) { said.push(error.message); }
  first[Symbol.dispose]();
  using second = allocate(8 * ${mib});
  said.push(new Uint8Array(second.buffer).every((byte) => byte === 0));
  using halo = mapObject("halo", { offset: ${2 * mib}, bytes: ${2 * mib} });
  new Uint8Array(halo.buffer).fill(3);
  said.push(halo.bytes);
  console.log(JSON.stringify(said));`;

guestTest("a program allocates the huge pages of its container and no more, and maps its object", async () => {
  using made = container();
  const more = prepare(kernel, [pool(1, 64)]);
  apply(kernel, more);
  const path = Deno.makeTempFileSync({ suffix: ".ts" });
  try {
    for (const limit of ["hugetlb.2MB.rsvd.max", "hugetlb.2MB.max"]) kernel.write(`${group}/${limit}`, `${136 * mib}`);
    Deno.writeTextFileSync(path, script);
    const args = ["-c", `echo $$ >${group}/cgroup.procs; exec "$0" run -A -q --no-check --cached-only ${path}`, Deno.execPath()];
    const env = { NODEOS_MEMORY: base, NODEOS_HUGE_PAGES: `${2 * mib}` };
    const { stdout, stderr } = await new Deno.Command("sh", { args, env }).output();
    const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    const refusal = "Cannot allocate 4MiB: the container has not as much left in huge pages of 2MiB";
    assert.equal(out.trim(), JSON.stringify([refusal, true, 2 * mib]), err);
    // The first directory that has one.
    const bytes = Deno.readFileSync(`${huge(0)}/halo`);
    assert.deepEqual([bytes[2 * mib - 1], bytes[2 * mib], bytes[4 * mib - 1], bytes[4 * mib]], [0, 3, 3, 0]);
  } finally {
    Deno.removeSync(path);
    for (const limit of ["hugetlb.2MB.rsvd.max", "hugetlb.2MB.max"]) kernel.write(`${group}/${limit}`, "max");
  }
  assert.deepEqual(undo(kernel, more), []);
  assert.deepEqual(verify(kernel, made.steps), []);
});
