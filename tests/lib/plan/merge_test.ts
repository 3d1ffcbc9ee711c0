import assert from "node:assert/strict";
import { containerKinds, merge } from "../../../lib/plan/merge.ts";
import type { Change, Step } from "../../../lib/plan/step.ts";
import { FakeKernel } from "../../fake_kernel.ts";
import { firstFakeTid } from "../../fake_tasks.ts";
import "./world.ts";

const root = "/sys/fs/cgroup";
const throttle = "/proc/sys/kernel/sched_rt_runtime_us";
const file = (what: string, to: string): Change => ({ kind: "file", what, to, why: "" });

Deno.test("merge() takes the value of now for what is new, and that from before us for what is held", () => {
  const kernel = new FakeKernel({ version: 2, cpuCount: 4, fairServer: true });
  kernel.write(throttle, "-1");
  const held: Step = { ...file(throttle, "-1"), from: "950000" };
  const server = "/sys/kernel/debug/sched/fair_server/cpu1/runtime";
  assert.deepEqual(merge(kernel, [held], [file(server, "0"), file(throttle, "500000")]), {
    steps: [{ ...file(server, "0"), from: "50000000" }, { ...file(throttle, "500000"), from: "950000" }],
    gone: [],
  });
});

Deno.test("merge() takes what the kernel gives a new thing for what does not exist yet", () => {
  const kernel = new FakeKernel({ version: 2, cpuCount: 4 });
  const limit: Change = { ...file(`${root}/a/memory.max`, "4096"), initial: "max" };
  assert.deepEqual(merge(kernel, [], [limit, file(`${root}/a/x`, "1")]).steps.map(({ from }) => from), ["max", null]);
});

Deno.test("merge() lists what is no longer wished, in its order", () => {
  const kernel = new FakeKernel({ version: 2, cpuCount: 4 });
  const held = ["a", "b", "c"].map((what): Step => ({ ...file(what, "1"), from: "0" }));
  const { steps, gone } = merge(kernel, held, [file("b", "1")]);
  assert.deepEqual(steps, [held[1]]);
  assert.deepEqual(gone, [held[0], held[2]]);
});

Deno.test("merge() leaves a container its cgroups, controllers and classes, before everything else", () => {
  const kernel = new FakeKernel({ version: 2, cpuCount: 4 });
  const held: Step[] = [
    { kind: "controller", what: `${root}:memory`, from: "-", to: "+", why: "" },
    { kind: "cgroup", what: `${root}/a`, from: null, to: "", why: "" },
    { kind: "class", what: "/sys/fs/resctrl/a", from: null, to: "", why: "" },
    { ...file(`${root}/a/memory.max`, "4096"), from: "max" },
  ];
  const wanted = [file("x", "1")];
  const stayed = merge(kernel, held, wanted, containerKinds);
  assert.deepEqual(stayed.steps, [...held.slice(0, 3), { ...wanted[0], from: null }]);
  assert.deepEqual(stayed.gone, [held[3]]);
  assert.deepEqual(merge(kernel, held, wanted).gone, held);
});

Deno.test("merge() forgets threads that ended, and not those that live", () => {
  const [living, ended] = [firstFakeTid, firstFakeTid + 1];
  const tasks = [{ pid: living, name: "a" }, { pid: ended, name: "b" }];
  const kernel = new FakeKernel({ version: 2, cpuCount: 4, tasks });
  const member = (tid: number): Step => {
    const start = kernel.read(`/proc/${tid}/stat`).split(" ")[21];
    return { kind: "member", what: `${tid}:${start}@${root}:`, from: "/", to: "/a", why: "" };
  };
  const held = [member(living), member(ended), { kind: "affinity", what: `${ended}:1`, from: "0", to: "1", why: "" } as const];
  kernel.tasks.end(ended);
  assert.deepEqual(merge(kernel, held, []), { steps: [], gone: [held[0]] });
});
