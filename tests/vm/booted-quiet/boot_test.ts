import assert from "node:assert/strict";
import { getAffinity } from "../../../ffi/task.ts";
import { readTopology } from "../../../lib/kernel/topology.ts";
import { guestTest, kernel, nodeosOutput, read } from "../guest.ts";

guestTest("isolcpus, nohz_full, rcu_nocbs and irqaffinity are active, and the doctor sees them", async () => {
  const { bootIsolatedCpus, nohzFullCpus } = readTopology(kernel);
  assert.deepEqual({ bootIsolatedCpus, nohzFullCpus }, { bootIsolatedCpus: [4, 5, 6, 7], nohzFullCpus: [4, 5, 6, 7] });
  assert.deepEqual(getAffinity(1), [0, 1, 2, 3]);
  assert.equal(read("/proc/irq/default_smp_affinity"), "0f");
  const { checks } = JSON.parse(await nodeosOutput("doctor", "--json")) as { checks: { id: string; status: string; found: string }[] };
  const found = (id: string) => checks.filter((check) => check.id === id).map(({ status, found }) => `${status}: ${found}`).join();
  assert.deepEqual(["isolcpus", "nohz-full", "rcu-nocbs", "irqaffinity"].map(found), [
    "partly: isolcpus=managed_irq,domain,4-7",
    "yes: CPUs 4-7",
    "yes: offloaded from CPUs 4-7",
    "yes: on CPUs 0-3",
  ]);
});
