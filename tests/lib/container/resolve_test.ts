import assert from "node:assert/strict";
import { holdersOf, resolve } from "../../../lib/container/resolve.ts";
import { type ContainerRequest, type ContainerSpec, formatPath, type NodeRequest, SpecError } from "../../../lib/container/spec.ts";
import { nodeFeatures } from "../../../lib/feature/node_features.ts";
import { Inventory } from "../../../lib/kernel/inventory.ts";
import { emptyLedger, type Ledger } from "../../../lib/plan/ledger.ts";
import { captured, type CapturedFiles } from "../../captured.ts";
import { v1, v2 } from "../../small_machines.ts";

const lean: ContainerSpec = {
  name: "sim",
  role: "compute",
  cpus: [2, 3],
  nodes: [0, 1],
  memoryBytes: null,
  pidsMax: null,
  scheduling: { policy: "fair" },
  loadBalancing: "off",
  swap: "on",
  devices: null,
  cache: null,
  quiet: [],
};

const empty = emptyLedger("boot");

function ledgerOf(...specs: Partial<ContainerSpec>[]): Ledger {
  const holdings = specs.map((spec) => ({
    name: spec.name ?? lean.name,
    owner: null,
    spec: { ...lean, ...spec },
    createdAtMs: 0,
    steps: [],
  }));
  return { ...empty, holdings };
}

function resolved(request: NodeRequest, ledger: Ledger = empty, files: CapturedFiles = v2): ContainerSpec[] {
  using machine = captured(files);
  return resolve(new Inventory(machine), ledger, request);
}

/** What is wrong with a request, as lines `path: message (kind)`, and its exit status. */
function wrong(request: NodeRequest, ledger: Ledger = empty, files: CapturedFiles = v2): { lines: string[]; exitCode: number } {
  try {
    resolved(request, ledger, files);
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    for (const { remedy } of error.issues) assert.ok(remedy, "every issue says what would be right");
    return { lines: error.issues.map(({ path, message, kind }) => `${formatPath(path)}: ${message} (${kind})`), exitCode: error.exitCode };
  }
  return assert.fail("nothing was wrong");
}

const one = (container: ContainerRequest): NodeRequest => ({ containers: [{ name: "sim", cpus: [2, 3], ...container }] });

Deno.test("resolve() fills in lean defaults", () => {
  assert.deepEqual(resolved(one({})), [lean]);
});

Deno.test("resolve() keeps every wish that fits the machine", () => {
  const wish = {
    nodes: [1],
    memoryBytes: 2 ** 30,
    pidsMax: 64,
    scheduling: { policy: "cooperative", throttle: "keep" },
    loadBalancing: "on",
    swap: "off",
    devices: ["/dev/null"],
    cache: { l3: 50 },
  } as const;
  assert.deepEqual(resolved(one(wish)), [{ ...lean, ...wish, namesNodes: true }]);
});

Deno.test("resolve() puts the ServiceOS first, and chooses CPUs around it", () => {
  const specs = resolved({ serviceCpus: [0, 1], containers: [{ name: "a", cpuCount: 2 }, { name: "b" }] });
  assert.deepEqual(specs.map(({ name, role, cpus, loadBalancing }) => ({ name, role, cpus, loadBalancing })), [
    { name: "service", role: "service", cpus: [0, 1], loadBalancing: "on" },
    { name: "a", role: "compute", cpus: [2, 6], loadBalancing: "off" },
    { name: "b", role: "compute", cpus: [3, 4, 5, 7], loadBalancing: "off" },
  ]);
});

Deno.test("resolve() chooses CPUs after those that are named, and all that are left at the very end", () => {
  const specs = resolved({ containers: [{ name: "rest" }, { name: "two", cpuCount: 2 }, { name: "named", cpus: [1] }] });
  assert.deepEqual(specs.map(({ name, cpus }) => [name, cpus]), [["rest", [3, 5, 7]], ["two", [2, 6]], ["named", [1]]]);
});

Deno.test("resolve() makes names up from our process id, each another one", () => {
  const names = resolved({ containers: [{ cpus: [1] }, { cpus: [2] }] }, ledgerOf({ name: `run-${Deno.pid}`, cpus: [3] })).map(({ name }) =>
    name
  );
  assert.deepEqual(names, [`run-${Deno.pid}.2`, `run-${Deno.pid}.3`]);
});

Deno.test("resolve() cuts a memory limit down to what the kernel can count", () => {
  assert.equal(resolved(one({ memoryBytes: 2 ** 20 + 70_000 }))[0].memoryBytes, 2 ** 20 + 65536);
  assert.equal(resolved(one({ memoryBytes: 8 * 2 ** 30 }))[0].memoryBytes, 8 * 2 ** 30);
});

Deno.test("resolve() tells CPUs that do not exist from those that are offline", () => {
  assert.deepEqual(wrong(one({ cpus: [2, 8, 9, 10, 64] })), {
    lines: ["containers[0].cpus: CPUs 9-10,64 do not exist (usage)", "containers[0].cpus: CPU 8 is offline (refused)"],
    exitCode: 2,
  });
  assert.equal(wrong(one({ cpus: [8] })).exitCode, 1);
  assert.equal(wrong(one({ cpus: [] })).exitCode, 2);
});

Deno.test("resolve() says who has a CPU: another container, the ServiceOS, another cgroup", () => {
  const ledger = ledgerOf({ name: "viz" }, { name: "service", role: "service", cpus: [0] });
  const files = { ...v2, "/sys/fs/cgroup/rt.slice/cpuset.cpus": "6-7\n", "/sys/fs/cgroup/rt.slice/cpuset.cpus.partition": "root\n" };
  assert.deepEqual(wrong(one({ cpus: [0, 1, 2, 3, 7] }), ledger, files), {
    lines: [
      "containers[0].cpus: CPU 0 belongs to the ServiceOS (refused)",
      "containers[0].cpus: CPUs 2-3 belong to container viz (refused)",
      "containers[0].cpus: CPU 7 belongs to cgroup /sys/fs/cgroup/rt.slice (refused)",
    ],
    exitCode: 1,
  });
});

Deno.test("resolve() of a request that contradicts itself is a matter of usage", () => {
  const request = { serviceCpus: [0], containers: [{ name: "a", cpus: [0, 1, 2] }, { name: "a", cpus: [2, 3] }] };
  assert.deepEqual(wrong(request), {
    lines: [
      'containers[1].name: two containers are called "a" (usage)',
      "containers[0].cpus: CPU 0 belongs to the ServiceOS (usage)",
      "containers[1].cpus: CPU 2 belongs to container a (usage)",
    ],
    exitCode: 2,
  });
});

Deno.test("resolve() refuses a name that is taken, for now, and one that is none, for good", () => {
  assert.deepEqual(wrong(one({ cpus: [4] }), ledgerOf({})), {
    lines: ["containers[0].name: there is a container sim already (refused)"],
    exitCode: 1,
  });
  for (const name of ["", "a/b", "..", "service", "x".repeat(49)]) assert.equal(wrong(one({ name })).exitCode, 2, name);
});

Deno.test("resolve() refuses more CPUs than are free, and says who has the others", () => {
  using machine = captured(v2);
  const ledger = ledgerOf({ name: "viz", cpus: [1, 5] });
  assert.throws(
    () => resolve(new Inventory(machine), ledger, { containers: [{ name: "a", cpuCount: 5 }] }),
    (error) =>
      error instanceof SpecError && error.exitCode === 1 && /no 5 free CPUs/.test(error.message) &&
      /container viz has 1,5/.test(error.message),
  );
  const all = ledgerOf({ name: "viz", cpus: [1, 2, 3, 5, 6, 7] });
  assert.deepEqual(wrong({ containers: [{ name: "a" }] }, all).lines, ["containers[0]: there are no free CPUs (refused)"]);
  assert.deepEqual(wrong({ containers: [{ name: "a", cpuCount: 1 }] }, all).lines, [
    "containers[0].cpuCount: there is no free CPU (refused)",
  ]);
});

Deno.test("resolve() refuses memory that is not there, on the whole machine or on the chosen nodes", () => {
  assert.deepEqual(wrong(one({ memoryBytes: 8 * 2 ** 30 + 1 })).lines, [
    "containers[0].memory.limit: 8589934593 bytes are more than there is (usage)",
  ]);
  assert.equal(wrong(one({ memoryBytes: 5 * 2 ** 30, nodes: [1] })).lines.length, 1);
  assert.equal(wrong(one({ nodes: [] })).exitCode, 2);
  assert.deepEqual(wrong(one({ nodes: [1, 2] })).lines, [
    "containers[0].memory.nodes: NUMA node 2 does not exist, or has no memory (usage)",
  ]);
});

Deno.test("resolve() refuses numbers that are none, whoever made them", () => {
  for (const number of [0, -1, NaN, Infinity, 1.5]) {
    assert.equal(wrong({ containers: [{ name: "a", cpuCount: number }] }).exitCode, 2, `cpuCount ${number}`);
    assert.equal(wrong(one({ memoryBytes: number })).exitCode, 2, `memoryBytes ${number}`);
    assert.equal(wrong(one({ pidsMax: number })).exitCode, 2, `pidsMax ${number}`);
    assert.equal(
      wrong(one({ cpus: [number === 0 ? -1 : number === 1.5 ? 2.5 : number === -1 ? -2 : number] })).exitCode,
      2,
      `cpus ${number}`,
    );
  }
  assert.equal(wrong(one({ pidsMax: 2 ** 22 + 1 })).exitCode, 2);
  assert.equal(resolved(one({ pidsMax: 2 ** 22 }))[0].pidsMax, 2 ** 22);
});

Deno.test("resolve() leaves a CPU for the ServiceOS, whoever has the others", () => {
  const all = [0, 1, 2, 3, 4, 5, 6, 7];
  assert.deepEqual(wrong(one({ cpus: all })).lines, ["containers: no CPU would be left for the ServiceOS (refused)"]);
  assert.equal(resolved({ serviceCpus: [7], containers: [{ name: "a", cpus: all.slice(0, 7) }] }).length, 2);
  const files = { ...v2, "/sys/fs/cgroup/rt.slice/cpuset.cpus": "0\n", "/sys/fs/cgroup/rt.slice/cpuset.cpus.partition": "isolated\n" };
  assert.deepEqual(wrong(one({ cpus: all.slice(1) }), empty, files).lines, [
    "containers: no CPU would be left for the ServiceOS (refused)",
  ]);
});

Deno.test("resolve() keeps a ServiceOS that is there, and refuses to change it under its containers", () => {
  const ledger = ledgerOf({ name: "service", role: "service", cpus: [0, 1] });
  assert.deepEqual(resolved({ serviceCpus: [0, 1], containers: [{ name: "a", cpus: [2] }] }, ledger).map(({ name }) => name), ["a"]);
  assert.deepEqual(wrong({ serviceCpus: [0], containers: [{ name: "a", cpus: [2] }] }, ledger).lines, [
    "service.cpus: the ServiceOS already has CPUs 0-1 (refused)",
  ]);
});

Deno.test("resolve() protects programs of a ServiceOS that has CPUs, and keeps to it", () => {
  const containers = [{ name: "a", cpus: [2] }];
  assert.deepEqual(resolved({ serviceCpus: [0], protect: ["sshd"], containers })[0].protect, ["sshd"]);
  assert.equal("protect" in resolved({ serviceCpus: [0], containers })[0], false);
  assert.deepEqual(wrong({ protect: ["sshd"], containers }), {
    lines: ["service.protect: programs are protected of a ServiceOS without CPUs (usage)"],
    exitCode: 2,
  });
  const ledger = ledgerOf({ name: "service", role: "service", cpus: [0], protect: ["sshd", "cron"] });
  const again = { serviceCpus: [0], containers };
  for (const protect of [undefined, ["sshd", "cron"]]) assert.equal(resolved({ ...again, protect }, ledger).length, 1);
  assert.deepEqual(wrong({ ...again, protect: ["sshd"] }, ledger), {
    lines: ["service.protect: the ServiceOS already protects sshd, cron (refused)"],
    exitCode: 1,
  });
});

Deno.test("resolve() collects features of the whole node in the order they are planned, and knows them by name", () => {
  const names = nodeFeatures.map(({ name }) => name);
  const all = Object.fromEntries(names.toReversed().map((name) => [name, true]));
  assert.deepEqual(resolved(one({ quiet: all }))[0].quiet, names);
  assert.deepEqual(resolved(one({ quiet: { ...all, [names[1]]: false } }))[0].quiet, names.filter((name) => name !== names[1]));
  assert.deepEqual(wrong(one({ quiet: { taks: true } })), {
    lines: ['containers[0].features.taks: there is no feature "taks"; did you mean "tasks"? (usage)'],
    exitCode: 2,
  });
});

Deno.test("resolve() of no container at all is a matter of usage", () => {
  assert.deepEqual(wrong({ containers: [] }), { lines: ["containers: there is no container (usage)"], exitCode: 2 });
});

Deno.test("holdersOf() counts cpusets of others where they exclude: valid partitions, every sibling on version 1, and another state directory's containers", () => {
  const cpuset = (name: string, cpus: string, partition: string) => ({
    [`/sys/fs/cgroup/${name}/cpuset.cpus`]: `${cpus}\n`,
    [`/sys/fs/cgroup/${name}/cpuset.cpus.partition`]: `${partition}\n`,
  });
  using second = captured({
    ...v2,
    ...cpuset("a", "1", "member"),
    ...cpuset("b", "2", "root"),
    ...cpuset("c", "3", "isolated invalid (Cpu list in cpuset.cpus not exclusive)"),
    ...cpuset("nodeos-other", "4", "isolated"),
    ...cpuset("nodeos-sim", "5", "isolated"),
  });
  assert.deepEqual([...holdersOf(new Inventory(second), ledgerOf({ cpus: [5] }))], [
    [2, "cgroup /sys/fs/cgroup/b"],
    [4, "cgroup /sys/fs/cgroup/nodeos-other"],
    [5, "container sim"],
  ]);

  // Where the programs of others went, it is for our containers to take CPUs.
  const refuge = { kind: "refuge", what: "/sys/fs/cgroup/cpuset/nodeos-others", from: null, to: "", why: "" } as const;
  using evacuated = captured({ ...v1, [`${refuge.what}/cpuset.cpus`]: "0-4\n" });
  const inventory = new Inventory(evacuated);
  assert.deepEqual([...holdersOf(inventory, { ...empty, node: { steps: [refuge] } }).values()], []);
  assert.equal(holdersOf(inventory, empty).get(3), `cgroup ${refuge.what}`);

  using first = captured({
    ...v1,
    "/sys/fs/cgroup/cpuset/docker/cpuset.cpus": "0-7\n",
    "/sys/fs/cgroup/cpuset/docker/cpuset.cpu_exclusive": "0\n",
    "/sys/fs/cgroup/cpuset/rt/cpuset.cpus": "6-7\n",
    "/sys/fs/cgroup/cpuset/rt/cpuset.cpu_exclusive": "1\n",
  });
  assert.deepEqual([...holdersOf(new Inventory(first), empty).keys()], [0, 1, 2, 3, 4, 5, 6, 7]);
});
