import assert from "node:assert/strict";
import { Node } from "../../../lib/container/node.ts";
import { readCgroupLayout } from "../../../lib/kernel/cgroup.ts";
import { Bystander, cgroups, guestTest, kernel, nodeosOutput, outputIn, probe, read, stateDirectory } from "../guest.ts";

const names = ["cpuset", "cpu", "memory", "pids", "devices", "freezer"];

guestTest("each controller has a hierarchy of version 1, and version 2 has none of them", () => {
  const { mode, hierarchies } = readCgroupLayout(kernel);
  assert.equal(mode, "hybrid");
  const [unified, ...more] = hierarchies.filter(({ version }) => version === 2);
  assert.deepEqual({ mount: unified.mount, more }, { mount: "/sys/fs/cgroup/unified", more: [] });
  assert.deepEqual(names.filter((name) => unified.controllers.includes(name)), []);
  assert.deepEqual(
    hierarchies.filter(({ version }) => version === 1).map(({ mount, controllers }) => [mount, controllers]),
    names.map((name) => [`/sys/fs/cgroup/${name}`, [name]]),
  );
});

guestTest("up, exec, down: a container of version 1 has its CPUs, memory and threads, and leaves no trace", async () => {
  await using bystander = await new Bystander("1").ready();
  const node = new Node(kernel, stateDirectory);
  await node.up({ containers: [{ name: "sim", cpus: [4, 5], nodes: [2], memoryBytes: 2 ** 28, pidsMax: 64 }] }, "persistent");
  const values = ["cpuset.cpus", "cpuset.mems", "cpuset.cpu_exclusive"].map((name) => read(`${cgroups}/nodeos-sim/${name}`));
  assert.deepEqual(values, ["4-5", "2", "1"]);
  assert.equal(read("/sys/fs/cgroup/memory/nodeos-sim/memory.limit_in_bytes"), `${2 ** 28}`);
  assert.equal(read("/sys/fs/cgroup/pids/nodeos-sim/pids.max"), "64");

  const born = JSON.parse(await nodeosOutput("exec", "sim", "--", probe, "facts"));
  assert.deepEqual(born.allowed, [4, 5]);
  const places = outputIn(new Node(kernel, stateDirectory), "sim", "cat", "/proc/self/cgroup");
  for (const name of ["cpuset", "memory", "pids"]) assert.match(places, new RegExp(`:${name}:/nodeos-sim$`, "m"));

  await node.down(["sim"], 0);
  assert.equal(bystander.allowedCpus, "1");
});
