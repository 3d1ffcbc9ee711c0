import assert from "node:assert/strict";
import { clockNs } from "../../ffi/mod.ts";
import { KernelRoot } from "../../ffi/kernel_root.ts";
import { ProgramRuntime } from "../../lib/power/governor/program.ts";
import { compile, openMpLack, Talk } from "./runtime_cores/programs.ts";

const kernel = new KernelRoot();
// The library opens on first use and stays open: within a test that would count as a leak.
clockNs();
kernel.exists("/proc/self");

/** The sum of all that each kind of region adds up. */
const sum = 100000 * 99999 / 2;
const environment = { OMP_NUM_THREADS: "8", OMP_WAIT_POLICY: "passive", OMP_SCHEDULE: "dynamic,50" };

function test(name: string, fn: (program: string) => Promise<void>): void {
  Deno.test({
    name: openMpLack === null ? name : `${name} [${openMpLack}]`,
    ignore: openMpLack !== null,
    fn: () => fn(compile("regions", "-fopenmp")),
  });
}

function makeRuntime(): ProgramRuntime {
  return ProgramRuntime.create({ kernel, coresMax: 8, coresMin: 2, hasOpenMp: true });
}

test("a program of OpenMP uses as many threads as are wanted in every kind of region, says so, and is right", async (program) => {
  using runtime = makeRuntime();
  await using talk = new Talk(program, { ...environment, ...runtime.env });
  assert.deepEqual(await talk.ask("plain"), [8, sum], "nothing is wanted yet");
  let request = 0;
  for (const wantedCores of [3, 8, 2, 5]) {
    runtime.ask({ request: ++request, wantedCores });
    for (const kind of ["plain", "static", "dynamic", "guided", "runtime", "sections"]) {
      const [threads, found] = await talk.ask(kind);
      assert.deepEqual([kind, threads, found], [kind, wantedCores, sum]);
      assert.deepEqual(runtime.poll().answer, { request, activeCores: wantedCores }, kind);
    }
  }
});

test("nested regions share what is wanted", async (program) => {
  using runtime = makeRuntime();
  await using talk = new Talk(program, { ...environment, ...runtime.env });
  assert.deepEqual(await talk.ask("nested"), [16, sum], "nothing is wanted yet");
  runtime.ask({ request: 1, wantedCores: 6 });
  assert.deepEqual(await talk.ask("nested"), [6, sum]);
  assert.deepEqual(runtime.poll().answer, { request: 1, activeCores: 6 });
  assert.deepEqual(await talk.ask("plain"), [6, sum]);
});

test("a clause num_threads() is kept, and said; OMP_DYNAMIC and NODEOS_CORES_OPENMP give it free", async (program) => {
  using runtime = makeRuntime();
  runtime.ask({ request: 1, wantedCores: 3 });
  {
    await using talk = new Talk(program, { ...environment, ...runtime.env });
    assert.deepEqual(await talk.ask("clause"), [6, sum]);
    assert.deepEqual(runtime.poll().answer, { request: 1, activeCores: 6 }, "more than wanted: nobody takes that for an answer");
    assert.deepEqual(await talk.ask("alone"), [1, sum]);
    assert.deepEqual(runtime.poll().answer, { request: 1, activeCores: 2 }, "it is left its floor");
  }
  for (const [name, value] of [["OMP_DYNAMIC", "true"], ["NODEOS_CORES_OPENMP", "all"]]) {
    await using talk = new Talk(program, { ...environment, [name]: value, ...runtime.env });
    assert.deepEqual((await talk.ask("clause"))[1], sum);
    assert.ok((await talk.ask("clause"))[0] <= 3);
  }
});

test("with NODEOS_CORES_OPENMP=off, and without a governor, a program is left alone", async (program) => {
  using runtime = makeRuntime();
  runtime.ask({ request: 1, wantedCores: 3 });
  {
    await using talk = new Talk(program, { ...environment, ...runtime.env, NODEOS_CORES_OPENMP: "off" });
    assert.deepEqual(await talk.ask("plain"), [8, sum]);
    assert.equal(runtime.poll().answer, null);
  }
  const { LD_PRELOAD } = runtime.env;
  for (const NODEOS_CORES of ["", "/nonexistent/page", "/dev/null", program]) {
    await using talk = new Talk(program, { ...environment, LD_PRELOAD, NODEOS_CORES });
    assert.deepEqual(await talk.ask("plain"), [8, sum], NODEOS_CORES);
  }
});

test("a program that was started by another one follows as well, and both share what is wanted", async (program) => {
  using runtime = makeRuntime();
  runtime.ask({ request: 1, wantedCores: 5 });
  await using first = new Talk(program, { ...environment, ...runtime.env });
  assert.deepEqual(await first.ask("plain"), [5, sum]);
  {
    await using second = new Talk(program, { ...environment, ...runtime.env });
    assert.deepEqual(await second.ask("plain"), [2, sum]);
    assert.equal(runtime.poll().answer!.activeCores, 7, "until the first one asks again");
    assert.deepEqual(await first.ask("plain"), [3, sum]);
    assert.equal(runtime.poll().answer!.activeCores, 5);
    await second.kill();
  }
  assert.equal(runtime.poll().answer!.activeCores, 3);
  assert.deepEqual(await first.ask("plain"), [5, sum], "what a killed process had is for the others");
});
