import assert from "node:assert/strict";
import { errno } from "../../../ffi/errors.ts";
import { drivers } from "../../../lib/plan/driver.ts";
import { formatCpuList } from "../../../lib/kernel/cpulist.ts";
import { apply, prepare, undo } from "../../../lib/plan/executor.ts";
import { FakeKernel } from "../../fake_kernel.ts";
import { firstFakeTid } from "../../fake_tasks.ts";
import { cpusetMount, kernel, ownCpus, startTicksOf, TestCgroup } from "../../ffi/host.ts";

const root = "/sys/fs/cgroup";
const fake = () => new FakeKernel({ version: 2, cpuCount: 4 });

/** A process of our own that sleeps until disposed. */
class Sleeper implements AsyncDisposable {
  readonly child = new Deno.Command("sleep", { args: ["60"] }).spawn();
  readonly what = `${this.child.pid}:${startTicksOf(this.child.pid)}`;

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.child.status;
  }
}

Deno.test("drivers.file reads text without its newline, and null where there is no file", () => {
  assert.equal(drivers.file.read(fake(), "/proc/sys/kernel/sched_rt_runtime_us"), "950000");
  assert.equal(drivers.file.read(fake(), "/proc/sys/kernel/no_such_thing"), null);
});

Deno.test("drivers.file empties a file, for which the kernel needs a byte", () => {
  const machine = fake();
  apply(
    machine,
    prepare(machine, [
      { kind: "controller", what: `${root}:cpuset`, to: "+", why: "" },
      { kind: "cgroup", what: `${root}/a`, to: "", why: "" },
    ]),
  );
  const steps = prepare(machine, [{ kind: "file", what: `${root}/a/cpuset.cpus`, to: "1", why: "" }]);
  assert.equal(steps[0].from, "");
  apply(machine, steps);
  assert.deepEqual(undo(machine, steps), []);
  assert.equal(machine.read(`${root}/a/cpuset.cpus`), "\n");
});

Deno.test({
  name: "drivers.file empties a cpuset of the running kernel [needs root and cgroup v1 with cpuset]",
  ignore: cpusetMount === null,
  fn() {
    using group = new TestCgroup(cpusetMount!, "empty");
    const steps = prepare(kernel, [{ kind: "file", what: `${group.path}/cpuset.cpus`, to: `${ownCpus[0]}`, why: "" }]);
    assert.equal(steps[0].from, "");
    apply(kernel, steps);
    assert.deepEqual(undo(kernel, steps), []);
    assert.equal(kernel.read(steps[0].what), "\n");
  },
});

Deno.test("drivers.cgroup removes a cgroup with those that programs made inside it", () => {
  const machine = fake();
  const before = machine.snapshot();
  for (const path of ["a", "a/b", "a/b/c", "a/d"]) machine.makeDirectory(`${root}/${path}`);
  drivers.cgroup.write(machine, `${root}/a`, null);
  assert.deepEqual(machine.snapshot(), before);
});

Deno.test("drivers.cgroup says EBUSY of a cgroup in which a process lives", () => {
  const machine = fake();
  machine.makeDirectory(`${root}/a`);
  machine.files.set(`${root}/a/cgroup.procs`, "4711");
  assert.throws(() => drivers.cgroup.write(machine, `${root}/a`, null), { errno: errno.EBUSY });
  assert.equal(drivers.cgroup.read(machine, `${root}/a`), "");
});

Deno.test("drivers.controller reads one of several controllers, and null without a cgroup", () => {
  const machine = new FakeKernel({ version: 2, cpuCount: 4, enabled: ["cpu", "memory"] });
  assert.equal(drivers.controller.read(machine, `${root}:memory`), "+");
  assert.equal(drivers.controller.read(machine, `${root}:cpuset`), "-");
  assert.equal(drivers.controller.read(machine, `${root}:mem`), "-");
  assert.equal(drivers.controller.read(machine, `${root}/none:cpuset`), null);
});

Deno.test("drivers.controller leaves the other controllers as they are", () => {
  const machine = new FakeKernel({ version: 2, cpuCount: 4, enabled: ["memory"] });
  const steps = prepare(machine, [{ kind: "controller", what: `${root}:cpuset`, to: "+", why: "" }]);
  apply(machine, steps);
  assert.equal(machine.read(`${root}/cgroup.subtree_control`), "cpuset memory\n");
  undo(machine, steps);
  assert.equal(machine.read(`${root}/cgroup.subtree_control`), "memory\n");
});

Deno.test("drivers.choice reads the word in brackets, and writes the word alone", () => {
  const machine = new FakeKernel({ version: 2, cpuCount: 4, settings: true });
  const path = "/sys/kernel/mm/transparent_hugepage/enabled";
  assert.equal(drivers.choice.read(machine, path), "always");
  const steps = prepare(machine, [{ kind: "choice", what: path, to: "madvise", why: "" }]);
  apply(machine, steps);
  assert.equal(machine.read(path), "always [madvise] never\n");
  assert.deepEqual(undo(machine, steps), []);
  assert.equal(drivers.choice.read(machine, path), "always");
  assert.equal(drivers.choice.read(machine, "/sys/none"), null);
  assert.equal(drivers.choice.read(machine, "/proc/sys/kernel/watchdog"), null);
});

for (const version of [1, 2] as const) {
  const mount = version === 1 ? `${root}/cpuset` : root;
  const controller = version === 1 ? "cpuset" : "";
  const [first, second] = [firstFakeTid, firstFakeTid + 1];
  const crowd = () => {
    const tasks = [{ pid: first, name: "a" }, { pid: first, tid: second, name: "a thread" }];
    const machine = new FakeKernel({ version, cpuCount: 4, tasks, enabled: ["cpuset"] });
    drivers.refuge.write(machine, `${mount}/others`, "");
    for (const [name, value] of [["cpus", "0-3"], ["mems", "0"]]) machine.write(`${mount}/others/cpuset.${name}`, value);
    const what = (tid: number) => `${tid}:${machine.read(`/proc/${tid}/stat`).split(") ")[1].split(" ")[19]}@${mount}:${controller}`;
    const places = () => [first, second].map((tid) => machine.tasks.placeOf(tid, mount));
    return { machine, what, places };
  };

  Deno.test(`drivers.member on version ${version} moves ${version === 1 ? "one thread" : "a process as a whole"}, and takes it back`, () => {
    const { machine, what, places } = crowd();
    assert.equal(drivers.member.read(machine, what(first)), "/");
    drivers.member.write(machine, what(first), "/others");
    assert.deepEqual(places(), version === 1 ? ["/others", "/"] : ["/others", "/others"]);
    assert.equal(drivers.member.read(machine, what(first)), "/others");
    drivers.member.write(machine, what(first), "/");
    assert.deepEqual(places(), ["/", "/"]);
  });

  Deno.test(`drivers.member on version ${version} does nothing about a thread that ended, or has the number of one`, () => {
    const { machine, what, places } = crowd();
    const stranger = what(first).replace(/\d@/, (digit) => `${(Number(digit[0]) + 1) % 10}@`);
    assert.equal(drivers.member.read(machine, stranger), null);
    drivers.member.write(machine, stranger, "/others");
    assert.deepEqual(places(), ["/", "/"]);
    const ended = what(second);
    // It ends between our look and our write.
    const { write } = machine;
    machine.write = function (path, text) {
      machine.tasks.end(second);
      write.call(machine, path, text);
    };
    drivers.member.write(machine, ended, "/others");
    assert.equal(drivers.member.read(machine, ended), null);
  });

  Deno.test(`drivers.refuge on version ${version} sends who is left in it to the root, and goes`, () => {
    const { machine, what, places } = crowd();
    drivers.member.write(machine, what(first), "/others");
    machine.tasks.fork(first, firstFakeTid + 5);
    assert.equal(drivers.refuge.read(machine, `${mount}/others`), "");
    drivers.refuge.write(machine, `${mount}/others`, null);
    assert.deepEqual(places(), ["/", "/"]);
    assert.equal(machine.tasks.placeOf(firstFakeTid + 5, mount), "/");
    assert.equal(drivers.refuge.read(machine, `${mount}/others`), null);
  });
}

Deno.test("drivers.workqueue reads the mask that was asked for, where the kernel tells it from the one in force", () => {
  const machine = new FakeKernel({ version: 2, cpuCount: 4, settings: true });
  const path = "/sys/devices/virtual/workqueue/cpumask";
  assert.equal(drivers.workqueue.read(machine, path), "f");
  drivers.workqueue.write(machine, path, "3");
  assert.equal(drivers.workqueue.read(machine, path), "3");
  machine.files.set(`${path}_requested`, "7");
  assert.equal(drivers.workqueue.read(machine, path), "7");
});

Deno.test({
  name: "drivers.affinity moves a thread and takes it back [needs two CPUs]",
  ignore: ownCpus.length < 2,
  async fn() {
    await using sleeper = new Sleeper();
    const steps = prepare(kernel, [{ kind: "affinity", what: sleeper.what, to: `${ownCpus[1]}`, why: "" }]);
    assert.equal(steps[0].from, formatCpuList(ownCpus));
    const allowed = () => /^Cpus_allowed_list:\s*(.*)$/m.exec(kernel.read(`/proc/${sleeper.child.pid}/status`))?.[1];
    apply(kernel, steps);
    assert.equal(allowed(), `${ownCpus[1]}`);
    assert.deepEqual(undo(kernel, steps), []);
    assert.equal(allowed(), formatCpuList(ownCpus));
  },
});

Deno.test("drivers.affinity does not touch a thread that has the number of one that ended", async () => {
  await using sleeper = new Sleeper();
  const stranger = sleeper.what.replace(/\d$/, (digit) => `${(Number(digit) + 1) % 10}`);
  assert.equal(drivers.affinity.read(kernel, stranger), null);
  drivers.affinity.write(kernel, stranger, `${ownCpus[0]}`);
  assert.equal(drivers.affinity.read(kernel, sleeper.what), formatCpuList(ownCpus));
});

Deno.test("drivers.affinity takes an ended thread for gone", async () => {
  const sleeper = new Sleeper();
  await sleeper[Symbol.asyncDispose]();
  assert.equal(drivers.affinity.read(kernel, sleeper.what), null);
  drivers.affinity.write(kernel, sleeper.what, "0");
});

Deno.test("drivers.affinity takes a thread for gone that ends between two looks", () => {
  // Its stat is there, but no thread of the running machine has the number.
  const machine = fake();
  machine.addProcess(2 ** 30, 5);
  assert.equal(drivers.affinity.read(machine, `${2 ** 30}:5`), null);
  drivers.affinity.write(machine, `${2 ** 30}:5`, "0");
});

Deno.test("drivers.affinity passes on that a CPU does not exist", async () => {
  await using sleeper = new Sleeper();
  assert.throws(() => drivers.affinity.write(kernel, sleeper.what, "4095"), { errno: errno.EINVAL });
});

Deno.test("drivers.workqueue reads the mask that was asked for, where the kernel tells it, and writes the one that counts", () => {
  const mask = "/sys/devices/virtual/workqueue/cpumask";
  const machine = fake();
  assert.equal(drivers.workqueue.read(machine, mask), null);
  machine.files.set(mask, "13");
  assert.equal(drivers.workqueue.read(machine, mask), "13");
  machine.files.set(`${mask}_requested`, "33");
  assert.equal(drivers.workqueue.read(machine, mask), "33");
  drivers.workqueue.write(machine, mask, "11");
  assert.deepEqual([machine.read(mask), machine.read(`${mask}_requested`)], ["11\n", "33\n"]);
});
