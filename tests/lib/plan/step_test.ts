import assert from "node:assert/strict";
import { type Change, formatStep, formatSteps, isSame, stepKinds } from "../../../lib/plan/step.ts";

const cpus: Change = { kind: "file", what: "/sys/fs/cgroup/nodeos-sim/cpuset.cpus", to: "2-5", why: "its CPUs" };
const cgroup: Change = { kind: "cgroup", what: "/sys/fs/cgroup/nodeos-sim", to: "", why: "container sim" };
const controller: Change = { kind: "controller", what: "/sys/fs/cgroup:cpuset", to: "+", why: "children get it" };
const affinity: Change = { kind: "affinity", what: "4711:123456", to: "0-1", why: "out of the way" };

Deno.test("formatStep() says what gets which value, and why, for each kind of step", () => {
  assert.equal(formatStep(cpus), "/sys/fs/cgroup/nodeos-sim/cpuset.cpus <- 2-5   its CPUs");
  assert.equal(formatStep(cgroup), "/sys/fs/cgroup/nodeos-sim/ <- (new cgroup)   container sim");
  assert.equal(formatStep(controller), "/sys/fs/cgroup/cgroup.subtree_control <- +cpuset   children get it");
  assert.equal(formatStep(affinity), "affinity of thread 4711 <- 0-1   out of the way");
  assert.equal(new Set([cpus, cgroup, controller, affinity].map(({ kind }) => kind)).size, stepKinds.length);
});

Deno.test("formatSteps() aligns arrows and reasons", () => {
  const lines = formatSteps([cgroup, cpus, controller]).split("\n");
  assert.equal(lines.length, 3);
  assert.equal(new Set(lines.map((line) => line.indexOf(" <- "))).size, 1);
  assert.equal(lines[0].indexOf("container sim"), lines[1].indexOf("its CPUs"));
  assert.equal(formatSteps([]), "");
});

Deno.test("formatStep() splits a controller at the last colon of its path", () => {
  assert.equal(formatStep({ ...controller, what: "/mnt/a:b:memory" }), "/mnt/a:b/cgroup.subtree_control <- +memory   children get it");
});

Deno.test("isSame() compares what a step is about, not the value", () => {
  assert(isSame(cpus, { ...cpus, to: "7", why: "another" }));
  assert(!isSame(cpus, { ...cpus, what: "/sys/fs/cgroup/nodeos-viz/cpuset.cpus" }));
  assert(!isSame(cpus, { ...cpus, kind: "cgroup" }));
});
