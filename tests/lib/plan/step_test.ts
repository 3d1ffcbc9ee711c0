import assert from "node:assert/strict";
import { type Change, formatStep, formatSteps, isSame, stepKinds } from "../../../lib/plan/step.ts";

const cpus: Change = { kind: "file", what: "/sys/fs/cgroup/nodeos-sim/cpuset.cpus", to: "2-5", why: "its CPUs" };
const cgroup: Change = { kind: "cgroup", what: "/sys/fs/cgroup/nodeos-sim", to: "", why: "container sim" };
const controller: Change = { kind: "controller", what: "/sys/fs/cgroup:cpuset", to: "+", why: "children get it" };
const affinity: Change = { kind: "affinity", what: "4711:123456", to: "0-1", why: "out of the way" };

/** The other kinds: what one is about, its value, and the line without a reason. */
const others: readonly (readonly [kind: Change["kind"], what: string, to: string, line: string])[] = [
  ["choice", "/sys/kernel/mm/transparent_hugepage/enabled", "madvise", "/sys/kernel/mm/transparent_hugepage/enabled <- madvise"],
  ["refuge", "/sys/fs/cgroup/nodeos-others", "", "/sys/fs/cgroup/nodeos-others/ <- (new cgroup)"],
  ["member", "4711:123456@/sys/fs/cgroup:", "/nodeos-others", "cgroup of thread 4711 <- /nodeos-others"],
  ["unit", "system.slice@/sys/fs/cgroup", "0-1", "system.slice@/sys/fs/cgroup <- 0-1"],
  ["filter", "/sys/fs/cgroup/nodeos-sim", "c 1:3 rw", "devices of /sys/fs/cgroup/nodeos-sim <- c 1:3 rw"],
  ["workqueue", "/sys/devices/virtual/workqueue/cpumask", "3", "/sys/devices/virtual/workqueue/cpumask <- 3"],
  ["irqbalance", "/run/irqbalance/irqbalance1.sock", "2-3", "/run/irqbalance/irqbalance1.sock <- 2-3"],
  ["class", "/sys/fs/resctrl/nodeos-sim", "", "/sys/fs/resctrl/nodeos-sim/ <- (new class)"],
  ["schemata", "/sys/fs/resctrl/nodeos-sim:L3:0", "3", "/sys/fs/resctrl/nodeos-sim/schemata <- L3:0=3"],
  ["pool", "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "8", "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages <- 8"],
  ["mount", "/run/nodeos/memory/a/4KiB-node0", "tmpfs mpol=bind:0", "/run/nodeos/memory/a/4KiB-node0/ <- tmpfs mpol=bind:0"],
  ["object", "/run/nodeos/memory/a/x/halo@1@/c,/d", "4096 7:8", "/run/nodeos/memory/a/x/halo <- 4096 bytes of node 1 for 7:8"],
  ["room", "/run/nodeos/memory/a/4KiB-node0", "4096", "room of /run/nodeos/memory/a/4KiB-node0 <- 4096 bytes"],
  ["lent", "/run/nodeos/memory/a/devdax/halo", "/dev/dax0.0 7:8", "/run/nodeos/memory/a/devdax/halo <- /dev/dax0.0 for 7:8"],
  [
    "shares",
    "/run/nodeos/memory/a/shares",
    "policy bind\nnear 0 2 1\npages 2097152 /c/hugetlb.2MB.numa_stat 1 4194304 2 2097152\npages 4096 /c/x 1 4096",
    "/run/nodeos/memory/a/shares <- 4194304 bytes of node 1, 2097152 bytes of node 2 in pages of 2097152; 4096 bytes of node 1 in pages of 4096",
  ],
  ["msr", "msr:3:0x610:0x1ffff", "0x183c0", "register 0x610 of CPU 3 (msr, bits 0x1ffff) <- 0x183c0"],
  ["power", "hsmp:0", "120000", "power limit of hsmp:0 <- 120000 mW"],
];

Deno.test("formatStep() says what gets which value, and why, for each kind of step", () => {
  assert.equal(formatStep(cpus), "/sys/fs/cgroup/nodeos-sim/cpuset.cpus <- 2-5   its CPUs");
  assert.equal(formatStep(cgroup), "/sys/fs/cgroup/nodeos-sim/ <- (new cgroup)   container sim");
  assert.equal(formatStep(controller), "/sys/fs/cgroup/cgroup.subtree_control <- +cpuset   children get it");
  assert.equal(formatStep(affinity), "affinity of thread 4711 <- 0-1   out of the way");
  for (const [kind, what, to, line] of others) assert.equal(formatStep({ kind, what, to, why: "so" }), `${line}   so`);
  assert.deepEqual(new Set(["file", "cgroup", "controller", "affinity", ...others.map(([kind]) => kind)]), new Set(stepKinds));
});
Deno.test("formatStep() of a filter that lets everything through says so", () => {
  assert.equal(formatStep({ kind: "filter", what: "/sys/fs/cgroup/a", to: "", why: "" }), "devices of /sys/fs/cgroup/a <- (all)   ");
});

Deno.test("formatStep() of an object from any node names none", () => {
  assert.equal(formatStep({ kind: "object", what: "/a/b@-1@", to: "4096 7:8", why: "" }), "/a/b <- 4096 bytes for 7:8   ");
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
  const other: Change = { ...cpus, to: "7", why: "another" };
  assert(isSame(cpus, other));
  assert(!isSame(cpus, { ...cpus, what: "/sys/fs/cgroup/nodeos-viz/cpuset.cpus" }));
  assert(!isSame(cpus, { ...cpus, kind: "cgroup" }));
});
