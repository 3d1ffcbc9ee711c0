import assert from "node:assert/strict";
import { KernelRoot } from "../../../../ffi/kernel_root.ts";
import { getAffinity } from "../../../../ffi/task.ts";
import { clockNs } from "../../../../ffi/mod.ts";
import { UsageError } from "../../../../lib/errors.ts";
import { formatCpuList } from "../../../../lib/kernel/cpulist.ts";
import { readTopology } from "../../../../lib/kernel/topology.ts";
import { hasCompiler } from "../../../ffi/host.ts";
import { compile, Talk } from "../../../ffi/runtime_cores/programs.ts";
import { cpusOf, startPair } from "./pair.ts";
import { ProgramRuntime } from "../../../../lib/power/governor/program.ts";

const kernel = new KernelRoot();
// The library opens on first use and stays open: within a test that would count as a leak.
clockNs();
getAffinity(0);
const topology = readTopology(kernel);
const noGcc = hasCompiler ? "" : " [needs gcc]";
const lack = topology.cores.length < 2 ? " [needs two cores]" : "";

Deno.test(
  { name: `a silent program is held to its floor with all that it started, and nobody else${lack}`, ignore: lack !== "" },
  async () => {
    using runtime = ProgramRuntime.create({ kernel, coresMax: 2, coresMin: 1 });
    await using pair = await startPair(runtime.env);
    await using other = await startPair();
    runtime.started(pair.pid);
    const before = cpusOf(pair.pid);
    const floor = `${topology.cores[0].cpus[0]}`;
    runtime.ask({ request: 1, wantedCores: 1 });
    assert.equal(runtime.poll().answer, null);
    runtime.enforce(1);
    assert.deepEqual([pair.pid, pair.inner, other.pid, other.inner].map(cpusOf), [floor, floor, before, before]);
    runtime.enforce(null);
    assert.deepEqual([pair.pid, pair.inner].map(cpusOf), [before, before]);
    runtime.enforce(1);
    runtime[Symbol.dispose]();
    assert.deepEqual([pair.pid, pair.inner].map(cpusOf), [before, before], "in the end, too");
  },
);

Deno.test({ name: `what a process left that was killed and not waited for is for the others${noGcc}`, ignore: noGcc !== "" }, async () => {
  using runtime = ProgramRuntime.create({ kernel, coresMax: 8 });
  await using talk = new Talk(compile("follower", "-lnodeos-rt"), runtime.env);
  runtime.started(talk.pid);
  runtime.ask({ request: 1, wantedCores: 6 });
  await talk.ask("zombie 0");
  assert.deepEqual(await talk.ask("wanted 0"), [3]);
  await talk.ask("active 3");
  assert.deepEqual(runtime.poll().answer, { request: 1, activeCores: 3 });
  assert.deepEqual(await talk.ask("wanted 0"), [6]);
});

Deno.test("ProgramRuntime.create() refuses numbers of cores that are none", () => {
  for (const [coresMin, coresMax] of [[0, 4], [5, 4], [1, 0], [1, 1.5], [NaN, 4], [1, 70000]]) {
    assert.throws(() => ProgramRuntime.create({ kernel, coresMin, coresMax }), UsageError, `${coresMin} ${coresMax}`);
  }
});

Deno.test("a program keeps what was preloaded before", () => {
  using runtime = ProgramRuntime.create({ kernel, coresMax: 8, hasOpenMp: true });
  assert.equal(runtime.limits.coresMin, 2);
  assert.match(runtime.env.LD_PRELOAD, /(^|:)\/.*\/libnodeos-cores\.so$/);
  const others = Deno.env.get("LD_PRELOAD");
  if (others) assert.ok(runtime.env.LD_PRELOAD.startsWith(`${others}:`));
});

Deno.test({ name: `threads that work are found where they are, and can be moved${lack}`, ignore: lack !== "" }, async () => {
  using runtime = ProgramRuntime.create({ kernel, coresMax: 2, movesThreads: true });
  const child = new Deno.Command("sh", { args: ["-c", "sleep 300 & while :; do :; done"] }).spawn();
  try {
    runtime.started(child.pid);
    const before = cpusOf(child.pid);
    const threads = runtime.threads!;
    let found = threads.look();
    for (let tries = 0; tries < 200 && found.cores.length === 0; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      found = threads.look();
    }
    assert.deepEqual([found.cores.length, found.activity.length], [1, 1], "the one that sleeps does not work");
    const other = found.cores[0] === 0 ? 1 : 0;
    threads.place([other]);
    assert.equal(cpusOf(child.pid), formatCpuList(topology.cores[other].cpus));
    runtime[Symbol.dispose]();
    assert.equal(cpusOf(child.pid), before);
  } finally {
    for (const pid of kernel.read(`/proc/${child.pid}/task/${child.pid}/children`).split(" ").filter(Boolean)) {
      Deno.kill(Number(pid), "SIGKILL");
    }
    child.kill("SIGKILL");
    await child.status;
  }
});
