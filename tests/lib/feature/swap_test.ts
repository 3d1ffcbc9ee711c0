import assert from "node:assert/strict";
import { RefusedError } from "../../../lib/errors.ts";
import { swap } from "../../../lib/feature/swap.ts";
import type { Change } from "../../../lib/plan/step.ts";
import { hybrid, noCgroups, v1, v2 } from "../../small_machines.ts";
import type { Site } from "../../../lib/plan/seat.ts";
import { planned } from "./site.ts";

const off = (site: Site) => swap.plan(site, "off");
const header = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
const unused = { "/proc/swaps": header };
const used = { "/proc/swaps": `${header}/dev/sda2                               partition\t1048572\t\t0\t\t-2\n` };
const swappiness = { "/sys/fs/cgroup/memory/memory.swappiness": "60\n" };

Deno.test("swap is on unless somebody wishes otherwise, and then changes nothing, whatever the machine has", () => {
  assert.equal(swap.default, "on");
  for (const machine of [v1, v2, noCgroups, {}]) assert.deepEqual(planned({ ...machine, ...used }, (site) => swap.plan(site, "on")), []);
});

Deno.test("swap off on version 2 takes the container's share of the swap space, also before there is any", () => {
  const lines = [
    "/sys/fs/cgroup/cgroup.subtree_control <- +memory (shared)",
    "/sys/fs/cgroup/nodeos-sim/ <- (new cgroup)",
    "/sys/fs/cgroup/nodeos-sim/memory.swap.max <- 0",
  ];
  const peers = { "/sys/fs/cgroup/init.scope/memory.max": "max\n", "/sys/fs/cgroup/init.scope/memory.swap.max": "max\n" };
  for (const files of [used, unused, { ...used, ...peers }]) assert.deepEqual(planned({ ...v2, ...files }, off), lines);
});

Deno.test("swap off on version 1 sets the swappiness, on a hybrid machine too", () => {
  const expected = ["/sys/fs/cgroup/memory/nodeos-sim/ <- (new cgroup)", "/sys/fs/cgroup/memory/nodeos-sim/memory.swappiness <- 0"];
  assert.deepEqual(planned({ ...v1, ...used, ...swappiness }, off), expected);
  assert.deepEqual(planned({ ...hybrid, ...unused, ...swappiness }, off), expected);
});

Deno.test("swap knows what a new cgroup starts from, to go back to it while the container lives", () => {
  const initialOf = (files: Record<string, string | null>) => {
    let changes: Change[] = [];
    planned(files, (site) => changes = off(site));
    return changes.at(-1)!.initial;
  };
  assert.equal(initialOf({ ...v2, ...used }), "max");
  assert.equal(initialOf({ ...v1, ...used, ...swappiness }), "60");
});

Deno.test("swap off changes nothing on a kernel that was built without swapping", () => {
  for (const machine of [v1, v2, noCgroups]) assert.deepEqual(planned(machine, off), []);
});

const uncounted = { "/sys/fs/cgroup/system.slice/memory.max": "max\n", "/sys/fs/cgroup/empty": null };

Deno.test("swap off changes nothing where swap is neither counted nor there", () => {
  assert.deepEqual(planned({ ...v2, ...uncounted, ...unused }, off), []);
});

Deno.test("swap off is refused where the kernel swaps and does not count, with the ways out", () => {
  assert.throws(
    () => planned({ ...v2, ...uncounted, ...used }, off),
    (error) =>
      error instanceof RefusedError && error.message.includes("container sim from swapping") &&
      /swapaccount=0.*swapoff -a/.test(error.remedy!),
  );
});

Deno.test("swap off without the memory controller is refused", () => {
  assert.throws(() => planned({ ...noCgroups, ...used }, off), RefusedError);
});
