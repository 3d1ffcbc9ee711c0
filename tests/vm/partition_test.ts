import assert from "node:assert/strict";
import {
  Bystander,
  cgroups,
  type Facts,
  ForeignCgroup,
  guestTest,
  hasExclusive,
  kernel,
  nodeos,
  nodeosOutput,
  probe,
  read,
  type Spinner,
} from "./guest.ts";

/** What a container sees of the node around it: one value a line. */
const lookAround = [
  `${cgroups}/cpuset.cpus.effective`,
  `${cgroups}/other/cpuset.cpus.effective`,
  `${cgroups}/nodeos-sim/cpuset.cpus.partition`,
  `${cgroups}/nodeos-sim/cpuset.cpus.effective`,
];

guestTest("run: a program is born in a partition of its own, and nobody else keeps its CPUs", async () => {
  using _other = new ForeignCgroup("other");
  const output = await nodeosOutput(
    "run",
    "--name",
    "sim",
    "--cpus",
    "4-5",
    "--nodes",
    "2",
    "--",
    "sh",
    "-c",
    `${probe} facts; cat ${lookAround.join(" ")}`,
  );
  const [facts, ...values] = output.trim().split("\n");
  const { cgroup, cpu, policy, allowed } = JSON.parse(facts) as Facts;
  assert.deepEqual({ cgroup, policy, allowed }, { cgroup: "0::/nodeos-sim", policy: 0, allowed: [4, 5] });
  assert.ok(cpu === 4 || cpu === 5, `born on CPU ${cpu}`);
  assert.deepEqual(values, ["0-3,6-7", "0-3,6-7", "isolated", "4-5"]);
});

guestTest(
  "run: threads are placed one to a CPU where nothing balances them, also those that sleep first, and keep their whole mask",
  async () => {
    const threads = JSON.parse(await nodeosOutput("run", "--cpus", "4-7", "--", probe, "spin", "4", "2")) as Spinner[];
    assert.deepEqual(threads.map(({ seen }) => seen).sort(), [[4], [5], [6], [7]]);
    for (const { allowed } of threads) assert.deepEqual(allowed, [4, 5, 6, 7]);
  },
);

guestTest("run: with load balancing the container is a scheduling domain, and the kernel spreads the threads", async () => {
  const file = `${cgroups}/nodeos-sim/cpuset.cpus.partition`;
  const script = `cat ${file}; ${probe} spin 4 2`;
  const [partition, line] =
    (await nodeosOutput("run", "--name", "sim", "--cpus", "4-7", "--load-balancing", "on", "--", "sh", "-c", script)).split("\n");
  assert.equal(partition, "root");
  const threads = JSON.parse(line) as Spinner[];
  // How soon is the kernel's affair; without balancing all of them stay on the CPU where they were made.
  assert.ok(new Set(threads.flatMap(({ seen }) => seen)).size > 1, line);
});

guestTest("run: threads of others keep the CPUs they chose, during and after", async () => {
  using group = new ForeignCgroup("other");
  await using one = await new Bystander("1").ready();
  await using both = await new Bystander("0,5").ready();
  await using inside = await new Bystander("5").ready();
  await using grouped = await new Bystander("2,6", group.path).ready();
  const all = [one, both, inside, grouped];
  const script = all.map(({ pid }) => `grep Cpus_allowed_list /proc/${pid}/status`).join(";");
  const during = (await nodeosOutput("run", "--cpus", "4-5", "--", "sh", "-c", script)).trim().split("\n").map((line) =>
    line.split("\t")[1]
  );
  // The one that chose the container's CPUs only has to go somewhere.
  assert.deepEqual(during, ["1", "0", "0-3,6-7", "2,6"]);
  assert.deepEqual(all.map(({ allowedCpus }) => allowedCpus), ["1", "0,5", "5", "2,6"]);
});

guestTest("run: a cgroup of others that claims a CPU is left as it is", async () => {
  const hadCpuset = read(`${cgroups}/cgroup.subtree_control`).split(" ").includes("cpuset");
  if (!hadCpuset) kernel.write(`${cgroups}/cgroup.subtree_control`, "+cpuset");
  {
    using other = new ForeignCgroup("other");
    kernel.write(`${other.path}/cpuset.cpus`, "5-6");
    const { code, out, err } = await nodeos("run", "--cpus", "4-5", "--", "cat", `${other.path}/cpuset.cpus.effective`);
    if (hasExclusive) assert.deepEqual({ code, out }, { code: 0, out: "6\n" });
    else {
      assert.equal(code, 1);
      assert.match(err, /cpuset\.cpus\.partition <- isolated.*invalid \(Cpu list in cpuset\.cpus not exclusive\)/);
    }
    assert.equal(read(`${other.path}/cpuset.cpus.effective`), "5-6");
  }
  if (!hadCpuset) kernel.write(`${cgroups}/cgroup.subtree_control`, "-cpuset");
});
