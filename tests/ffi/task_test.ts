import assert from "node:assert/strict";
import fc from "fast-check";
import { errno } from "../../ffi/errors.ts";
import {
  cpuWords,
  getAffinity,
  getMemoryPolicy,
  getScheduling,
  maskOf,
  memoryModes,
  policies,
  resetOnFork,
  sendSignal,
  setAffinity,
  setMemoryPolicy,
  setScheduling,
} from "../../ffi/task.ts";
import { isRoot, kernel, ownCpus, startTicksOf } from "./host.ts";

/** A process of our own that sleeps until disposed. */
class Sleeper implements AsyncDisposable {
  readonly child = new Deno.Command("sleep", { args: ["60"] }).spawn();
  readonly pid = this.child.pid;

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.child.kill("SIGKILL");
    } catch (error) {
      // It has ended already: some tests are about that.
      if (!(error instanceof Deno.errors.NotFound || error instanceof TypeError)) throw error;
    }
    await this.child.status;
  }
}

const fair = { flags: 0n, nice: 0, priority: 0, runtimeNs: 0n, deadlineNs: 0n, periodNs: 0n };
const gone = 2 ** 22 + 1;

Deno.test("maskOf() sets exactly the bits of its numbers", () => {
  fc.assert(fc.property(fc.uniqueArray(fc.nat(255)), (numbers) => {
    const mask = maskOf(numbers, 4);
    const bits = [...Array(256).keys()].filter((bit) => mask[bit >> 6] >> BigInt(bit & 63) & 1n);
    assert.deepEqual(bits, numbers.toSorted((a, b) => a - b));
  }));
});

Deno.test("maskOf() refuses what does not fit", () => {
  for (const odd of [256, -1, 0.5, NaN, Infinity]) {
    assert.throws(() => maskOf([0, odd], 4), { name: "RangeError", message: /mask of 256 bits/ });
  }
  assert.equal(maskOf([], cpuWords).length, 64);
});

Deno.test({
  name: "getAffinity() finds what setAffinity() set [needs two CPUs]",
  ignore: ownCpus.length < 2,
  async fn() {
    await using sleeper = new Sleeper();
    assert.deepEqual(getAffinity(sleeper.pid), ownCpus);
    for (const cpus of [[ownCpus[0]], [ownCpus[1]], ownCpus]) {
      setAffinity(sleeper.pid, cpus);
      assert.deepEqual(getAffinity(sleeper.pid), cpus);
      assert.match(kernel.read(`/proc/${sleeper.pid}/status`), new RegExp(`^Cpus_allowed_list:\\t${cpus[0]}\\b`, "m"));
    }
  },
});

Deno.test("setAffinity() says EINVAL of CPUs that are not there, and changes nothing", async () => {
  await using sleeper = new Sleeper();
  assert.throws(() => setAffinity(sleeper.pid, [4095]), { errno: errno.EINVAL });
  assert.throws(() => setAffinity(sleeper.pid, []), { errno: errno.EINVAL });
  assert.throws(() => setAffinity(sleeper.pid, [4096]), RangeError);
  assert.deepEqual(getAffinity(sleeper.pid), ownCpus);
});

Deno.test("getScheduling() finds what setScheduling() set", async () => {
  await using sleeper = new Sleeper();
  for (const nice of [0, 3, 19]) {
    setScheduling(sleeper.pid, { policy: policies.other, nice });
    const { policy, nice: found } = getScheduling(sleeper.pid);
    assert.deepEqual([policy, found], [policies.other, nice]);
  }
  setScheduling(sleeper.pid, { policy: policies.batch, nice: 19 });
  assert.equal(getScheduling(sleeper.pid).policy, policies.batch);
  setScheduling(sleeper.pid, { policy: policies.idle });
  assert.equal(getScheduling(sleeper.pid).policy, policies.idle);
});

Deno.test({
  name: "setScheduling() makes a process real-time and fair again [needs root]",
  ignore: !isRoot,
  async fn() {
    await using sleeper = new Sleeper();
    setScheduling(sleeper.pid, { policy: policies.fifo, priority: 7, flags: resetOnFork });
    assert.deepEqual({ ...getScheduling(sleeper.pid) }, { ...fair, policy: policies.fifo, priority: 7, flags: resetOnFork });
    setScheduling(sleeper.pid, { policy: policies.rr, priority: 99 });
    assert.deepEqual({ ...getScheduling(sleeper.pid) }, { ...fair, policy: policies.rr, priority: 99 });
    setScheduling(sleeper.pid, { policy: policies.other });
    const { policy, priority } = getScheduling(sleeper.pid);
    assert.deepEqual([policy, priority], [policies.other, 0]);
  },
});

Deno.test("setScheduling() refuses what the kernel refuses", async () => {
  await using sleeper = new Sleeper();
  for (
    const scheduling of [{ policy: policies.fifo, priority: 100 }, { policy: policies.fifo }, { policy: 77 }, {
      policy: policies.other,
      priority: 3,
    }]
  ) {
    assert.throws(() => setScheduling(sleeper.pid, scheduling), { name: "SysError", errno: errno.EINVAL });
  }
});

Deno.test("every call about a thread that is gone says ESRCH", () => {
  assert.throws(() => getAffinity(gone), { errno: errno.ESRCH });
  assert.throws(() => setAffinity(gone, [ownCpus[0]]), { errno: errno.ESRCH });
  assert.throws(() => getScheduling(gone), { errno: errno.ESRCH });
  assert.throws(() => setScheduling(gone, { policy: policies.other }), { errno: errno.ESRCH });
});

Deno.test("getMemoryPolicy() finds what setMemoryPolicy() set", () => {
  assert.deepEqual(getMemoryPolicy(), { mode: memoryModes.default, nodes: [] });
  try {
    setMemoryPolicy(memoryModes.bind, [0]);
    assert.deepEqual(getMemoryPolicy(), { mode: memoryModes.bind, nodes: [0] });
  } finally {
    setMemoryPolicy(memoryModes.default, []);
  }
  assert.deepEqual(getMemoryPolicy(), { mode: memoryModes.default, nodes: [] });
  assert.throws(() => setMemoryPolicy(memoryModes.bind, [1023]), { errno: errno.EINVAL });
  assert.throws(() => setMemoryPolicy(memoryModes.bind, []), { errno: errno.EINVAL });
});

Deno.test("sendSignal() reaches the process that it was told of", async () => {
  await using sleeper = new Sleeper();
  assert.equal(sendSignal(sleeper.pid, BigInt(startTicksOf(sleeper.pid)), 15), true);
  assert.equal((await sleeper.child.status).signal, "SIGTERM");
});

Deno.test("sendSignal() spares a process that got the number of another", async () => {
  await using sleeper = new Sleeper();
  const start = BigInt(startTicksOf(sleeper.pid));
  for (const other of [start - 1n, start + 1n, 0n]) assert.equal(sendSignal(sleeper.pid, other, 9), false);
  // Signal 0 only asks: it lives.
  assert.equal(sendSignal(sleeper.pid, start, 0), true);
});

Deno.test("sendSignal() is false for a process that is gone, and refuses numbers that are none", async () => {
  const sleeper = new Sleeper();
  const start = BigInt(startTicksOf(sleeper.pid));
  await sleeper[Symbol.asyncDispose]();
  assert.equal(sendSignal(sleeper.pid, start, 15), false);
  assert.equal(sendSignal(gone, 1n, 15), false);
  assert.throws(() => sendSignal(-1, 1n, 15), { errno: errno.EINVAL });
  assert.throws(() => sendSignal(Deno.pid, BigInt(startTicksOf(Deno.pid)), 4096), { errno: errno.EINVAL });
});
