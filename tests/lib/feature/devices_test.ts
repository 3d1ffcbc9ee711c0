import assert from "node:assert/strict";
import { RefusedError } from "../../../lib/errors.ts";
import { devices, type DevicesWish } from "../../../lib/feature/devices.ts";
import type { Change } from "../../../lib/plan/step.ts";
import type { CapturedFiles } from "../../captured.ts";
import { hybrid, noCgroups, v1, v2 } from "../../small_machines.ts";
import type { Site } from "../../../lib/plan/seat.ts";
import { planned } from "./site.ts";

const nodes: CapturedFiles = {
  "/proc/sys/kernel/unprivileged_bpf_disabled": "2\n",
  "/sys/dev/char/226:128/uevent": "MAJOR=226\nMINOR=128\nDEVNAME=dri/renderD128\n",
  "/sys/dev/block/254:0/uevent": "MAJOR=254\nMINOR=0\nDEVNAME=vda\n",
};
const harmless = "b *:* m;c *:* m;c 136:* rwm;c 137:* rwm;c 138:* rwm;c 139:* rwm;c 140:* rwm;c 141:* rwm;c 142:* rwm;c 143:* rwm;" +
  "c 1:3 rwm;c 1:5 rwm;c 1:7 rwm;c 1:8 rwm;c 1:9 rwm;c 5:0 rwm;c 5:1 rwm;c 5:2 rwm";

function rulesOf(wish: DevicesWish, files: CapturedFiles = { ...v2, ...nodes }): string[] {
  let changes: Change[] = [];
  planned(files, (site) => changes = devices.plan(site, wish));
  return changes.at(-1)!.to.split(";");
}

const added = (wish: DevicesWish) => rulesOf(wish).filter((rule) => !harmless.split(";").includes(rule));

Deno.test("devices without a wish changes nothing, whatever the machine has", () => {
  assert.equal(devices.default, null);
  for (const machine of [v1, v2, noCgroups, {}]) assert.deepEqual(planned(machine, (site) => devices.plan(site, null)), []);
});

Deno.test("devices on version 2 filters on the container's cgroup, with no controller", () => {
  assert.deepEqual(planned({ ...v2, ...nodes }, (site) => devices.plan(site, [])), [
    "/sys/fs/cgroup/nodeos-sim/ <- (new cgroup)",
    `devices of /sys/fs/cgroup/nodeos-sim <- ${harmless}`,
  ]);
});

Deno.test("devices uses version 1's controller where it is mounted, on a hybrid machine too", () => {
  const mount = "60 30 0:60 / /sys/fs/cgroup/devices rw,nosuid - cgroup cgroup rw,devices\n";
  for (const machine of [v1, hybrid]) {
    const files = { ...machine, ...nodes, "/proc/self/mountinfo": machine["/proc/self/mountinfo"] + mount };
    assert.deepEqual(planned(files, (site) => devices.plan(site, [])), [
      "/sys/fs/cgroup/devices/nodeos-sim/ <- (new cgroup)",
      `devices of /sys/fs/cgroup/devices/nodeos-sim <- ${harmless}`,
    ]);
  }
});

Deno.test("devices on a hybrid machine without that controller filters on version 2", () => {
  const [cgroup] = planned({ ...hybrid, ...nodes }, (site) => devices.plan(site, []));
  assert.equal(cgroup, "/sys/fs/cgroup/unified/nodeos-sim/ <- (new cgroup)");
});

Deno.test("devices finds the numbers of paths, and takes numbers as they are", () => {
  assert.deepEqual(added(["/dev/dri/renderD128"]), ["c 226:128 rwm"]);
  assert.deepEqual(added(["/dev/vda", "/dev/dri/renderD128", "/dev/vda"]), ["b 254:0 rwm", "c 226:128 rwm"]);
  assert.deepEqual(added(["c 195:*", "b 8:16"]), ["b 8:16 rwm", "c 195:* rwm"]);
});

Deno.test("devices plans the same rules whatever the order of the wish: they are compared as text", () => {
  assert.deepEqual(rulesOf(["/dev/vda", "/dev/dri/renderD128"]), rulesOf(["/dev/dri/renderD128", "/dev/vda"]));
});

Deno.test("devices goes back to all when the wish ends while the container lives", () => {
  let changes: Change[] = [];
  planned({ ...v2, ...nodes }, (site) => changes = devices.plan(site, []));
  assert.equal(changes.at(-1)!.initial, "");
});

Deno.test("devices refuses a device that is not there, and names the nearest", () => {
  const isRefusal = (message: RegExp) => (error: unknown) =>
    error instanceof RefusedError && message.test(error.message) && /readlink -f.*c 195:0$/.test(error.remedy!);
  assert.throws(
    () => rulesOf(["/dev/dri/renderD129"]),
    isRefusal(
      /^Cannot let container sim open "\/dev\/dri\/renderD129": .* no device of that name; did you mean "\/dev\/dri\/renderD128"\?$/,
    ),
  );
  for (const device of ["", "vda", "/dev/disk/by-id/nvme-eui.002538", "c 195", "a *:*"]) {
    assert.throws(() => rulesOf([device]), isRefusal(/no device of that name/));
  }
});

Deno.test("devices is refused where nothing can filter them", () => {
  const plan = (site: Site) => devices.plan(site, []);
  assert.throws(
    () => planned(v2, plan),
    (error) =>
      error instanceof RefusedError && /on cgroup v2 that needs programs in the kernel/.test(error.message) &&
      /CONFIG_CGROUP_BPF/.test(error.remedy!),
  );
  assert.throws(
    () => planned({ ...v1, ...nodes }, plan),
    (error) =>
      error instanceof RefusedError && /has the devices controller/.test(error.message) && /mount -t cgroup -o devices/.test(error.remedy!),
  );
});
