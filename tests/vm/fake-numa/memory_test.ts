import assert from "node:assert/strict";
import { guestTest } from "../guest.ts";
import { assertWithin, mib, Programs } from "../memory_programs.ts";

guestTest("memory: unmodified programs run wholly on the nodes that numa=fake makes, several as one unit", async () => {
  await using programs = await Programs.up({
    serviceCpus: [0, 1],
    containers: [{
      name: "sim",
      cpus: [6, 7],
      quiet: { tasks: true },
      memory: { units: [{ bytes: 768 * mib, node: 5, backend: "node" }] },
    }],
  });
  const stream = await programs.stream("sim");
  const { nodes } = programs.unitsOf("sim")[0];
  assert.ok(nodes.length === 2 && nodes.includes(5), `768 MiB are two nodes of half a GiB: ${nodes}`);
  assertWithin(await programs.frames(stream.pid), nodes, "the STREAM-like program");
  const large = await programs.large("sim", "deno");
  assertWithin(await programs.frames(large.pid), nodes, "deno");
});

guestTest("memory: a program that exhausts its whole node gets ENOMEM and lives, and neighbours notice nothing", async () => {
  await using programs = await Programs.up({
    serviceCpus: [0, 1],
    containers: [
      { name: "greedy", cpus: [2, 3], memory: { units: [{ node: 4, backend: "node" }] } },
      {
        name: "calm",
        cpus: [4, 5],
        memory: { units: [{ bytes: 16 * mib, node: 3 }, { bytes: mib, node: 3, pageBytes: 4096, object: "halo" }] },
      },
    ],
  });
  const calm = await programs.hold("calm", "3:6");
  const greedy = await programs.exhaust("greedy");
  console.log(`node: ${greedy.status}`);
  assert.match(greedy.status, /^malloc ENOMEM after [1-9]\d* MiB, mmap ENOMEM after [1-9]\d* MiB$/);
  await programs.goesOn("calm", calm.pid);
  assert.deepEqual(["greedy", "calm"].map((name) => programs.killed(name)), [0, 0]);
});
