import assert from "node:assert/strict";
import { Node } from "../../../lib/container/node.ts";
import { decideSwitch } from "../../../lib/container/switch.ts";
import { cgroups, guestTest, kernel, read, stateDirectory } from "../guest.ts";

const slices = () => kernel.list(cgroups).filter(({ name }) => /\.(?:slice|scope)$/.test(name)).map(({ name }) => name).sort();
const cpusOf = (slice: string) => kernel.tryRead(`${cgroups}/${slice}/cpuset.cpus`)?.trim() ?? "";

guestTest("feature tasks: systemd's slices leave for the ServiceOS by their property, and come back", async () => {
  const node = new Node(kernel, stateDirectory);
  const names = slices();
  assert.ok(names.includes("system.slice") && names.includes("init.scope"), names.join());
  const request = { serviceCpus: [0, 1], containers: [{ name: "sim", cpus: [4, 5], quiet: { tasks: true } }] };
  await node.up(request, "persistent");
  assert.deepEqual(names.map(cpusOf), names.map(() => "0-1"));
  assert.match(read("/proc/1/status"), /^Cpus_allowed_list:\t0-1$/m);
  assert.deepEqual(node.verifyNode(), []);
  for (const enable of [false, true, false]) {
    await node.change((_, ledger) => [decideSwitch(ledger, "sim", { feature: "tasks", enable })]);
    assert.deepEqual(names.map(cpusOf), names.map(() => enable ? "0-1" : "0-3,6-7"));
    assert.deepEqual(node.verify().flatMap(({ drift }) => drift), [], "systemd left the container its controller");
  }
  await node.down([], 0);
  assert.match(read("/proc/1/status"), /^Cpus_allowed_list:\t0-7$/m);
});
