import assert from "node:assert/strict";
import { Node } from "../../lib/container/node.ts";
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
  outputIn,
  probe,
  read,
  stateDirectory,
  writeCarefully,
} from "./guest.ts";

const spec = `apiVersion: nodeos/v1
service: { cpus: "0-1" }
containers:
  - name: sim
    cpus: "2-5"
    memory: { limit: 512MiB, nodes: "1-2" }
    pids: 64
  - name: viz
    cpus: "6"
    features: { loadBalancing: on }
`;

guestTest("up, exec, show, down: two containers and the ServiceOS share a node", async () => {
  const file = Deno.makeTempFileSync({ suffix: ".yaml" });
  Deno.writeTextFileSync(file, spec);
  await nodeosOutput("up", file);
  assert.equal(read(`${cgroups}/cpuset.cpus.effective`), "0-1,7");
  assert.deepEqual(["service", "sim", "viz"].map((name) => read(`${cgroups}/nodeos-${name}/cpuset.cpus.effective`)), ["0-1", "2-5", "6"]);

  const born = JSON.parse(await nodeosOutput("exec", "sim", "--", probe, "facts")) as Facts;
  assert.deepEqual({ cgroup: born.cgroup, allowed: born.allowed }, { cgroup: "0::/nodeos-sim", allowed: [2, 3, 4, 5] });
  const served = JSON.parse(outputIn(new Node(kernel, stateDirectory), "service", probe, "facts")) as Facts;
  assert.deepEqual({ cgroup: served.cgroup, allowed: served.allowed }, { cgroup: "0::/nodeos-service", allowed: [0, 1] });
  assert.deepEqual(JSON.parse(await nodeosOutput("show", "sim", "--json")).drift, []);

  const { code, err } = await nodeos("run", "--cpus", "5-7", "--", "true");
  assert.equal(code, 1);
  assert.match(err, /CPU 5 belongs to container sim/);
  assert.match(err, /CPU 6 belongs to container viz/);

  await nodeosOutput("down", "--all");
  Deno.removeSync(file);
});

guestTest("show: a partition that somebody else changed is reported, and goes back all the same", async () => {
  const node = new Node(kernel, stateDirectory);
  await node.up({ containers: [{ name: "sim", cpus: [4, 5] }] }, "persistent");
  writeCarefully(`${cgroups}/nodeos-sim/cpuset.cpus.partition`, "member");
  assert.deepEqual(node.verify().map(({ drift }) => drift.map(({ step, found }) => [step.to, found])), [[["isolated", "member"]]]);
  assert.match(await nodeosOutput("show", "sim"), /DRIFTED.*\n.*cpuset\.cpus\.partition is member, and should be isolated/);
  await node.down(["sim"], 0);
});

guestTest("verify: a sibling that claims a container's CPU breaks its partition on old kernels, and is trimmed on new ones", async () => {
  const node = new Node(kernel, stateDirectory);
  await node.up({ containers: [{ name: "sim", cpus: [4, 5] }] }, "persistent");
  using other = new ForeignCgroup("other");
  writeCarefully(`${other.path}/cpuset.cpus`, "5-6");
  const found = node.verify()[0].drift.map(({ found }) => found);
  assert.deepEqual(found, hasExclusive ? [] : ["isolated invalid (Cpu list in cpuset.cpus not exclusive)"]);
  await node.down(["sim"], 0);
});

guestTest("down in another order than up puts back what was there before both", async () => {
  const node = new Node(kernel, stateDirectory);
  await node.up({ containers: [{ name: "a", cpus: [2, 3], memoryBytes: 2 ** 28 }] }, "persistent");
  await node.up({ containers: [{ name: "b", cpus: [4, 5], memoryBytes: 2 ** 28, pidsMax: 10 }] }, "persistent");
  await node.down(["a"], 0);
  assert.equal(read(`${cgroups}/nodeos-b/cpuset.cpus.partition`), "isolated");
  assert.equal(read(`${cgroups}/cpuset.cpus.effective`), "0-3,6-7");
  await node.down(["b"], 0);
});

guestTest("a container leaves at once: the next one on its CPUs finds them free", async () => {
  await using bystander = await new Bystander("1").ready();
  const node = new Node(kernel, stateDirectory);
  for (let round = 0; round < 20; round++) {
    await node.up({ containers: [{ name: `round${round}`, cpus: round % 2 === 0 ? [4, 5] : [5, 6] }] }, "process");
    await node.down([`round${round}`], 0);
    assert.equal(read(`${cgroups}/cpuset.cpus.effective`), "0-7");
  }
  assert.equal(bystander.allowedCpus, "1");
});
