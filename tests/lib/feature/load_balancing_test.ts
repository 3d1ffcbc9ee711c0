import assert from "node:assert/strict";
import { loadBalancing } from "../../../lib/feature/load_balancing.ts";
import { Inventory } from "../../../lib/kernel/inventory.ts";
import { captured } from "../../captured.ts";
import { hybrid, v1, v2, v2New } from "../../small_machines.ts";
import type { Site } from "../../../lib/plan/seat.ts";
import { planned } from "./site.ts";

const off = (site: Site) => loadBalancing.plan(site, "off");
const on = (site: Site) => loadBalancing.plan(site, "on");

Deno.test("loadBalancing is off unless somebody asks for it", () => {
  assert.equal(loadBalancing.default, "off");
});

for (const [name, files] of Object.entries({ "Linux 6.1": v2, "Linux 6.7 and later": v2New })) {
  Deno.test(`loadBalancing on ${name} chooses the sort of partition`, () => {
    assert.deepEqual(planned(files, off), ["/sys/fs/cgroup/nodeos-sim/cpuset.cpus.partition <- isolated"]);
    assert.deepEqual(planned(files, on), ["/sys/fs/cgroup/nodeos-sim/cpuset.cpus.partition <- root"]);
  });
}

for (const [name, files] of Object.entries({ "version 1": v1, "a hybrid machine": hybrid })) {
  Deno.test(`loadBalancing on ${name} sets the flag of the container alone, not that of the root`, () => {
    assert.deepEqual(planned(files, off), ["/sys/fs/cgroup/cpuset/nodeos-sim/cpuset.sched_load_balance <- 0"]);
    assert.deepEqual(planned(files, on), ["/sys/fs/cgroup/cpuset/nodeos-sim/cpuset.sched_load_balance <- 1"]);
  });
}

Deno.test("loadBalancing leaves the ServiceOS as it is", () => {
  assert.deepEqual(planned(v2, off, { role: "service" }), []);
  assert.deepEqual(planned(v1, on, { role: "service" }), []);
});

Deno.test("loadBalancing off places threads, unless there is one CPU only, or the ServiceOS asks", () => {
  using machine = captured(v2);
  const site: Site = { inventory: new Inventory(machine), name: "sim", role: "compute", cpus: [2, 3], nodes: [0] };
  assert.deepEqual(loadBalancing.birth!(site, "off"), { placeThreads: true });
  assert.deepEqual(loadBalancing.birth!(site, "on"), { placeThreads: false });
  assert.deepEqual(loadBalancing.birth!({ ...site, cpus: [2] }, "off"), { placeThreads: false });
  assert.deepEqual(loadBalancing.birth!({ ...site, role: "service" }, "off"), { placeThreads: false });
});
