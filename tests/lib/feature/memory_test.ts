import assert from "node:assert/strict";
import { RefusedError } from "../../../lib/errors.ts";
import { memory } from "../../../lib/feature/memory.ts";
import { hybrid, v1, v2 } from "../../small_machines.ts";
import type { Site } from "../../../lib/plan/seat.ts";
import { planned } from "./site.ts";

const limited = (site: Site) => memory.plan(site, 2 ** 30);

Deno.test("memory without a limit changes nothing, whatever the machine has", () => {
  assert.equal(memory.default, null);
  assert.deepEqual(planned(v2, (site) => memory.plan(site, null)), []);
  assert.deepEqual(planned({}, (site) => memory.plan(site, null)), []);
});

Deno.test("memory on version 2 enables the controller and sets memory.max", () => {
  assert.deepEqual(planned(v2, limited), [
    "/sys/fs/cgroup/cgroup.subtree_control <- +memory (shared)",
    "/sys/fs/cgroup/nodeos-sim/ <- (new cgroup)",
    "/sys/fs/cgroup/nodeos-sim/memory.max <- 1073741824",
  ]);
});

Deno.test("memory on version 1 makes a cgroup in its own hierarchy, of a hybrid machine too", () => {
  const expected = [
    "/sys/fs/cgroup/memory/nodeos-sim/ <- (new cgroup)",
    "/sys/fs/cgroup/memory/nodeos-sim/memory.limit_in_bytes <- 1073741824",
  ];
  assert.deepEqual(planned(v1, limited), expected);
  assert.deepEqual(planned(hybrid, limited), expected);
});

Deno.test("memory writes large limits in full, not as 1e+21 or the like", () => {
  const lines = planned(v2, (site) => memory.plan(site, 2 ** 52));
  assert.equal(lines.at(-1), "/sys/fs/cgroup/nodeos-sim/memory.max <- 4503599627370496");
});

Deno.test("memory without the controller is refused", () => {
  const without = { ...v2, "/sys/fs/cgroup/cgroup.controllers": "cpuset pids\n" };
  assert.throws(
    () => planned(without, limited),
    (error) => error instanceof RefusedError && /memory controller/.test(error.message) && /cgroup_disable=memory/.test(error.remedy!),
  );
});
