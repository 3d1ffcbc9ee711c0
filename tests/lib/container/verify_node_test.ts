import assert from "node:assert/strict";
import { verifyNode } from "../../../lib/container/verify_node.ts";
import { emptyLedger } from "../../../lib/plan/ledger.ts";
import { firstFakeTid } from "../../fake_tasks.ts";
import { World } from "../plan/world.ts";
// Loads the library before the tests, which would take it for a leak.
import "../../ffi/host.ts";

const root = "/sys/fs/cgroup";

async function quiet(...features: string[]): Promise<World> {
  const world = new World({ version: 2, cpuCount: 8, settings: true, tasks: [{ pid: firstFakeTid, name: "a" }], enabled: ["cpuset"] });
  world.kernel.makeDirectory(`${root}/batch`);
  const wishes = Object.fromEntries(features.map((name) => [name, true]));
  await world.node().up({ containers: [{ name: "sim", cpus: [2, 3], quiet: wishes }] }, "persistent");
  assert.deepEqual(drift(world), []);
  return world;
}

/** What is not as wished: which, what it should be, what it is. */
function drift(world: World): [what: string, to: string, found: string | null][] {
  return verifyNode(world.kernel, world.node().ledger()).map(({ step: { what, to }, found }) => [what, to, found]);
}

Deno.test("verifyNode() finds nothing where nobody wishes anything", () => {
  using world = new World({ version: 2, cpuCount: 4, settings: true });
  assert.deepEqual(verifyNode(world.kernel, emptyLedger("boot")), []);
});

Deno.test("verifyNode() tells a setting that somebody changed", async () => {
  using world = await quiet("timerMigration", "vmstat");
  world.kernel.write("/proc/sys/vm/stat_interval", "1");
  assert.deepEqual(drift(world), [["/proc/sys/vm/stat_interval", "60", "1"]]);
});

Deno.test("verifyNode() tells what came since: a program in the root, a cgroup, an interrupt", async () => {
  using world = await quiet("tasks", "irqs");
  world.kernel.tasks.add({ pid: firstFakeTid + 1, name: "late" });
  world.kernel.makeDirectory(`${root}/new`);
  world.kernel.files.set("/proc/irq/26/smp_affinity_list", "0-7");
  world.kernel.files.set("/proc/interrupts", `${world.kernel.read("/proc/interrupts")}26: 1 1 1 1 1 1 1 1  PCI-MSI 0-edge nvme0`);
  const found = drift(world);
  assert.deepEqual(found.filter(([what]) => !what.includes("@")), [
    [`${root}/new/cpuset.cpus`, "0-1,4-7", ""],
    ["/proc/irq/26/smp_affinity_list", "0-1,4-7", "0-7"],
  ]);
  assert.deepEqual(found.filter(([what]) => what.startsWith(`${firstFakeTid + 1}:`)).map(([, to, now]) => [to, now]), [[
    "/nodeos-others",
    "/",
  ]]);
  assert.equal(found.length, 3);
});

Deno.test("verifyNode() does not miss what others made and removed again, nor programs that ended", async () => {
  using world = await quiet("tasks");
  world.kernel.removeDirectory(`${root}/batch`);
  world.kernel.tasks.end(firstFakeTid);
  assert.deepEqual(drift(world), []);
  // The refuge is ours: it is missed.
  world.kernel.removeDirectory(`${root}/nodeos-others`);
  assert.deepEqual(drift(world).map(([what, , now]) => [what, now]), [
    [`${root}/nodeos-others`, null],
    [`${root}/nodeos-others/cpuset.cpus`, null],
  ]);
});

Deno.test("verifyNode() takes what the kernel refused for right as long as it is as it was", async () => {
  using world = await quiet("irqs");
  const managed = "/proc/irq/25/smp_affinity_list";
  assert.equal(world.node().ledger().node?.steps.find(({ what }) => what === managed)?.refused, true);
  world.kernel.files.set(managed, "3");
  assert.deepEqual(drift(world), [[managed, "0-1,4-7", "3"]]);
});
