import assert from "node:assert/strict";
import { kernelThreads } from "../../../lib/feature/kernel_threads.ts";
import { v2 } from "../../small_machines.ts";
import { changesOf, leftOf, linesOf, type SceneRequest } from "./scene.ts";
import { type ThreadDescription, threadFiles } from "./threads.ts";

const workqueues = "/sys/devices/virtual/workqueue";

const masks = { [`${workqueues}/cpumask`]: "ff\n", [`${workqueues}/writeback/cpumask`]: "ff\n", [`${workqueues}/power/control`]: "auto\n" };

function free(name: string, cpus: string, tid = 200): ThreadDescription {
  return { tid, name, cpus, sort: "free" };
}

function bound(name: string, cpus: string, tid: number): ThreadDescription {
  return { tid, name, cpus, sort: "bound" };
}

/** Where threads are to go, by name. */
function moves(threads: readonly ThreadDescription[], request?: SceneRequest): string[] {
  const changes = changesOf(kernelThreads, { ...v2, ...threadFiles(threads) }, request);
  return changes.map(({ kind, what, to }) => {
    assert.equal(kind, "affinity");
    return `${threads.find(({ tid }) => what === `${tid}:1000`)!.name} ${to}`;
  });
}

Deno.test("kernelThreads takes the container's CPUs out of the mask of all workqueues, and of those that have one", () => {
  assert.deepEqual(linesOf(kernelThreads, { ...v2, ...masks }), [
    `workqueue: ${workqueues}/cpumask <- f3`,
    `${workqueues}/writeback/cpumask <- f3`,
  ]);
});

Deno.test("kernelThreads goes by the mask that was asked for, where isolated partitions narrow it", () => {
  const narrowed = { ...v2, [`${workqueues}/cpumask`]: "73\n", [`${workqueues}/cpumask_requested`]: "7f\n" };
  assert.deepEqual(linesOf(kernelThreads, narrowed), [`workqueue: ${workqueues}/cpumask <- 73`]);
});

Deno.test("kernelThreads goes by the masks from before us", () => {
  const originals = { [`${workqueues}/cpumask`]: "3f" };
  assert.deepEqual(linesOf(kernelThreads, { ...v2, [`${workqueues}/cpumask`]: "03\n" }, { originals }), [
    `workqueue: ${workqueues}/cpumask <- 33`,
  ]);
});

Deno.test("kernelThreads never empties a mask, and leaves those alone that have none of the CPUs", () => {
  const mask = (text: string) => ({ ...v2, [`${workqueues}/cpumask`]: text });
  assert.deepEqual(linesOf(kernelThreads, mask("00000000,0000000c\n")), [`workqueue: ${workqueues}/cpumask <- 00000000,000000f3`]);
  assert.deepEqual(linesOf(kernelThreads, mask("f3\n")), []);
  // CPU 8 is there, and does not run.
  assert.deepEqual(linesOf(kernelThreads, mask("10c\n")), [`workqueue: ${workqueues}/cpumask <- 0f3`]);
});

Deno.test("kernelThreads moves unbound threads of the kernel, kthreadd among them, as far as they were on the CPUs", () => {
  assert.deepEqual(
    moves([
      free("kthreadd", "0-7", 2),
      free("kcompactd1", "2-3", 201),
      free("kcompactd0", "0-1", 202),
      free("khugepaged", "0-7", 203),
      free("rcuop/3", "0-7", 204),
      free("kswapd9", "3", 205),
      free("odd", "1-2", 206),
    ]),
    ["kthreadd 0-1,4-7", "kcompactd1 0-1,4-7", "khugepaged 0-1,4-7", "rcuop/3 0-1,4-7", "kswapd9 0-1,4-7", "odd 1"],
  );
});

Deno.test("kernelThreads leaves programs, bound threads, those of interrupts and those of one CPU alone", () => {
  const program: ThreadDescription = { tid: 200, name: "user", cpus: "0-7", sort: "program" };
  assert.deepEqual(
    moves([
      program,
      bound("migration/2", "2", 201),
      bound("kworker/R-mld", "0-7", 202),
      free("irq/9-acpi", "2", 203),
      free("rcuc/2", "2", 204),
    ]),
    [],
  );
});

Deno.test("kernelThreads goes by the affinity from before us", () => {
  assert.deepEqual(moves([free("kswapd1", "0-1,4-7")], { originals: { "200:1000": "2-3" } }), ["kswapd1 0-1,4-7"]);
});

Deno.test("kernelThreads sends no thread to another container, but to the ServiceOS", () => {
  const threads = [free("khugepaged", "0-7"), free("kswapd1", "2-3", 201)];
  const taken = { taken: [0, 1, 2, 3, 4, 5], serviceCpus: [0, 1] };
  assert.deepEqual(moves(threads, taken), ["khugepaged 0-1,6-7", "kswapd1 0-1,6-7"]);
  // Where containers have all other CPUs, somewhere it has to be.
  assert.deepEqual(moves(threads, { taken: [0, 1, 2, 3, 4, 5, 6, 7] }), ["khugepaged 0-1,4-7", "kswapd1 0-1,4-7"]);
});

Deno.test("kernelThreads asks only for what may be refused, apart from the mask of all", () => {
  const changes = changesOf(kernelThreads, { ...v2, ...masks, ...threadFiles([free("ksmd", "0-7")]) });
  assert.deepEqual(changes.map(({ kind, ifAllowed }) => [kind, ifAllowed ?? false]), [
    ["workqueue", false],
    ["file", true],
    ["affinity", true],
  ]);
});

Deno.test("kernelThreads names what stays, by name and CPU, with the reason", () => {
  const threads = [0, 1, 2, 3].flatMap((cpu) => [
    bound(`migration/${cpu}`, `${cpu}`, 200 + cpu),
    bound(`cpuhp/${cpu}`, `${cpu}`, 210 + cpu),
    bound(`kworker/${cpu}:0-events`, `${cpu}`, 220 + cpu),
    bound(`kworker/${cpu}:0H`, `${cpu}`, 230 + cpu),
  ]);
  const others = [
    bound("idle_inject/3", "3", 240),
    bound("writeback", "0-7", 241),
    bound("mld", "0-7", 242),
    bound("netns", "0-1", 243),
    bound("kworker/u16:1", "0-7", 244),
    free("irq/9-acpi", "2", 245),
  ];
  assert.deepEqual(leftOf(kernelThreads, threadFiles([...threads, ...others])), [
    "cpuhp/N, migration/N on CPUs 2-3: the kernel has one for each CPU",
    "idle_inject/N on CPUs 3: the kernel has one for each CPU",
    "kworker/N:* on CPUs 2-3 (4 now): work that is queued on these very CPUs",
    "mld, writeback on CPUs 0-7: bound by the kernel; rescuers of workqueues run when memory is short",
    "irq/9-acpi on CPUs 2: follows its interrupt",
    'RCU callbacks on CPUs 2-3: they were not offloaded at boot; "nodeos doctor --boot" says how',
  ]);
});

Deno.test("kernelThreads says which CPUs have no thread for their RCU callbacks", () => {
  assert.deepEqual(leftOf(kernelThreads, threadFiles([free("rcuop/2", "0-1"), free("rcuog/2", "0-1", 201)])), [
    'RCU callbacks on CPUs 3: they were not offloaded at boot; "nodeos doctor --boot" says how',
  ]);
  assert.deepEqual(leftOf(kernelThreads, threadFiles([free("rcuos/2", "0-1"), free("rcuos/3", "0-1", 201)])), []);
});

Deno.test("kernelThreads names workers that keep the CPUs although the mask has none of them", () => {
  const threads = threadFiles([
    bound("kworker/u16:0-events", "0-7", 200),
    bound("kworker/u17:0", "0-1,4-7", 201),
    free("rcuop/2", "0", 202),
    free("rcuop/3", "0", 203),
  ]);
  assert.deepEqual(leftOf(kernelThreads, { ...threads, [`${workqueues}/cpumask`]: "ff\n" }), []);
  assert.deepEqual(leftOf(kernelThreads, { ...threads, [`${workqueues}/cpumask`]: "f3\n" }), [
    "kworker/u16:0-events on CPUs 0-7: before Linux 6.9 ordered workqueues keep the CPUs they began with",
  ]);
});
