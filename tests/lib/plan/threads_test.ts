import assert from "node:assert/strict";
import fc from "fast-check";
import { getAffinity, getScheduling, policies, setAffinity, setScheduling } from "../../../ffi/task.ts";
import { joinCgroup, notePins, pinned, readPins, repin, reschedule, restorePins } from "../../../lib/plan/threads.ts";
import { FakeKernel } from "../../fake_kernel.ts";
import { firstFakeTid } from "../../fake_tasks.ts";
import { kernel, ownCpus, startTicksOf } from "../../ffi/host.ts";
import "./world.ts";

const lacksCpus = ownCpus.length < 2;
const note = lacksCpus ? " [needs two CPUs]" : "";

/** A process of the test's own. */
class Sleeper implements AsyncDisposable {
  readonly #child = new Deno.Command("sleep", { args: ["100"] }).spawn();
  readonly pid = this.#child.pid;

  async end(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.end();
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
  }
}

Deno.test("pinned() keeps what is left of a choice, and else takes the new CPU of the same rank", () => {
  assert.deepEqual(pinned([3, 4], [2, 3, 4, 5], [4, 5, 6]), [4]);
  assert.deepEqual(pinned([2], [2, 3], [6, 7]), [6]);
  assert.deepEqual(pinned([3], [2, 3], [6, 7]), [7]);
  assert.deepEqual(pinned([5], [2, 3, 4, 5], [6, 7]), [7]);
  assert.deepEqual(pinned([2, 4], [2, 3, 4], [6, 7]), [6]);
  // One that is on a CPU which was never the container's.
  assert.deepEqual(pinned([0], [2, 3], [6, 7]), [6]);
});

Deno.test("pinned() gives new CPUs only, at least one, and threads that were apart stay so while there are enough", () => {
  const cpus = fc.uniqueArray(fc.nat(31), { minLength: 1 }).map((list) => list.sort((a, b) => a - b));
  fc.assert(fc.property(cpus, cpus, (old, now) => {
    const places = old.map((cpu) => pinned([cpu], old, now));
    assert(places.every((place) => place.length === 1 && now.includes(place[0])));
    const isShifted = old.every((cpu) => !now.includes(cpu));
    if (isShifted && now.length >= old.length) assert.equal(new Set(places.flat()).size, old.length);
  }));
});

Deno.test({
  name: `repin() widens threads that might run anywhere, and keeps the choice of the others${note}`,
  ignore: lacksCpus,
  async fn() {
    await using wide = new Sleeper();
    await using chosen = new Sleeper();
    const [first, second] = ownCpus;
    setAffinity(wide.pid, [first]);
    setAffinity(chosen.pid, [first]);
    // As if the container had had the first CPU and one that is not here.
    const pins = new Map([[wide.pid, [first, 4000]], [chosen.pid, [first]]]);
    repin(pins, [first, 4000], [first, second]);
    assert.deepEqual(getAffinity(wide.pid), [first, second]);
    assert.deepEqual(getAffinity(chosen.pid), [first]);
    repin(readPins([wide.pid, chosen.pid]), [first, second], [second]);
    assert.deepEqual(getAffinity(wide.pid), [second]);
    assert.deepEqual(getAffinity(chosen.pid), [second]);
  },
});

Deno.test({
  name: `restorePins() gives threads exactly what was noted${note}`,
  ignore: lacksCpus,
  async fn() {
    await using sleeper = new Sleeper();
    setAffinity(sleeper.pid, [ownCpus[1]]);
    const pins = notePins(kernel, [sleeper.pid, 2 ** 30]);
    assert.deepEqual(pins, { [`${sleeper.pid}:${startTicksOf(sleeper.pid)}`]: `${ownCpus[1]}` });
    setAffinity(sleeper.pid, ownCpus);
    restorePins(kernel, pins);
    assert.deepEqual(getAffinity(sleeper.pid), [ownCpus[1]]);
    // A later thread of the same number is another one.
    restorePins(kernel, { [`${sleeper.pid}:1`]: `${ownCpus[0]}` });
    assert.deepEqual(getAffinity(sleeper.pid), [ownCpus[1]]);
  },
});

Deno.test("reschedule() changes threads that have the container's scheduling, and leaves alone who has another", async () => {
  await using usual = new Sleeper();
  await using other = new Sleeper();
  setScheduling(other.pid, { policy: policies.idle });
  reschedule([usual.pid, other.pid], { policy: policies.other, nice: 0 }, { policy: policies.batch, nice: 3 });
  assert.equal(getScheduling(usual.pid).policy, policies.batch);
  assert.equal(getScheduling(usual.pid).nice, 3);
  assert.equal(getScheduling(other.pid).policy, policies.idle);
});

Deno.test("threads that ended are nobody's problem", async () => {
  const sleeper = new Sleeper();
  const { pid } = sleeper;
  const start = startTicksOf(pid);
  await sleeper.end();
  assert.deepEqual(readPins([pid]), new Map());
  assert.deepEqual(notePins(kernel, [pid]), {});
  repin(new Map([[pid, [ownCpus[0]]]]), [ownCpus[0]], [ownCpus[0]]);
  restorePins(kernel, { [`${pid}:${start}`]: "0" });
  reschedule([pid], { policy: policies.other }, { policy: policies.batch });
});

Deno.test("joinCgroup() moves threads on version 1, processes on version 2, and leaves out who ended", () => {
  const tasks = [{ pid: firstFakeTid, name: "a" }, { pid: firstFakeTid, tid: firstFakeTid + 1, name: "b" }];
  const ids = [firstFakeTid + 1, firstFakeTid + 9];
  const first = new FakeKernel({ version: 1, cpuCount: 4, tasks });
  first.makeDirectory("/sys/fs/cgroup/memory/a");
  joinCgroup(first, "/sys/fs/cgroup/memory/a", ids);
  assert.equal(first.read("/sys/fs/cgroup/memory/a/tasks"), `${firstFakeTid + 1}\n`);
  assert.equal(first.tasks.placeOf(firstFakeTid, "/sys/fs/cgroup/memory"), "/");

  const second = new FakeKernel({ version: 2, cpuCount: 4, tasks });
  second.makeDirectory("/sys/fs/cgroup/a");
  joinCgroup(second, "/sys/fs/cgroup/a", ids);
  assert.equal(second.read("/sys/fs/cgroup/a/cgroup.procs"), `${firstFakeTid}\n`);
});
