import assert from "node:assert/strict";
import { errno } from "../../../ffi/errors.ts";
import { reconcile } from "../../../lib/container/reconcile.ts";
import { specsOf } from "../../../lib/container/ledger_specs.ts";
import type { ContainerSpec } from "../../../lib/container/spec.ts";
import { RefusedError } from "../../../lib/errors.ts";
import { type Ledger, parseLedger } from "../../../lib/plan/ledger.ts";
import { Store } from "../../../lib/plan/store.ts";
import { firstFakeTid } from "../../fake_tasks.ts";
import { World } from "../plan/world.ts";
// Loads the library before the tests, which would take it for a leak.
import "../../ffi/host.ts";

const root = "/sys/fs/cgroup";
const names = ["tasks", "timerMigration"];

/** A world with container sim on CPUs 2-3, which wishes nothing of the whole node. */
async function lean(): Promise<World & { reconcile: (quiet: readonly string[]) => ReturnType<typeof reconcile>; ledger: () => Ledger }> {
  const tasks = [{ pid: firstFakeTid, name: "a" }, { pid: firstFakeTid + 1, name: "b" }];
  const world = new World({ version: 2, cpuCount: 8, settings: true, tasks });
  await world.node().up({ containers: [{ name: "sim", cpus: [2, 3] }] }, "persistent");
  const store = new Store(world.kernel, world.directory);
  const wishing = (quiet: readonly string[]): ContainerSpec[] => specsOf(store.read()).map((spec) => ({ ...spec, quiet }));
  return Object.assign(world, {
    reconcile: (quiet: readonly string[]) => reconcile(world.kernel, store, store.read(), wishing(quiet)),
    ledger: () => store.read(),
  });
}

Deno.test("reconcile() reads nothing where nobody wishes anything, and nobody did", async () => {
  using world = await lean();
  world.kernel.momentCount = 0;
  const ledger = world.ledger();
  const looks = world.kernel.momentCount;
  assert.equal(reconcile(world.kernel, new Store(world.kernel, world.directory), ledger, specsOf(ledger)).ledger, ledger);
  assert.equal(world.kernel.momentCount, looks);
});

Deno.test("reconcile() makes what is wished, and puts it back when it no longer is", async () => {
  using world = await lean();
  const before = world.state();
  const { ledger, left } = world.reconcile(names);
  assert.deepEqual(left, []);
  assert.deepEqual(ledger, world.ledger());
  assert.equal(world.kernel.tasks.placeOf(firstFakeTid, root), "/nodeos-others");
  assert.equal(world.kernel.read("/proc/sys/kernel/timer_migration"), "0\n");
  world.reconcile(["timerMigration"]);
  assert.equal(world.kernel.tasks.placeOf(firstFakeTid, root), "/");
  assert.equal(world.kernel.read("/proc/sys/kernel/timer_migration"), "0\n");
  assert.equal(world.reconcile([]).ledger.node, undefined);
  assert.deepEqual(world.state(), before);
});

Deno.test("reconcile() has every step on disk before it is made, and its author with it", async () => {
  using world = await lean();
  const onDisk: Ledger[] = [];
  world.kernel.fault = () => {
    onDisk.push(parseLedger(Deno.readTextFileSync(`${world.directory}/ledger.json`)));
    return undefined;
  };
  const { ledger } = world.reconcile(names);
  assert(onDisk.length > 4);
  for (const { node } of onDisk) {
    assert.deepEqual(node?.steps, ledger.node?.steps);
    assert.equal(node?.changing?.pid, Deno.pid);
  }
  assert.equal(ledger.node?.changing, undefined);
});

Deno.test("reconcile() meets in another round who was started meanwhile, and ends although it goes on", async () => {
  for (const forks of [3, 1000]) {
    using world = await lean();
    const write = world.kernel.write.bind(world.kernel);
    let born = 0;
    world.kernel.write = (path, text) => {
      if (path.endsWith("/cgroup.procs") && born < forks) world.kernel.tasks.add({ pid: firstFakeTid + 100 + born++, name: "fork" });
      write(path, text);
    };
    world.reconcile(["tasks"]);
    const stay = [...Array(born).keys()].filter((index) => world.kernel.tasks.placeOf(firstFakeTid + 100 + index, root) === "/");
    if (forks === 3) assert.deepEqual(stay, []);
    else assert(stay.length > 0 && born < forks);
  }
});

Deno.test("reconcile() that is refused takes back what was new, and nothing that containers share", async () => {
  using world = await lean();
  const before = world.state();
  for (let at = 1;; at++) {
    let error: unknown;
    const met = await world.meet(
      at,
      errno.EINVAL,
      () => Promise.resolve().then(() => world.reconcile(names)).catch((refusal) => error = refusal),
    );
    if (error === undefined && !met) break;
    if (error !== undefined) assert(error instanceof RefusedError, String(error));
    assert.deepEqual(world.node().verify(), [{ name: "sim", drift: [] }]);
    if (error !== undefined) assert.deepEqual(world.kernel.snapshot(), before.machine, `step ${at}`);
    world.reconcile([]);
    assert.deepEqual(world.state(), before, `step ${at}`);
  }
});

Deno.test("reconcile() keeps what the kernel would not take back, and tries again the next time", async () => {
  using world = await lean();
  const before = world.state();
  const setting = "/proc/sys/kernel/timer_migration";
  world.reconcile(names);
  world.kernel.fault = (_, path) => path === setting ? errno.EBUSY : undefined;
  const { ledger, left } = world.reconcile([]);
  assert.deepEqual(left.map(({ step: { what } }) => what), [setting]);
  assert.deepEqual(ledger.node?.steps.map(({ what, from }) => [what, from]), [[setting, "1"]]);
  world.kernel.fault = () => undefined;
  assert.deepEqual(world.reconcile([]).left, []);
  assert.deepEqual(world.state(), before);
});
