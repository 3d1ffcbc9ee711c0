import assert from "node:assert/strict";
import fc from "fast-check";
import { errno } from "../../../ffi/errors.ts";
import { Node } from "../../../lib/container/node.ts";
import { RefusedError } from "../../../lib/errors.ts";
import type { Fault } from "../../fake_kernel.ts";
import { situations, World } from "./world.ts";

const kills: readonly Fault[] = ["kill before", "kill after"];
/** Each run goes through every change of its situation. */
const some = { numRuns: 40 };
const many = { numRuns: 200 };

Deno.test("Node.up() makes exactly what was asked, and Node.down() exactly what was before", async () => {
  await fc.assert(
    fc.asyncProperty(situations, async ({ machine, request }) => {
      using world = new World(machine);
      const before = world.state();
      await world.node().up(request, "persistent");
      assert.notDeepEqual(world.kernel.snapshot(), before.machine);
      const { holdings } = world.node().ledger();
      assert.deepEqual(holdings.map(({ name, owner }) => ({ name, owner })), namesOf(request).map((name) => ({ name, owner: null })));
      assert.deepEqual(world.node().verify(), holdings.map(({ name }) => ({ name, drift: [] })));
      assert.deepEqual(await world.node().recover(), { removed: [], left: [] });

      const { left } = await world.node().down([], 0);
      assert.deepEqual(left, []);
      assert.deepEqual(world.state(), before);
    }),
    many,
  );
});

for (const fault of [errno.EBUSY, "ignore"] as const) {
  Deno.test(`Node.up() leaves no trace, whichever change the kernel ${fault === "ignore" ? "silently drops" : "refuses"}`, async () => {
    await fc.assert(
      fc.asyncProperty(situations, fc.boolean(), async ({ machine, request }, persistent) => {
        using world = new World(machine);
        const before = world.state();
        for (let at = 1;; at++) {
          let error: unknown;
          const up = () => world.node().up(request, persistent ? "persistent" : "process").catch((refusal) => error = refusal);
          if (!await world.meet(at, fault, up)) break;
          assert(error instanceof RefusedError, `change ${at}: ${error}`);
          assert.match(error.message, /everything before it was undone/);
          assert.deepEqual(world.state(), before, `change ${at}`);
        }
      }),
      some,
    );
  });
}

for (const fault of kills) {
  Deno.test(`Node.recover() puts everything back after a ${fault} any change of Node.up()`, async () => {
    await fc.assert(
      fc.asyncProperty(situations, fc.boolean(), async ({ machine, request }, persistent) => {
        using world = new World(machine);
        const before = world.state();
        for (let at = 1;; at++) {
          const met = await world.meet(at, fault, () => world.node().up(request, persistent ? "persistent" : "process"));
          if (!met) break;
          const { removed, left } = await world.node().recover();
          assert.deepEqual(removed.toSorted(), namesOf(request).toSorted());
          assert.deepEqual(left, []);
          assert.deepEqual(world.state(), before, `change ${at}`);
        }
      }),
      some,
    );
  });

  Deno.test(`Node.recover() goes on with what a ${fault} any change of Node.down() left`, async () => {
    await fc.assert(
      fc.asyncProperty(situations, async ({ machine, request }) => {
        using world = new World(machine);
        const before = world.state();
        for (let at = 1;; at++) {
          const up = () => world.node().up(request, "persistent");
          await up();
          const whole = new Map(world.state().holdings.map((holding) => [holding.name, holding]));
          const met = await world.meet(at, fault, () => world.node().down([], 0));
          assert.deepEqual((await world.node().recover()).left, []);
          // What is still there is there as it was made: no container is half gone.
          assert(world.node().verify().every(({ drift }) => drift.length === 0));
          for (const holding of world.state().holdings) assert.deepEqual(holding, whole.get(holding.name));
          assert.deepEqual((await world.node().down([], 0)).left, []);
          assert.deepEqual(world.state(), before, `change ${at}`);
          if (!met) break;
        }
      }),
      some,
    );
  });
}

Deno.test("Node.recover() that is killed itself is finished by the next one", async () => {
  await fc.assert(
    fc.asyncProperty(
      situations,
      fc.tuple(fc.nat(), fc.nat(), fc.nat()),
      fc.array(fc.constantFrom(...kills), { minLength: 3, maxLength: 3 }),
      async ({ machine, request }, places, faults) => {
        using world = new World(machine);
        const before = world.state();
        const changeCount = await world.count(() => world.node().up(request, "process"));
        await world.node().down([], 0);

        await world.meet(1 + places[0] % changeCount, faults[0], () => world.node().up(request, "process"));
        for (const [index, place] of places.slice(1).entries()) {
          await world.meet(1 + place % changeCount, faults[index + 1], () => world.node().recover());
        }
        assert.deepEqual((await world.node().recover()).left, []);
        assert.deepEqual(world.state(), before);
      },
    ),
    many,
  );
});

Deno.test("Node.down() in any order puts back what containers share only with the last one", async () => {
  const shuffled = situations.chain(({ machine, request }) =>
    fc.record({
      machine: fc.constant(machine),
      request: fc.constant(request),
      order: fc.shuffledSubarray(namesOf(request), { minLength: namesOf(request).length }),
    })
  );
  await fc.assert(
    fc.asyncProperty(shuffled, fc.boolean(), async ({ machine, request, order }, oneByOne) => {
      using world = new World(machine);
      const before = world.state();
      const { containers, ...service } = request;
      const requests = oneByOne
        ? containers.map((container, index) => ({ containers: [container], ...(index === 0 ? service : {}) }))
        : [request];
      for (const each of requests) await world.node().up(each, "persistent");
      for (const name of order) {
        assert.deepEqual((await world.node().down([name], 0)).left, []);
        assert(world.node().verify().every(({ drift }) => drift.length === 0), `after ${name} left`);
      }
      assert.deepEqual(world.state(), before);
    }),
    many,
  );
});

Deno.test("Node.down() keeps what the kernel will not take back, and the next recovery takes it back", async () => {
  await fc.assert(
    fc.asyncProperty(situations, fc.nat(), async ({ machine, request }, place) => {
      using world = new World(machine);
      const before = world.state();
      await world.node().up(request, "persistent");
      const changeCount = await world.count(() => world.node().down([], 0));
      await world.node().up(request, "persistent");

      const stubborn = 1 + place % changeCount;
      let left: readonly unknown[] = [];
      await world.meet(stubborn, errno.EBUSY, async () => left = (await world.node().down([], 0)).left);
      // A file that keeps its value is of no account once its cgroup is gone.
      assert.equal(left.length > 0, world.state().holdings.some(({ leaving }) => leaving));
      if (left.length === 0) assert.deepEqual(world.state(), before);
      assert.deepEqual((await world.node().recover()).left, []);
      assert.deepEqual(world.state(), before);
    }),
    many,
  );
});

Deno.test("Node.up() takes back a partition that the kernel accepts and then calls invalid", async () => {
  using world = new World({ version: 2, cpuCount: 4, partitionInvalid: "Parent is not a partition root" });
  const before = world.state();
  await assert.rejects(world.node().up({ containers: [{ name: "sim", cpus: [1, 2] }] }, "persistent"), (error) => {
    assert(error instanceof RefusedError);
    assert.match(
      error.message,
      /cpuset\.cpus\.partition <- isolated .*the kernel took the value, and then says "isolated invalid \(Parent is not a partition root\)"/,
    );
    return true;
  });
  assert.deepEqual(world.state(), before);
});

Deno.test("Node.up() refuses to share CPUs with a container that another process made, and changes nothing", async () => {
  using world = new World({ version: 1, cpuCount: 4 });
  await world.node().up({ containers: [{ name: "sim", cpus: [1, 2] }] }, "persistent");
  const before = world.state();
  await assert.rejects(world.node().up({ containers: [{ name: "viz", cpus: [2, 3] }] }, "persistent"), /CPU 2 belongs to container sim/);
  assert.deepEqual(world.state(), before);
});

Deno.test("Node.up() leaves the container of another state directory alone, even under its name", async () => {
  using world = new World({ version: 2, cpuCount: 6 });
  await world.node().up({ containers: [{ name: "sim", cpus: [1, 2] }] }, "persistent");
  const before = world.state();
  const directory = Deno.makeTempDirSync({ prefix: "nodeos-world-" });
  try {
    const other = new Node(world.kernel, directory);
    await assert.rejects(other.up({ containers: [{ name: "sim", cpus: [3] }] }, "persistent"), (error) => {
      assert(error instanceof RefusedError);
      assert.match(error.message, /^Cannot make container sim: \/sys\/fs\/cgroup\/nodeos-sim is there already/);
      assert.match(error.remedy ?? "", /rmdir \/sys\/fs\/cgroup\/nodeos-sim/);
      return true;
    });
    assert.deepEqual(other.ledger().holdings, []);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
  assert.deepEqual(world.state(), before);
});

Deno.test("Node.recover() leaves alone what a living process holds", async () => {
  using world = new World({ version: 1, cpuCount: 4 });
  await world.node().up({ containers: [{ name: "sim", cpus: [1] }] }, "process");
  const made = world.state();
  assert.deepEqual(await world.node().recover(), { removed: [], left: [] });
  assert.deepEqual(world.state(), made);
});

Deno.test("Node.recover() takes a zombie for dead", async () => {
  using world = new World({ version: 1, cpuCount: 4 });
  const before = world.state();
  await world.node().up({ containers: [{ name: "sim", cpus: [1] }] }, "process");
  const stat = `/proc/${Deno.pid}/stat`;
  world.kernel.files.set(stat, world.kernel.files.get(stat)!.replace(") S ", ") Z "));
  assert.deepEqual((await world.node().recover()).removed, ["sim"]);
  assert.deepEqual(world.state(), before);
});

Deno.test("Node.recover() does nothing about the ledger of another boot", async () => {
  using old = new World({ version: 2, cpuCount: 4 });
  await old.meet(3, "kill after", () => old.node().up({ containers: [{ name: "sim", cpus: [1, 2] }] }, "process"));

  using world = new World({ version: 2, cpuCount: 4 });
  world.kernel.files.set("/proc/sys/kernel/random/boot_id", "99999999-2222-3333-4444-555555555555");
  Deno.copyFileSync(`${old.directory}/ledger.json`, `${world.directory}/ledger.json`);
  const before = world.state();
  assert.deepEqual(before.holdings, []);
  assert.deepEqual(await world.node().recover(), { removed: [], left: [] });
  assert.deepEqual(world.state(), before);
  await world.node().up({ containers: [{ name: "sim", cpus: [2, 3] }] }, "persistent");
  await world.node().down(["sim"], 0);
  assert.deepEqual(world.state(), before);
});

Deno.test("Node refuses a ledger that it cannot understand, and changes nothing", async () => {
  using world = new World({ version: 2, cpuCount: 4 });
  await world.node().up({ containers: [{ name: "sim", cpus: [1, 2] }] }, "persistent");
  const path = `${world.directory}/ledger.json`;
  const good = Deno.readTextFileSync(path);
  const machine = world.kernel.snapshot();
  const parts = [...Array(good.length).keys()].filter((length) => length % 7 === 0).map((length) => good.slice(0, length));
  const odd = [
    "null",
    "7",
    "[]",
    "{}",
    '"x"',
    good.replace('"version":1', '"version":2'),
    good.replace('"steps"', '"step"'),
    good.replace('"kind":"file"', '"kind":"files"'),
  ];
  for (const text of [...parts, ...odd, ...fc.sample(fc.string({ unit: "binary" }), 30), ...fc.sample(fc.json(), 30)]) {
    Deno.writeTextFileSync(path, text);
    const isRefusal = (error: unknown) => error instanceof RefusedError && error.message.includes(path) && error.remedy !== undefined;
    const node = world.node();
    assert.throws(() => node.ledger(), isRefusal, text);
    await assert.rejects(node.recover(), isRefusal, text);
    await assert.rejects(node.up({ containers: [{ name: "viz", cpus: [3] }] }, "process"), isRefusal, text);
    await assert.rejects(node.down([], 0), isRefusal, text);
    assert.deepEqual(world.kernel.snapshot(), machine, text);
    assert.equal(Deno.readTextFileSync(path), text);
  }
});

function namesOf(
  request: { readonly containers: readonly { readonly name?: string }[]; readonly serviceCpus?: readonly number[] },
): string[] {
  return [...(request.serviceCpus ? ["service"] : []), ...request.containers.map(({ name }) => name!)];
}
