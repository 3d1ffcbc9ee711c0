import assert from "node:assert/strict";
import fc from "fast-check";
import { errno } from "../../../ffi/errors.ts";
import { specsOf } from "../../../lib/container/ledger_specs.ts";
import type { ContainerSpec, NodeRequest } from "../../../lib/container/spec.ts";
import { NodeosError, RefusedError } from "../../../lib/errors.ts";
import type { FakeMachine, Fault } from "../../fake_kernel.ts";
import { firstFakeTid } from "../../fake_tasks.ts";
import { type Decision, decisionOf, requestOf, wholeNodes, type Wish } from "./whole_node_world.ts";
import { World } from "./world.ts";

/** Each run goes through every step of its situation. */
const some = { numRuns: 60 };
const many = { numRuns: 250 };

/** What wishes come to, one by one; a wish that is none right now is left out, and may not change anything. */
async function decide(world: World, wishes: readonly Wish[]): Promise<Decision[]> {
  const decisions: Decision[] = [];
  for (const decision of wishes.map(decisionOf)) {
    const before = world.state();
    try {
      await world.node().change(decision);
      decisions.push(decision);
    } catch (error) {
      assert(error instanceof NodeosError, `${error instanceof Error ? error.stack : error}`);
      assert.deepEqual(world.state(), before, error.message);
    }
  }
  return decisions;
}

/** Asserts that nothing differs from what the containers of the ledger wish. */
function assertAsAsked(world: World, specs?: readonly ContainerSpec[]): void {
  const node = world.node();
  const ledger = node.ledger();
  if (specs !== undefined) {
    for (const spec of specs) assert.deepEqual(specsOf(ledger).find(({ name }) => name === spec.name), spec);
  }
  assert.deepEqual(node.verify().filter(({ drift }) => drift.length > 0), []);
  assert.deepEqual(node.verifyNode(), []);
  assert(ledger.holdings.every(({ changing, owner }) => changing === undefined && owner === null));
  assert.equal(ledger.node?.changing, undefined);
}

/**
 * Whatever containers have had stays with them: a cgroup of version 1, a controller of version 2. Which parts of a cache
 * they get is a matter of who came first.
 */
const stays = /\/cgroup\.(?:subtree_control|controllers)$|\/schemata$/;

/** Asserts that the machine is as if the containers had been made this way at once. */
async function assertAsMadeAnew(world: World, machine: FakeMachine): Promise<void> {
  assertAsAsked(world);
  using fresh = new World(machine);
  const ledger = world.node().ledger();
  if (specsOf(ledger).every(({ role }) => role === "service")) return;
  await fresh.node().up(requestOf(ledger), "persistent");
  const service = specsOf(ledger).find(({ role }) => role === "service");
  // No specification limits it; only a change does.
  if (service) await fresh.node().change(() => [service]);
  const state = world.kernel.snapshot();
  for (const [path, value] of Object.entries(fresh.kernel.snapshot())) if (!stays.test(path)) assert.equal(state[path], value, path);
}

Deno.test("Node.change() makes exactly what is asked, as if it had been made so at once, and Node.down() exactly what was before", async () => {
  await fc.assert(
    fc.asyncProperty(wholeNodes, async ({ machine, request, wishes }) => {
      using world = new World(machine);
      const before = world.state();
      await world.node().up(request, "persistent");
      assertAsAsked(world);
      await decide(world, wishes);
      assertAsAsked(world);
      await assertAsMadeAnew(world, machine);
      assert.deepEqual(await world.node().recover(), { removed: [], left: [] });
      assert.deepEqual((await world.node().down([], 0)).left, []);
      assert.deepEqual(world.state(), before);
    }),
    many,
  );
});

/** Calls with a world whose containers are up and changed a few times, and with one more change that can be made. */
async function withChange(
  { machine, request, wishes }: { machine: FakeMachine; request: NodeRequest; wishes: readonly Wish[] },
  call: (world: World, change: Decision) => Promise<void>,
): Promise<void> {
  using world = new World(machine);
  const original = world.state();
  await world.node().up(request, "persistent");
  const decisions = await decide(world, wishes);
  await world.node().down([], 0);
  const last = decisions.pop();
  if (last === undefined) return;
  await world.node().up(request, "persistent");
  for (const decision of decisions) await world.node().change(decision);
  await call(world, last);
  assert.deepEqual((await world.node().down([], 0)).left, []);
  assert.deepEqual(world.state(), original);
}

/** Somebody else may leave an interrupt less than we ask for, and that is in order. */
const mayHaveLess = /^\/proc\/irq\/\d+\/smp_affinity_list$/;

for (const fault of [errno.EBUSY, "ignore"] as const) {
  Deno.test(`Node.change() leaves no trace, whichever step the kernel ${fault === "ignore" ? "silently drops" : "refuses"}`, async () => {
    await fc.assert(
      fc.asyncProperty(wholeNodes, (situation) =>
        withChange(situation, async (world, change) => {
          let before = world.state();
          for (let at = 1;; at++) {
            let error: unknown;
            const action = () => world.node().change(change).catch((refusal) => error = refusal);
            const met = await world.meet(at, fault, action, fault === "ignore" ? mayHaveLess : undefined);
            if (error === undefined) {
              // What may be refused was, or nothing.
              assertAsAsked(world);
              if (!met) return;
              await undoChange(world, before);
              before = world.state();
              continue;
            }
            assert(error instanceof RefusedError, `step ${at}: ${error instanceof Error ? error.stack : error}`);
            assert.deepEqual(world.state(), before, `step ${at}: ${error.message}`);
          }
        })),
      some,
    );
  });
}

for (const fault of [errno.EBUSY, "ignore"] as const) {
  Deno.test(`Node.up() of features of the whole node leaves no trace, whichever step the kernel ${fault === "ignore" ? "drops" : "refuses"}`, async () => {
    await fc.assert(
      fc.asyncProperty(wholeNodes, async ({ machine, request }) => {
        using world = new World(machine);
        const before = world.state();
        for (let at = 1;; at++) {
          let error: unknown;
          const up = () => world.node().up(request, "persistent").catch((refusal) => error = refusal);
          const met = await world.meet(at, fault, up, fault === "ignore" ? mayHaveLess : undefined);
          if (error === undefined) {
            assertAsAsked(world);
            assert.deepEqual((await world.node().down([], 0)).left, []);
          } else {
            assert(error instanceof RefusedError, `step ${at}: ${error instanceof Error ? error.stack : error}`);
          }
          assert.deepEqual(world.state(), before, `step ${at}: ${error}`);
          if (!met) return;
        }
      }),
      { numRuns: 25 },
    );
  });
}

/** Makes the containers what they were in a state, by another change. */
async function undoChange(world: World, { holdings }: ReturnType<World["state"]>): Promise<void> {
  const now = specsOf(world.node().ledger());
  const specs = holdings.map(({ spec }) => spec as ContainerSpec);
  const different = specs.filter((spec) => JSON.stringify(now.find(({ name }) => name === spec.name)) !== JSON.stringify(spec));
  await world.node().change(() => different);
}

for (const fault of ["kill before", "kill after"] as readonly Fault[]) {
  Deno.test(`Node.recover() makes all or nothing of what a ${fault} any step of Node.change() left`, async () => {
    await fc.assert(
      fc.asyncProperty(wholeNodes, (situation) =>
        withChange(situation, async (world, change) => {
          const before = world.state();
          for (let at = 1;; at++) {
            const met = await world.meet(at, fault, () => world.node().change(change));
            assert.deepEqual((await world.node().recover()).left, []);
            if (!met) return assertAsAsked(world);
            assert.deepEqual(world.state(), before, `step ${at}`);
          }
        })),
      some,
    );
  });
}

Deno.test("Node.recover() makes all or nothing of what was killed at any moment, also between two looks", async () => {
  await fc.assert(
    fc.asyncProperty(wholeNodes, fc.infiniteStream(fc.nat()), async ({ machine, request, wishes }, picks) => {
      using world = new World(machine);
      const original = world.state();
      const pick = (count: number) => 1 + picks.next().value! % count;
      const up = () => world.node().up(request, "persistent");
      const down = () => world.node().down([], 0);
      const [upCount, downCount] = [await world.countMoments(up), await world.countMoments(down)];

      await world.killAt(pick(upCount), up);
      await world.node().recover();
      assert.deepEqual(world.state(), original);

      await up();
      for (const decision of wishes.map(decisionOf)) {
        const before = world.state();
        await world.killAt(pick(upCount), () => world.node().change(decision));
        await world.node().recover();
        assertAsAsked(world);
        if (
          JSON.stringify(world.node().ledger().holdings.map(({ spec }) => spec)) === JSON.stringify(before.holdings.map(({ spec }) => spec))
        ) {
          assert.deepEqual(world.state(), before);
        }
      }

      const before = world.state();
      const { name } = before.holdings[pick(before.holdings.length) - 1];
      await world.killAt(pick(downCount), () => world.node().down([name], 0));
      assert.deepEqual((await world.node().recover()).left, []);
      if (world.state().holdings.length === before.holdings.length) assert.deepEqual(world.state(), before);
      else await assertAsMadeAnew(world, machine);

      const rest = world.state();
      await world.killAt(pick(downCount), down);
      assert.deepEqual((await world.node().recover()).left, []);
      if (world.state().holdings.length > 0) assert.deepEqual(world.state(), rest);
      else assert.deepEqual(world.state(), original);
      await down();
      assert.deepEqual(world.state(), original);
    }),
    many,
  );
});

Deno.test("Node.down() takes threads along that were born where their parents had been moved to", async () => {
  for (const version of [1, 2] as const) {
    const parent = firstFakeTid;
    using world = new World({ version, cpuCount: 4, settings: true, tasks: [{ pid: parent, name: "make" }] });
    const before = world.state();
    await world.node().up({ containers: [{ name: "sim", cpus: [2, 3], quiet: { tasks: true } }] }, "persistent");
    const mount = version === 1 ? "/sys/fs/cgroup/cpuset" : "/sys/fs/cgroup";
    world.kernel.tasks.fork(parent, parent + 1);
    assert.equal(world.kernel.tasks.placeOf(parent + 1, mount), "/nodeos-others");
    assertAsAsked(world);
    assert.deepEqual((await world.node().down([], 0)).left, []);
    assert.equal(world.kernel.tasks.placeOf(parent + 1, mount), "/");
    world.kernel.tasks.end(parent + 1);
    assert.deepEqual(world.state(), before);
  }
});

Deno.test("Node.down() does without threads that ended meanwhile", async () => {
  for (const version of [1, 2] as const) {
    const tasks = [{ pid: firstFakeTid, name: "a" }, { pid: firstFakeTid + 1, name: "b" }];
    using world = new World({ version, cpuCount: 4, settings: true, tasks });
    await world.node().up({ containers: [{ name: "sim", cpus: [2, 3], quiet: { tasks: true } }] }, "persistent");
    world.kernel.tasks.end(firstFakeTid);
    assertAsAsked(world);
    await world.node().change((_, ledger) => [{ ...specsOf(ledger)[0], cpus: [3] }]);
    assertAsAsked(world);
    assert.deepEqual((await world.node().down([], 0)).left, []);
    using other = new World({ version, cpuCount: 4, settings: true, tasks: tasks.slice(1) });
    assert.deepEqual(world.kernel.snapshot(), other.kernel.snapshot());
  }
});

Deno.test("Node.verifyNode() tells a program that came to the root since, and Node.repair() moves it away", async () => {
  for (const version of [1, 2] as const) {
    using world = new World({ version, cpuCount: 4, settings: true, tasks: [{ pid: firstFakeTid, name: "a" }] });
    const before = world.state();
    await world.node().up({ containers: [{ name: "sim", cpus: [2, 3], quiet: { tasks: true, timerMigration: true } }] }, "persistent");
    world.kernel.tasks.add({ pid: firstFakeTid + 1, name: "late" });
    world.kernel.write("/proc/sys/kernel/timer_migration", "1");
    const drift = world.node().verifyNode();
    assert.deepEqual(drift.map(({ step: { kind, to }, found }) => [kind, to, found]).sort(), [["file", "0", "1"], [
      "member",
      "/nodeos-others",
      "/",
    ]]);
    assert.deepEqual(await world.node().repair(), []);
    assertAsAsked(world);
    await world.node().down([], 0);
    world.kernel.tasks.end(firstFakeTid + 1);
    assert.deepEqual(world.state(), before);
  }
});

Deno.test("Node.change() of containers that exchange all their CPUs is refused, and changes nothing", async () => {
  for (const version of [1, 2] as const) {
    using world = new World({ version, cpuCount: 4 });
    await world.node().up({ containers: [{ name: "a", cpus: [1] }, { name: "b", cpus: [2] }] }, "persistent");
    const before = world.state();
    await assert.rejects(
      world.node().change((_, ledger) => specsOf(ledger).map((spec) => ({ ...spec, cpus: [3 - spec.cpus[0]] }))),
      RefusedError,
    );
    assert.deepEqual(world.state(), before);
  }
});

Deno.test("Node.change() moves CPUs around a circle of containers that keep some", async () => {
  for (const version of [1, 2] as const) {
    using world = new World({ version, cpuCount: 8 });
    const before = world.state();
    const cpus = [[1, 2], [3, 4], [5, 6]];
    await world.node().up({ containers: cpus.map((cpus, index) => ({ name: `c${index}`, cpus })) }, "persistent");
    await world.node().change((_, ledger) =>
      specsOf(ledger).map((spec, index) => ({ ...spec, cpus: [cpus[(index + 2) % 3][1], cpus[index][0]].sort() }))
    );
    assertAsAsked(world);
    assert.deepEqual(specsOf(world.node().ledger()).map(({ cpus }) => cpus), [[1, 6], [2, 3], [4, 5]]);
    // A row of containers, each of which leaves for the next one's CPUs.
    await world.node().change((_, ledger) => specsOf(ledger).map((spec, index) => ({ ...spec, cpus: [[2, 3], [4, 5], [7]][index] })));
    assertAsAsked(world);
    await world.node().down([], 0);
    assert.deepEqual(world.state(), before);
  }
});

Deno.test("Node.recover() of a change that is killed itself is finished by the next one", async () => {
  await fc.assert(
    fc.asyncProperty(
      wholeNodes,
      fc.array(fc.nat(), { minLength: 3, maxLength: 3 }),
      (situation, [first, second, third]) =>
        withChange(situation, async (world, change) => {
          const before = world.state();
          const count = await world.countMoments(() => world.node().change(change));
          await undoChange(world, before);
          const start = world.state();
          await world.killAt(1 + first % count, () => world.node().change(change));
          for (const place of [second, third]) await world.killAt(1 + place % count, () => world.node().recover());
          assert.deepEqual((await world.node().recover()).left, []);
          assertAsAsked(world);
          const isBack = specsOf(world.node().ledger()).every((spec, index) =>
            JSON.stringify(spec) === JSON.stringify(start.holdings[index].spec)
          );
          if (isBack) assert.deepEqual(world.state(), start);
        }),
    ),
    many,
  );
});
