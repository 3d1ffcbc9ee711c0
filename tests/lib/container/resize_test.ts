import assert from "node:assert/strict";
import { decideResize, type Resize } from "../../../lib/container/resize.ts";
import { type ContainerSpec, type NodeRequest, SpecError } from "../../../lib/container/spec.ts";
import { NodeosError, NoSuchObjectError, RefusedError, UsageError } from "../../../lib/errors.ts";
import { Inventory } from "../../../lib/kernel/inventory.ts";
import type { FakeMachine } from "../../fake_kernel.ts";
import { World } from "../plan/world.ts";

const request: NodeRequest = {
  serviceCpus: [0, 1],
  containers: [{ name: "sim", cpus: [2, 3], memoryBytes: 2 ** 30, pidsMax: 64 }, { name: "viz", cpus: [4, 5] }],
};

/** Decides on a machine of eight CPUs with the ServiceOS on 0-1, sim on 2-3, viz on 4-5; 6 and 7 are free. */
async function decide(
  resizes: Resize[],
  { take = false, machine = {}, change = () => {} }: {
    take?: boolean;
    machine?: Partial<FakeMachine>;
    change?: (world: World) => void;
  } = {},
): Promise<ContainerSpec[]> {
  using world = new World({ version: 2, cpuCount: 8, nodeCount: 2, ...machine });
  await world.node().up(request, "persistent");
  change(world);
  const before = world.state();
  try {
    return decideResize(new Inventory(world.kernel), world.node().ledger(), resizes, take);
  } finally {
    assert.deepEqual(world.state(), before, "to decide changes nothing");
  }
}

/** The error of a decision: its sort, message and remedy. */
async function refusal(...args: Parameters<typeof decide>): Promise<NodeosError> {
  try {
    await decide(...args);
  } catch (error) {
    assert(error instanceof NodeosError, String(error));
    return error;
  }
  return assert.fail("nothing was wrong");
}

const cpusOf = (specs: readonly ContainerSpec[]) => Object.fromEntries(specs.map(({ name, cpus }) => [name, cpus]));

Deno.test("decideResize() changes what is given, and keeps the rest", async () => {
  const [old] = await decide([{ name: "sim" }]);
  assert.deepEqual(await decide([{ name: "sim", cpus: [2, 6] }]), [{ ...old, cpus: [2, 6] }]);
  assert.deepEqual(await decide([{ name: "sim", nodes: [1] }]), [{ ...old, nodes: [1], namesNodes: true }]);
  assert.deepEqual(await decide([{ name: "sim", memoryBytes: 2 ** 31 + 5, pidsMax: 7 }]), [{ ...old, memoryBytes: 2 ** 31, pidsMax: 7 }]);
  assert.deepEqual(await decide([{ name: "sim", memoryBytes: null, pidsMax: null }]), [{ ...old, memoryBytes: null, pidsMax: null }]);
});

Deno.test("decideResize() takes CPUs from whoever has them only when asked to, and never all of them", async () => {
  const grown = [{ name: "sim", cpus: [1, 2, 3, 4] }];
  const error = await refusal(grown);
  assert(error instanceof RefusedError);
  assert.match(error.message, /^Cannot give sim CPU 1: it belongs to the ServiceOS$/);
  assert.match(error.remedy!, /--take/);
  assert.deepEqual(cpusOf(await decide(grown, { take: true })), { sim: [1, 2, 3, 4], service: [0], viz: [5] });
  assert.match((await refusal([{ name: "sim", cpus: [2, 4, 5] }], { take: true })).message, /^Cannot take all CPUs of container viz$/);
  assert.match((await refusal([{ name: "sim", cpus: [0, 1, 2] }], { take: true })).message, /^Cannot take all CPUs of the ServiceOS$/);
});

Deno.test("decideResize() gives the ServiceOS CPUs, and takes some from it", async () => {
  assert.deepEqual(cpusOf(await decide([{ name: "service", cpus: [0, 1, 6] }])), { service: [0, 1, 6] });
  assert.deepEqual(cpusOf(await decide([{ name: "service", cpus: [0, 4] }], { take: true })), { service: [0, 4], viz: [5] });
});

Deno.test("decideResize() lets two containers exchange CPUs", async () => {
  const both = [{ name: "sim", cpus: [2, 4] }, { name: "viz", cpus: [3, 5] }];
  assert.deepEqual(cpusOf(await decide(both)), { sim: [2, 4], viz: [3, 5] });
  assert.match(
    (await refusal([{ name: "sim", cpus: [2, 4] }, { name: "viz", cpus: [4, 5] }])).message,
    /viz CPU 4: it belongs to container sim/,
  );
});

Deno.test("decideResize() refuses CPUs that do not run, none at all, and all of them", async () => {
  const absent = await refusal([{ name: "sim", cpus: [7, 8, 9] }]);
  assert(absent instanceof UsageError);
  assert.match(absent.message, /CPUs 8-9 do not run/);
  const none = await refusal([{ name: "sim", cpus: [] }]);
  assert(none instanceof UsageError);
  assert.match(none.message, /the list is empty/);
});

Deno.test("decideResize() leaves a CPU for the ServiceOS", async () => {
  using world = new World({ version: 2, cpuCount: 4 });
  await world.node().up({ containers: [{ name: "sim", cpus: [1] }] }, "persistent");
  const ask = (cpus: number[]) => () => decideResize(new Inventory(world.kernel), world.node().ledger(), [{ name: "sim", cpus }], true);
  assert.throws(ask([0, 1, 2, 3]), (error) => error instanceof RefusedError && /no CPU for the ServiceOS/.test(error.message));
  assert.deepEqual(ask([1, 2, 3])()[0].cpus, [1, 2, 3]);
});

for (const version of [1, 2] as const) {
  Deno.test(`decideResize() on version ${version} leaves alone CPUs of somebody's cgroup that excludes`, async () => {
    const mount = version === 1 ? "/sys/fs/cgroup/cpuset" : "/sys/fs/cgroup";
    const change = ({ kernel }: World) => {
      kernel.makeDirectory(`${mount}/batch`);
      kernel.write(`${mount}/batch/cpuset.cpus`, "6");
      if (version === 2) kernel.write(`${mount}/batch/cpuset.cpus.partition`, "root");
    };
    const error = await refusal([{ name: "sim", cpus: [2, 6] }], { change, machine: { version } });
    assert.match(error.message, new RegExp(`sim CPU 6: it belongs to cgroup ${mount}/batch`));
    assert.deepEqual(cpusOf(await decide([{ name: "sim", cpus: [2, 7] }], { change, machine: { version } })), { sim: [2, 7] });
  });

  Deno.test(`decideResize() on version ${version} may take CPUs that the programs of others went to`, async () => {
    using world = new World({ version, cpuCount: 4 });
    await world.node().up({ containers: [{ name: "sim", cpus: [1], quiet: { tasks: true } }] }, "persistent");
    const specs = decideResize(new Inventory(world.kernel), world.node().ledger(), [{ name: "sim", cpus: [1, 2] }], false);
    assert.deepEqual(specs[0].cpus, [1, 2]);
  });

  Deno.test(`decideResize() on version ${version} refuses less memory than is in use: programs would be killed`, async () => {
    const change = ({ kernel }: World) =>
      kernel.files.set(
        version === 1 ? "/sys/fs/cgroup/memory/nodeos-sim/memory.usage_in_bytes" : "/sys/fs/cgroup/nodeos-sim/memory.current",
        `${3 * 2 ** 20}`,
      );
    const ask = (memoryBytes: number) => [{ name: "sim", memoryBytes }];
    const error = await refusal(ask(2 * 2 ** 20), { change, machine: { version } });
    assert(error instanceof RefusedError);
    assert.match(error.message, /memory of sim to 2097152 bytes: it uses 3145728/);
    assert.equal((await decide(ask(3 * 2 ** 20), { change, machine: { version } }))[0].memoryBytes, 3 * 2 ** 20);
  });
}

Deno.test("decideResize() checks limits by the rules for new containers", async () => {
  for (const wrong of [{ memoryBytes: 7 }, { memoryBytes: 2 ** 60 }, { pidsMax: 0 }, { pidsMax: 1.5 }, { nodes: [] }, { nodes: [9] }]) {
    const error = await refusal([{ name: "sim", ...wrong }]);
    assert(error instanceof SpecError && error.exitCode === 2, JSON.stringify(wrong));
  }
});

Deno.test("decideResize() of a container that is not there says which are", async () => {
  const error = await refusal([{ name: "sum", cpus: [6] }]);
  assert(error instanceof NoSuchObjectError);
  assert.match(error.remedy!, /There are: service, sim, viz/);
});
