import assert from "node:assert/strict";
import { RefusedError } from "../../../lib/errors.ts";
import { pids } from "../../../lib/feature/pids.ts";
import { hybrid, noCgroups, v1, v2 } from "../../small_machines.ts";
import type { Site } from "../../../lib/plan/seat.ts";
import { planned } from "./site.ts";

const limited = (site: Site) => pids.plan(site, 64);

Deno.test("pids without a limit changes nothing, whatever the machine has", () => {
  assert.equal(pids.default, null);
  assert.deepEqual(planned(noCgroups, (site) => pids.plan(site, null)), []);
});

Deno.test("pids sets the same file on both versions, each in its place", () => {
  assert.deepEqual(planned(v2, limited), [
    "/sys/fs/cgroup/cgroup.subtree_control <- +pids (shared)",
    "/sys/fs/cgroup/nodeos-sim/ <- (new cgroup)",
    "/sys/fs/cgroup/nodeos-sim/pids.max <- 64",
  ]);
  assert.deepEqual(planned(v1, limited), [
    "/sys/fs/cgroup/pids/nodeos-sim/ <- (new cgroup)",
    "/sys/fs/cgroup/pids/nodeos-sim/pids.max <- 64",
  ]);
});

Deno.test("pids on a hybrid machine that has the controller on version 2 goes there", () => {
  assert.deepEqual(planned(hybrid, limited), [
    "/sys/fs/cgroup/unified/cgroup.subtree_control <- +pids (shared)",
    "/sys/fs/cgroup/unified/nodeos-sim/ <- (new cgroup)",
    "/sys/fs/cgroup/unified/nodeos-sim/pids.max <- 64",
  ]);
});

Deno.test("pids without the controller is refused", () => {
  assert.throws(() => planned(noCgroups, limited), RefusedError);
});
