import assert from "node:assert/strict";
import fc from "fast-check";
import { errno } from "../../../ffi/errors.ts";
import { RefusedError } from "../../../lib/errors.ts";
import { apply, prepare, undo, verify } from "../../../lib/plan/executor.ts";
import type { Change } from "../../../lib/plan/step.ts";
import { FakeKernel } from "../../fake_kernel.ts";
import { firstFakeTid } from "../../fake_tasks.ts";
// Loads the library before the tests, which would take it for a leak.
import "../../ffi/host.ts";

const root = "/sys/fs/cgroup";

function fake(): FakeKernel {
  return new FakeKernel({ version: 2, cpuCount: 8, nodeCount: 2, exclusiveCpus: true, fairServer: true });
}

/** Changes in an order that the kernel accepts: any number of cgroups with some of their files, and files of the machine. */
const plans: fc.Arbitrary<Change[]> = fc.record({
  controllers: fc.shuffledSubarray(["cpuset", "memory", "pids"]),
  names: fc.uniqueArray(fc.stringMatching(/^[a-z]{1,6}$/), { maxLength: 4 }),
  limits: fc.array(fc.nat(1 << 20), { minLength: 4, maxLength: 4 }),
  throttle: fc.option(fc.integer({ min: -1, max: 1_000_000 })),
  servers: fc.uniqueArray(fc.tuple(fc.nat(7), fc.nat(1000)), { selector: ([cpu]) => cpu }),
}).map(({ controllers, names, limits, throttle, servers }) => {
  const change = (kind: Change["kind"], what: string, to: string | number): Change => ({ kind, what, to: `${to}`, why: "a test" });
  return [
    ...controllers.map((name) => change("controller", `${root}:${name}`, "+")),
    ...(throttle === null ? [] : [change("file", "/proc/sys/kernel/sched_rt_runtime_us", throttle)]),
    ...servers.map(([cpu, ns]) => change("file", `/sys/kernel/debug/sched/fair_server/cpu${cpu}/runtime`, ns)),
    ...names.flatMap((name, index) => [
      change("cgroup", `${root}/${name}`, ""),
      ...(controllers.includes("cpuset")
        ? [change("file", `${root}/${name}/cpuset.cpus`, index), change("file", `${root}/${name}/cpuset.cpus.partition`, "root")]
        : []),
      ...(controllers.includes("memory") ? [change("file", `${root}/${name}/memory.max`, limits[index] * 4096)] : []),
      ...(controllers.includes("pids") ? [change("file", `${root}/${name}/pids.max`, limits[index])] : []),
    ]),
  ];
});

Deno.test("undo() inverts apply(), and verify() agrees in between", () => {
  fc.assert(fc.property(plans, (changes) => {
    const kernel = fake();
    const before = kernel.snapshot();
    const steps = prepare(kernel, changes);
    assert.deepEqual(kernel.snapshot(), before);
    apply(kernel, steps);
    assert.deepEqual(verify(kernel, steps), []);
    const after = kernel.snapshot();
    apply(kernel, steps);
    assert.deepEqual(kernel.snapshot(), after);
    assert.deepEqual(undo(kernel, steps), []);
    assert.deepEqual(kernel.snapshot(), before);
    assert.deepEqual(undo(kernel, steps), []);
    assert.deepEqual(kernel.snapshot(), before);
  }));
});

Deno.test("apply() makes all of a plan or nothing, wherever the kernel refuses or drops a change", () => {
  fc.assert(fc.property(plans, fc.constantFrom(errno.EBUSY, errno.EINVAL, errno.ENOSPC, "ignore" as const), (changes, fault) => {
    const kernel = fake();
    const before = kernel.snapshot();
    const steps = prepare(kernel, changes);
    for (let at = 1;; at++) {
      kernel.changeCount = 0;
      kernel.fault = (change) => change === at ? fault : undefined;
      try {
        apply(kernel, steps);
      } catch (error) {
        assert(error instanceof RefusedError, String(error));
        assert.deepEqual(kernel.snapshot(), before);
        continue;
      }
      assert(kernel.changeCount < at, "a fault went unnoticed");
      return assert.deepEqual(verify(kernel, steps), []);
    }
  }));
});

Deno.test("undo() of what was made in part, at any place, leaves nothing", () => {
  fc.assert(fc.property(plans, fc.nat(), (changes, place) => {
    const kernel = fake();
    const before = kernel.snapshot();
    const steps = prepare(kernel, changes);
    apply(kernel, steps.slice(0, place % (steps.length + 1)));
    assert.deepEqual(undo(kernel, steps), []);
    assert.deepEqual(kernel.snapshot(), before);
  }));
});

Deno.test("apply() keeps what others share when it is refused", () => {
  const kernel = fake();
  const [shared, cgroup, cpus] = prepare(kernel, [
    { kind: "controller", what: `${root}:cpuset`, to: "+", why: "", shared: true },
    { kind: "cgroup", what: `${root}/a`, to: "", why: "" },
    { kind: "file", what: `${root}/a/cpuset.cpus`, to: "99", why: "" },
  ]);
  assert.throws(() => apply(kernel, [shared, cgroup, cpus], (step) => step !== shared), /ERANGE/);
  assert.equal(kernel.tryRead(`${root}/cgroup.subtree_control`), "cpuset\n");
  assert(!kernel.exists(`${root}/a`));
});

Deno.test("apply() says which step, what the kernel said, and whether all is undone", () => {
  const kernel = fake();
  const steps = prepare(kernel, [
    { kind: "cgroup", what: `${root}/a`, to: "", why: "container a" },
    { kind: "file", what: `${root}/a/memory.max`, to: "4096", why: "memory limit" },
  ]);
  assert.throws(() => apply(kernel, steps), {
    name: "RefusedError",
    message: /^Cannot apply \/sys\/fs\/cgroup\/a\/memory.max <- 4096 {3}memory limit: .*ENOENT.* \(everything before it was undone\)$/,
  });
  kernel.fault = (change) => change >= 2 ? errno.EBUSY : undefined;
  kernel.changeCount = 0;
  assert.throws(() => apply(kernel, steps), /1 earlier steps could not be undone; run "nodeos restore"/);
});

Deno.test("apply() names root as the remedy when the kernel denies a change", () => {
  const kernel = fake();
  kernel.fault = () => errno.EACCES;
  const steps = prepare(kernel, [{ kind: "cgroup", what: `${root}/a`, to: "", why: "" }]);
  assert.throws(() => apply(kernel, steps), (error) => error instanceof RefusedError && /root/.test(error.remedy ?? ""));
});

Deno.test("apply() puts back a value that the kernel took and made another of", () => {
  const kernel = fake();
  const path = "/sys/kernel/debug/sched/fair_server/cpu0/runtime";
  const write = kernel.write.bind(kernel);
  kernel.write = (asked, text) => write(asked, text === "7" ? "1000" : text);
  const before = kernel.snapshot();
  assert.throws(
    () => apply(kernel, prepare(kernel, [{ kind: "file", what: path, to: "7", why: "" }])),
    /the kernel took the value, and then says "1000"/,
  );
  assert.deepEqual(kernel.snapshot(), before);
});

Deno.test("undo() goes on behind a refusal, and returns what is left in the order of the steps", () => {
  const kernel = fake();
  const server = (cpu: number) => `/sys/kernel/debug/sched/fair_server/cpu${cpu}/runtime`;
  const steps = prepare(kernel, [0, 1, 2].map((cpu) => ({ kind: "file", what: server(cpu), to: "0", why: "" })));
  apply(kernel, steps);
  kernel.fault = (_, path) => path === server(1) ? errno.EBUSY : path === server(2) ? "ignore" : undefined;
  const left = undo(kernel, steps);
  assert.deepEqual(left.map(({ step }) => step), [steps[1], steps[2]]);
  assert.match(left[0].found ?? "", /^0 \(.*EBUSY.*\)$/);
  assert.equal(left[1].found, "0");
  assert.equal(kernel.read(server(0)), "50000000\n");
});

Deno.test("undo() does not stop at a thing that cannot even be read", () => {
  const kernel = fake();
  const path = "/proc/sys/kernel/sched_rt_runtime_us";
  const steps = prepare(kernel, [
    { kind: "cgroup", what: `${root}/a`, to: "", why: "" },
    { kind: "file", what: path, to: "-1", why: "" },
  ]);
  apply(kernel, steps);
  const readable = kernel.tryRead.bind(kernel);
  kernel.tryRead = (asked) => {
    if (asked === path) throw new Error("EIO");
    return readable(asked);
  };
  assert.deepEqual(undo(kernel, steps), [{ step: steps[1], found: "unreadable (EIO)" }]);
  assert(!kernel.exists(`${root}/a`));
});

Deno.test("undo() takes what is gone for undone", () => {
  const kernel = fake();
  const steps = prepare(kernel, [{ kind: "cgroup", what: `${root}/a`, to: "", why: "" }]);
  apply(kernel, steps);
  kernel.removeDirectory(`${root}/a`);
  assert.deepEqual(undo(kernel, steps), []);
});

Deno.test("verify() tells what somebody else changed, and what is gone", () => {
  const kernel = fake();
  const path = "/proc/sys/kernel/sched_rt_runtime_us";
  const steps = prepare(kernel, [
    { kind: "file", what: path, to: "-1", why: "" },
    { kind: "cgroup", what: `${root}/a`, to: "", why: "" },
  ]);
  apply(kernel, steps);
  kernel.write(path, "500000");
  kernel.removeDirectory(`${root}/a`);
  assert.deepEqual(verify(kernel, steps), [{ step: steps[0], found: "500000" }, { step: steps[1], found: null }]);
});

Deno.test("prepare() finds null where there is nothing yet", () => {
  const kernel = fake();
  const steps = prepare(kernel, [
    { kind: "cgroup", what: `${root}/a`, to: "", why: "" },
    { kind: "file", what: `${root}/a/cpuset.cpus`, to: "1", why: "" },
    { kind: "controller", what: `${root}:cpuset`, to: "+", why: "" },
    { kind: "controller", what: `${root}/a:cpuset`, to: "+", why: "" },
  ]);
  assert.deepEqual(steps.map(({ from }) => from), [null, null, "-", null]);
});

Deno.test("apply() goes on behind what the kernel may refuse, tells it, and leaves it as it was", () => {
  const kernel = fake();
  const server = (cpu: number) => `/sys/kernel/debug/sched/fair_server/cpu${cpu}/runtime`;
  const steps = prepare(kernel, [0, 1, 2, 3].map((cpu) => ({ kind: "file", what: server(cpu), to: "0", why: "", ifAllowed: true })));
  const write = kernel.write.bind(kernel);
  // One it refuses, one it does not heed, of one it makes something else.
  kernel.fault = (_, path) => path === server(0) ? errno.EBUSY : path === server(1) ? "ignore" : undefined;
  kernel.write = (path, text) => write(path, path === server(2) && text === "0" ? "7" : text);
  const before = kernel.snapshot();
  assert.deepEqual(apply(kernel, steps), steps.slice(0, 3));
  assert.deepEqual(kernel.snapshot(), { ...before, [server(3)]: "0" });
});

Deno.test("verify() takes what was refused for right as long as it is as it was", () => {
  const kernel = fake();
  const what = "/sys/kernel/debug/sched/fair_server/cpu0/runtime";
  const [step] = prepare(kernel, [{ kind: "file", what, to: "0", why: "", ifAllowed: true }]);
  assert.deepEqual(verify(kernel, [{ ...step, refused: true }]), []);
  assert.equal(verify(kernel, [step]).length, 1);
  kernel.write(what, "0");
  assert.deepEqual(verify(kernel, [{ ...step, refused: true }]), []);
  kernel.write(what, "5");
  assert.deepEqual(verify(kernel, [{ ...step, refused: true }]).map(({ found }) => found), ["5"]);
});

Deno.test("apply(), verify() and undo() take a thread that ended for done", () => {
  const [mover, ender] = [firstFakeTid, firstFakeTid + 1];
  const kernel = new FakeKernel({ version: 2, cpuCount: 4, tasks: [{ pid: mover, name: "a" }, { pid: ender, name: "b" }] });
  kernel.makeDirectory(`${root}/a`);
  const member = (tid: number, start: string) => ({ kind: "member", what: `${tid}:${start}@${root}:`, to: "/a", why: "" }) as const;
  const starts = [mover, ender].map((tid) => kernel.read(`/proc/${tid}/stat`).split(" ")[21]);
  const steps = prepare(kernel, [member(mover, starts[0]), member(ender, starts[1])]);
  assert.deepEqual(steps.map(({ from }) => from), ["/", "/"]);
  kernel.tasks.end(ender);
  assert.deepEqual(apply(kernel, steps), []);
  assert.deepEqual(verify(kernel, steps), []);
  assert.equal(kernel.tasks.placeOf(mover, root), "/a");
  kernel.tasks.end(mover);
  assert.deepEqual(verify(kernel, steps), []);
  assert.deepEqual(undo(kernel, steps), []);
});

Deno.test("undo() of a refuge that does not empty says so", () => {
  const kernel = new FakeKernel({ version: 2, cpuCount: 4, tasks: [{ pid: firstFakeTid, name: "a" }] });
  const steps = prepare(kernel, [{ kind: "refuge", what: `${root}/others`, to: "", why: "" }]);
  apply(kernel, steps);
  kernel.write(`${root}/others/cgroup.procs`, `${firstFakeTid}`);
  kernel.fault = (_, path) => path === `${root}/cgroup.procs` ? "ignore" : undefined;
  assert.match(undo(kernel, steps)[0].found!, /EBUSY/);
  kernel.fault = () => undefined;
  assert.deepEqual(undo(kernel, steps), []);
  assert.equal(kernel.tasks.placeOf(firstFakeTid, root), "/");
});

Deno.test("undo() says what the kernel refused, also where it leaves less of a list by itself", () => {
  const kernel = new FakeKernel({ version: 2, cpuCount: 4, settings: true });
  const what = "/proc/irq/24/smp_affinity_list";
  const steps = prepare(kernel, [{ kind: "file", what, to: "0-1", why: "" }]);
  apply(kernel, steps);
  kernel.fault = () => errno.EBUSY;
  assert.match(undo(kernel, steps)[0].found!, /^0-1 \(.*EBUSY/);
});

Deno.test("undo() gives a file of a new cgroup back its first value before the cgroup goes, which the kernel takes apart later", () => {
  const kernel = fake();
  const partition = `${root}/a/cpuset.cpus.partition`;
  const steps = prepare(kernel, [
    { kind: "controller", what: `${root}:cpuset`, to: "+", why: "" },
    { kind: "cgroup", what: `${root}/a`, to: "", why: "" },
    { kind: "file", what: `${root}/a/cpuset.cpus`, to: "4-5", why: "", initial: "" },
    { kind: "file", what: partition, to: "isolated", why: "", initial: "member" },
  ]);
  assert.deepEqual(steps.map(({ from }) => from), ["-", null, "", "member"]);
  apply(kernel, steps);
  const written: string[] = [];
  const write = kernel.write.bind(kernel);
  kernel.write = (path, text) => {
    written.push(`${path} <- ${text.trim()}`);
    write(path, text);
  };
  assert.deepEqual(undo(kernel, steps), []);
  assert.deepEqual(written.slice(0, 2), [`${partition} <- member`, `${root}/a/cpuset.cpus <- `]);
  assert(!kernel.exists(`${root}/a`));
});
