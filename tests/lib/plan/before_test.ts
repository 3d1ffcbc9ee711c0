import assert from "node:assert/strict";
import { asBefore } from "../../../lib/plan/before.ts";
import { emptyLedger, type Ledger } from "../../../lib/plan/ledger.ts";
import { FakeKernel } from "../../fake_kernel.ts";

Deno.test("asBefore() shows shared settings as they were, and everything else as it is", () => {
  const kernel = new FakeKernel({ version: 1, cpuCount: 4, rtGroups: true, fairServer: true });
  const throttle = "/proc/sys/kernel/sched_rt_runtime_us";
  const server = "/sys/kernel/debug/sched/fair_server/cpu1/runtime";
  const steps = [
    { kind: "file", what: throttle, from: "950000", to: "-1", why: "", shared: true },
    { kind: "file", what: server, from: "50000000", to: "0", why: "" },
    { kind: "file", what: "/gone", from: null, to: "1", why: "", shared: true },
  ] as const;
  kernel.write(throttle, "-1");
  kernel.write(server, "0");
  const ledger: Ledger = { ...emptyLedger("boot"), holdings: [{ name: "a", owner: null, spec: {}, createdAtMs: 0, steps }] };
  const before = asBefore(kernel, ledger);
  assert.equal(before.read(throttle), "950000\n");
  assert.equal(before.tryRead(throttle), "950000\n");
  assert.equal(before.read(server), "0\n");
  assert.equal(before.tryRead("/gone"), null);
  assert(before.exists(throttle) && !before.exists("/gone"));
  assert.deepEqual(before.list("/sys/fs/cgroup"), kernel.list("/sys/fs/cgroup"));
  assert.equal(asBefore(kernel, emptyLedger("boot")).read(throttle), "-1\n");
});
