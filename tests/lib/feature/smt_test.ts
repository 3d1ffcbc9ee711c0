import assert from "node:assert/strict";
import { errno, SysError } from "../../../ffi/errors.ts";
import { RefusedError } from "../../../lib/errors.ts";
import { idleSiblings, smtSiblings } from "../../../lib/feature/smt.ts";
import { Inventory } from "../../../lib/kernel/inventory.ts";
import { apply, prepare, undo, verify } from "../../../lib/plan/executor.ts";
import type { Step } from "../../../lib/plan/step.ts";
import type { CapturedFiles } from "../../captured.ts";
import { FakeKernel } from "../../fake_kernel.ts";
import { hybrid, v1, v2 } from "../../small_machines.ts";
import { leftOf, linesOf, onScene, type SceneRequest } from "./scene.ts";

const directory = "/sys/devices/system/cpu";
const online = (cpu: number) => `${directory}/cpu${cpu}/online`;
const list = (cpu: number) => `${directory}/cpu${cpu}/topology/thread_siblings_list`;
/** As on x86, CPU 0 cannot be switched off. CPUs 0 and 4 are one core, 1 and 5, 2 and 6, 3 and 7. */
const switches = Object.fromEntries([1, 2, 3, 4, 5, 6, 7].map((cpu) => [online(cpu), "1\n"]));
const smt: CapturedFiles = { ...v2, ...switches };

function refusal(files: CapturedFiles, request: SceneRequest): RefusedError {
  let refused: unknown;
  assert.throws(() => linesOf(smtSiblings, files, request), (error) => (refused = error) instanceof RefusedError);
  return refused as RefusedError;
}

Deno.test("smtSiblings idle switches off the other threads of the container's cores, then sees that the cores are its own", () => {
  assert.deepEqual(linesOf(smtSiblings, smt), [
    `${online(6)} <- 0`,
    `${online(7)} <- 0`,
    `${list(2)} <- 2`,
    `${list(3)} <- 3`,
  ]);
});

Deno.test("smtSiblings idle leaves threads of a core that the container has as a whole", () => {
  assert.deepEqual(linesOf(smtSiblings, smt, { cpus: [2, 6], taken: [2, 6] }), []);
  assert.deepEqual(linesOf(smtSiblings, smt, { cpus: [2, 3, 6], taken: [2, 3, 6] }), [`${online(7)} <- 0`, `${list(3)} <- 3`]);
});

Deno.test("smtSiblings idle switches a thread off once, of a core with four", () => {
  const four = { ...smt, [list(2)]: "2-3,6-7\n", [list(3)]: "2-3,6-7\n" };
  assert.deepEqual(linesOf(smtSiblings, four), [`${online(6)} <- 0`, `${online(7)} <- 0`, `${list(2)} <- 2-3`, `${list(3)} <- 2-3`]);
});

Deno.test("smtSiblings idle stays planned once it is done, when the kernel no longer knows the siblings", () => {
  const done = { ...smt, [online(6)]: "0\n", [online(7)]: "0\n", [list(2)]: "2\n", [list(3)]: "3\n" };
  const originals = { [list(2)]: "2,6", [list(3)]: "3,7" };
  assert.deepEqual(linesOf(smtSiblings, done, { originals }), linesOf(smtSiblings, smt));
  assert.deepEqual(linesOf(smtSiblings, done, { originals, cpus: [3], taken: [3] }), [`${online(7)} <- 0`, `${list(3)} <- 3`]);
});

Deno.test("smtSiblings changes nothing where cores have one thread, on cgroup v1 too", () => {
  const single = { [list(2)]: "2\n", [list(3)]: "3\n" };
  for (const files of [{ ...smt, ...single }, { ...v1, ...single }, {}]) assert.deepEqual(linesOf(smtSiblings, files), []);
});

Deno.test("smtSiblings idle is refused when somebody has the other thread: it says who shares what", () => {
  const error = refusal(smt, { taken: [0, 2, 3, 6, 7] });
  assert.match(error.message, /^Cannot idle .*: CPU 6 shares a core with CPU 2, CPU 7 shares a core with CPU 3, and another container/);
  assert.match(error.remedy!, /whole cores .* CPUs 6-7 .*smtSiblings: shared/);
});

Deno.test("smtSiblings idle is refused on cgroup v1, whose cpusets would lose the CPUs", () => {
  for (const files of [v1, hybrid]) {
    const error = refusal({ ...files, ...switches }, {});
    assert.match(error.message, /^Cannot idle CPUs 6-7: cpusets of cgroup v1/);
    assert.match(error.remedy!, /cgroup v2/);
  }
});

Deno.test("smtSiblings idle is refused for a CPU that cannot be switched off, by its number", () => {
  const error = refusal(smt, { cpus: [4], taken: [4], otherCpus: [0, 1, 2, 3, 5, 6, 7] });
  assert.match(error.message, /^Cannot idle CPU 0: .*cpu0\/online is missing/);
  assert.match(error.remedy!, /^Leave CPU 4 .*ServiceOS/);
});

Deno.test("smtSiblings idle is refused when it would take the last CPU", () => {
  const error = refusal(smt, { otherCpus: [6, 7] });
  assert.match(error.message, /^Cannot idle CPUs 6-7: no CPU would be left/);
});

Deno.test("smtSiblings forgets choices of threads before 6.2, and says so", () => {
  const release = (text: string) => ({ ...smt, "/proc/sys/kernel/osrelease": `${text}\n` });
  const [first, second, ...rest] = leftOf(smtSiblings, release("6.1.0-50-amd64"));
  assert.match(first, /^threads that had chosen CPU 6: before Linux 6\.2/);
  assert.match(second, /CPU 7/);
  assert.deepEqual(rest, []);
  assert.deepEqual(leftOf(smtSiblings, release("7.2.12+deb13-amd64")), []);
});

Deno.test("idleSiblings() names the CPUs that nothing may be planned onto", () => {
  assert.deepEqual(onScene(smt, idleSiblings), [6, 7]);
  assert.deepEqual(onScene(smt, idleSiblings, { cpus: [2, 6] }), []);
});

/** Switched CPUs come and go in the lists of their cores, and nobody can write these: as in a guest with two threads a core. */
class SmtKernel extends FakeKernel {
  constructor() {
    super({ version: 2, cpuCount: 8 });
    for (const [path, text] of Object.entries(switches)) this.files.set(path, text.trim());
    this.#relist();
  }

  override write(path: string, text: string): void {
    if (path.endsWith("_list")) throw new SysError(`write ${path}`, errno.EACCES);
    super.write(path, text);
    this.#relist();
  }

  #relist(): void {
    const isOn = (cpu: number) => this.files.get(online(cpu)) !== "0";
    for (let cpu = 0; cpu < 8; cpu++) {
      if (isOn(cpu)) this.files.set(list(cpu), [cpu % 4, cpu % 4 + 4].filter(isOn).join(","));
      else this.files.delete(list(cpu));
    }
  }
}

function planOn(kernel: SmtKernel, held: readonly Step[]): Step[] {
  const scene = {
    inventory: new Inventory(kernel),
    cpus: [2, 3],
    otherCpus: [0, 1, 4, 5, 6, 7],
    taken: [2, 3],
    sharedNodes: [0],
    serviceCpus: null,
    protect: [],
    isolatedCpus: [],
    original: ({ what }: { what: string }) => held.find((step) => step.what === what)?.from ?? kernel.tryRead(what)?.trim() ?? null,
  };
  return prepare(kernel, smtSiblings.plan(scene));
}

Deno.test("smtSiblings is applied, planned again the same, and undone without a trace", () => {
  const kernel = new SmtKernel();
  const before = kernel.snapshot();
  const steps = planOn(kernel, []);
  apply(kernel, steps);
  assert.equal(kernel.files.get(online(6)), "0");
  assert.equal(kernel.files.get(list(2)), "2");
  assert.deepEqual(verify(kernel, steps), []);
  assert.deepEqual(planOn(kernel, steps).map(({ what, to }) => [what, to]), steps.map(({ what, to }) => [what, to]));
  assert.deepEqual(undo(kernel, steps), []);
  assert.deepEqual(kernel.snapshot(), before);
});

Deno.test("smtSiblings that is refused half-way switches on again what it switched off", () => {
  const kernel = new SmtKernel();
  const before = kernel.snapshot();
  kernel.fault = (_, path) => path === online(7) ? errno.EBUSY : undefined;
  assert.throws(() => apply(kernel, planOn(kernel, [])), RefusedError);
  assert.deepEqual(kernel.snapshot(), before);
});
