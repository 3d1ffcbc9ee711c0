import assert from "node:assert/strict";
import { guestTest, nodeos } from "./guest.ts";
import { countElsewhere } from "./memory_inspector.ts";
import { assertMostlyHuge, assertWithin, mib, Programs } from "./memory_programs.ts";

/** Stacks, libraries and their data; of static data less than a huge page at either end. */
const outsideKibMax = 1024 + 2 * 2048;

/** The kernel puts ordinary pages together to huge ones now and then, and who touches one meanwhile waits for that. */
const faultsMax = 16;

guestTest(
  "memory: unmodified programs run wholly on a whole node, and take next to no page fault once they have touched it",
  async () => {
    await using programs = await Programs.up({
      serviceCpus: [0, 1],
      containers: [{ name: "sim", cpus: [6, 7], quiet: { tasks: true }, memory: { units: [{ node: 3, backend: "node" }] } }],
    });
    const stream = await programs.stream("sim");
    assert.ok(Number(/^faults (\d+) after/.exec(stream.status)?.[1]) <= faultsMax, stream.status);
    assertWithin(await programs.frames(stream.pid), [3], "the STREAM-like program");
    await programs.assertSeen(stream.pid);
    for (const which of ["deno", "python"] as const) {
      const large = await programs.large("sim", which);
      assertWithin(await programs.frames(large.pid), [3], which);
    }
  },
);

guestTest("memory: unmodified programs have heap, static data and large mappings in huge pages of their unit by preload", async () => {
  await using programs = await Programs.up({
    containers: [{ name: "sim", cpus: [2, 3], memory: { units: [{ bytes: 128 * mib, node: 1 }] } }],
  });
  const stream = await programs.stream("sim");
  assert.match(stream.status, /^faults 0 after/);
  console.log(`preload: ${stream.status}`);
  assertMostlyHuge(await programs.frames(stream.pid), 1, "STREAM-like, preload", outsideKibMax);
  await programs.assertSeen(stream.pid);
  const python = await programs.large("sim", "python");
  assertMostlyHuge(await programs.frames(python.pid), 1, "python3, preload", 2 * outsideKibMax);
});

guestTest("memory: with glibc's tunable the heap alone lies in huge pages", async () => {
  await using programs = await Programs.up({
    containers: [{ name: "sim", cpus: [2, 3], memory: { units: [{ bytes: 64 * mib, node: 1 }], programs: "tunable" } }],
  });
  const python = await programs.large("sim", "python");
  assertMostlyHuge(await programs.frames(python.pid), 1, "python3, tunable", 2 * outsideKibMax);
});

guestTest("memory: plain programs of others fault where those with units do not, and lie anywhere", async () => {
  await using programs = await Programs.up({ containers: [{ name: "plain", cpus: [2, 3] }] });
  const stream = await programs.stream("plain");
  console.log(`plain: ${stream.status}`);
  assert.ok(Number(/after (\d+) first/.exec(stream.status)![1]) > 2000, "most pages of 4 KiB are one fault each");
});

for (const backend of ["hugetlb", "limit"] as const) {
  guestTest(`memory: a program that exhausts its unit (${backend}) gets ENOMEM and lives, and neighbours notice nothing`, async () => {
    await using programs = await Programs.up({
      containers: [
        { name: "greedy", cpus: [2, 3], memory: { units: [{ bytes: 64 * mib, ...(backend === "hugetlb" ? { node: 1 } : {}), backend }] } },
        {
          name: "calm",
          cpus: [4, 5],
          memory: { units: [{ bytes: 16 * mib, node: 1 }, { bytes: mib, node: 1, pageBytes: 4096, object: "halo" }], programs: "none" },
        },
      ],
    });
    const calm = await programs.hold("calm", "1:8");
    const greedy = await programs.exhaust("greedy");
    console.log(`${backend}: ${greedy.status}`);
    assert.match(greedy.status, /^malloc ENOMEM after [1-9]\d* MiB, mmap ENOMEM after [1-9]\d* MiB$/);
    await programs.goesOn("calm", calm.pid);
    assert.deepEqual(["greedy", "calm"].map((name) => programs.killed(name)), [0, 0]);
  });
}

guestTest("memory: nodeos memory audit agrees: frames in nobody else's hands, as many as the kernel counts", async () => {
  await using programs = await Programs.up({
    serviceCpus: [0, 1],
    containers: [
      {
        name: "sim",
        cpus: [2, 3],
        memory: {
          units: [
            { bytes: 16 * mib, node: 1 },
            { bytes: 4 * mib, node: 0, object: "field" },
            { bytes: mib, node: 2, pageBytes: 4096, object: "halo" },
          ],
        },
      },
      { name: "viz", cpus: [6, 7], quiet: { tasks: true }, memory: { units: [{ node: 3, backend: "node" }] } },
    ],
  });
  const hold = await programs.hold("sim", "1:6");
  // What comes and goes meanwhile would be counted at one moment, and looked for at another.
  Deno.kill(hold.pid, "SIGSTOP");
  const { code, out, err } = await nodeos("memory", "audit");
  console.log(`${out}${err}`);
  Deno.kill(hold.pid, "SIGCONT");
  assert.equal(code, 0);
  await programs.goesOn("sim", hold.pid);
});

guestTest("memory: who starts a program on a whole node, or fills its objects, keeps its own memory off that node", async () => {
  await using programs = await Programs.up({
    serviceCpus: [0, 1],
    containers: [{
      name: "viz",
      cpus: [6, 7],
      quiet: { tasks: true },
      memory: { units: [{ node: 3, backend: "node" }, { bytes: 8 * mib, node: 3, pageBytes: 4096, object: "halo" }] },
    }],
  });
  await programs.stream("viz");
  const own = (await programs.frames(Deno.pid)).filter(({ kind }) => kind === "a");
  const count = own.reduce((sum, run) => sum + run.count, 0);
  assert.equal(count - countElsewhere(own, [3]), 0, `of ${count} frames`);
});

/** Two containers with a node in common, of which the first one has its programs on the CPUs: it would take all of it. */
const sharing = {
  containers: [
    { name: "greedy", cpus: [2, 3], memory: { units: [{ bytes: 32 * mib, node: 1 }, { bytes: 24 * mib, node: 2 }] } },
    {
      name: "calm",
      cpus: [4, 5],
      memory: {
        units: [{ bytes: 20 * mib, node: 1 }, { bytes: mib, node: 1, pageBytes: 4096, object: "halo" }],
        programs: "none" as const,
      },
    },
  ],
};

guestTest("memory: who has huge pages on two nodes leaves its neighbour's on one of them alone", async () => {
  await using programs = await Programs.up(sharing);
  const first = await programs.keep("greedy", "first"), second = await programs.keep("greedy", "second");
  // All of its own, taken and given back again and again.
  const calm = await programs.hold("calm", "1:10");
  programs.go("greedy", "first", "second");
  await programs.settle("greedy", [0, 16, 12, 0], [0, 16, 12, 0]);
  await programs.goesOn("calm", calm.pid);
  const grown = await nodeos("memory", "resize", "greedy", "node2", "32MiB");
  assert.equal(grown.code, 0, grown.err);
  await programs.settle("greedy", [0, 16, 16, 0], [0, 16, 16, 0]);
  // Of a node that they did not have when they were started.
  const granted = await nodeos("memory", "grant", "greedy", "8MiB@3");
  assert.equal(granted.code, 0, granted.err);
  await programs.settle("greedy", [0, 16, 16, 4], [0, 16, 16, 4]);
  await programs.goesOn("calm", calm.pid);
  assert.match(await programs.status("hold-calm", calm.pid), / refused 0 starved 0 /);
  const { code, out, err } = await nodeos("memory", "audit", "greedy");
  assert.equal(code, 0, `${out}${err}`);
  for (const { pid } of [first, second]) Deno.kill(pid, "SIGCONT");
  const refused = await nodeos("memory", "resize", "greedy", "node1", "30MiB");
  assert.equal(refused.code, 1, refused.out);
  await programs.settle("greedy", [0, 16, 16, 4]);
});

guestTest("memory: a program that was started with one node has its container's share of a second one, until it goes", async () => {
  const [greedy, calm] = sharing.containers;
  await using programs = await Programs.up({ containers: [{ ...greedy, memory: { units: [{ bytes: 16 * mib, node: 2 }] } }, calm] });
  const { pid } = await programs.keep("greedy", "first");
  programs.go("greedy", "first");
  await programs.settle("greedy", [0, 0, 8, 0]);
  const granted = await nodeos("memory", "grant", "greedy", "8MiB@1");
  assert.equal(granted.code, 0, granted.err);
  await programs.settle("greedy", [0, 4, 8, 0]);
  assert.equal((await programs.take("calm", 1, 10)).status, "has 10");
  Deno.kill(pid, "SIGKILL");
  await programs.settle("greedy", [0, 0, 0, 0]);
  const revoked = await nodeos("memory", "revoke", "greedy", "node2");
  assert.equal(revoked.code, 0, revoked.err);
  await programs.keep("greedy", "second");
  programs.go("greedy", "second");
  await programs.settle("greedy", [0, 4, 0, 0]);
  await programs.settle("calm", [0, 10, 0, 0]);
});

guestTest("memory: huge pages of several nodes are interleaved as far as the container's shares go", async () => {
  const [{ memory, ...greedy }, calm] = sharing.containers;
  await using programs = await Programs.up({ containers: [{ ...greedy, memory: { ...memory, policy: "interleave" } }, calm] });
  const stream = await programs.stream("greedy");
  const [, one, two] = programs.hugePages("greedy");
  assert.ok(Math.abs(one - two) <= 2 && one + two >= 8, `${programs.hugePages("greedy")}`);
  await programs.keep("greedy", "rest");
  programs.go("greedy", "rest");
  await programs.settle("greedy", [0, 16, 12, 0]);
  await programs.assertSeen(stream.pid);
  assert.equal((await programs.take("calm", 1, 10)).status, "has 10");
});

guestTest("memory: nodeos memory audit says who has more of a node than its share, and whom that leaves short", async () => {
  await using programs = await Programs.up(sharing);
  await programs.keep("greedy", "alone", true);
  programs.go("greedy", "alone");
  await programs.settle("greedy", [0, 26, 2, 0]);
  const audit = await nodeos("memory", "audit");
  assert.equal(audit.code, 1, audit.out);
  assert.match(audit.err, /container greedy: 52MiB of huge pages of 2MiB on node 1, where its units have 32MiB/);
  const map = await nodeos("memory");
  assert.match(map.out, /Container greedy uses 26 huge pages of 2MiB on node 1, of which 16 are its own/);
});
