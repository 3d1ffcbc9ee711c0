import assert from "node:assert/strict";
import { errno } from "../../../ffi/errors.ts";
import { apply, prepare, verify } from "../../../lib/plan/executor.ts";
import { mend } from "../../../lib/plan/mend.ts";
import type { Change } from "../../../lib/plan/step.ts";
import { FakeKernel } from "../../fake_kernel.ts";
import "./world.ts";

const root = "/sys/fs/cgroup";
const throttle = "/proc/sys/kernel/sched_rt_runtime_us";
const changes: Change[] = [
  { kind: "controller", what: `${root}:cpuset`, to: "+", why: "" },
  { kind: "cgroup", what: `${root}/a`, to: "", why: "" },
  { kind: "file", what: `${root}/a/cpuset.cpus`, to: "2-3", why: "" },
  { kind: "file", what: `${root}/a/cpuset.cpus.partition`, to: "isolated", why: "" },
  { kind: "file", what: throttle, to: "-1", why: "" },
];

function made() {
  const kernel = new FakeKernel({ version: 2, cpuCount: 4 });
  const steps = prepare(kernel, changes);
  apply(kernel, steps);
  return { kernel, steps, good: kernel.snapshot() };
}

Deno.test("mend() makes true again what somebody else changed, also a cgroup that is gone with all in it", () => {
  const { kernel, steps, good } = made();
  kernel.write(throttle, "500000");
  kernel.removeDirectory(`${root}/a`);
  mend(kernel, verify(kernel, steps));
  assert.deepEqual(verify(kernel, steps), []);
  assert.deepEqual(kernel.snapshot(), good);
});

Deno.test("mend() makes a broken partition a member first: the kernel does not look at it again otherwise", () => {
  const { kernel, steps } = made();
  const partition = `${root}/a/cpuset.cpus.partition`;
  const written: string[] = [];
  const write = kernel.write.bind(kernel);
  kernel.write = (path, text) => {
    written.push(text);
    write(path, text);
  };
  kernel.files.set(partition, "isolated invalid (Cpu list in cpuset.cpus not exclusive)");
  mend(kernel, verify(kernel, steps));
  assert.deepEqual(written, ["member", "isolated"]);
  assert.deepEqual(verify(kernel, steps), []);

  written.length = 0;
  write(partition, "member");
  mend(kernel, verify(kernel, steps));
  assert.deepEqual(written, ["isolated"]);
});

Deno.test("mend() goes on behind what the kernel refuses", () => {
  const { kernel, steps } = made();
  kernel.write(throttle, "500000");
  kernel.write(`${root}/a/cpuset.cpus`, "2");
  kernel.fault = (_, path) => path.endsWith("/cpuset.cpus") ? errno.EBUSY : undefined;
  mend(kernel, verify(kernel, steps));
  assert.deepEqual(verify(kernel, steps).map(({ step, found }) => [step.what, found]), [[`${root}/a/cpuset.cpus`, "2"]]);
});

Deno.test("mend() leaves what a driver refuses, and goes on", () => {
  const machine = new FakeKernel({ version: 2, cpuCount: 4, hugePages: [{ pageBytes: 2 ** 21, roomCount: 4 }] });
  const pool = "/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages";
  const steps = prepare(machine, [{ kind: "pool", what: pool, to: "8", why: "" }, { kind: "file", what: throttle, to: "-1", why: "" }]);
  mend(machine, verify(machine, steps));
  assert.deepEqual(verify(machine, steps).map(({ step }) => step.kind), ["pool"]);
});
