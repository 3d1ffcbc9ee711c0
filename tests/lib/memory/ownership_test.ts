import assert from "node:assert/strict";
import { Inventory } from "../../../lib/kernel/inventory.ts";
import { memoryNodes } from "../../../lib/memory/memory_nodes.ts";
import { type BackendState, ownership, readBackends } from "../../../lib/memory/ownership.ts";
import { captured, type CapturedFiles } from "../../captured.ts";
import { fakeNodes, fourNodes, MiB, oneNode } from "./machines.ts";

function backends(files: CapturedFiles): Map<string, BackendState> {
  using machine = captured(files);
  return new Map(readBackends(new Inventory(machine), []).map((state) => [state.name, state]));
}

Deno.test("readBackends() lists every way to own memory, the strongest first, with words for its strength", () => {
  assert.deepEqual([...backends(fourNodes).keys()], memoryNodes.map(({ name }) => name));
  assert.ok(Object.values(ownership).every((words) => /^[a-z ]+: /.test(words)));
});

Deno.test("readBackends() says what a machine has, why it lacks something, and what booting would change", () => {
  const four = backends(fourNodes);
  assert.equal(four.get("node")!.problem, null);
  assert.equal(four.get("node")!.here, "4 NUMA nodes");
  assert.equal(four.get("hugetlb")!.here, "pages of 2MiB, 16 reserved, pages of 1GiB, 0 reserved");
  assert.match(four.get("devdax")!.problem!, /no device DAX/);
  assert.match(four.get("devdax")!.boot!, /^memmap=/);
  const one = backends(oneNode);
  assert.match(one.get("node")!.problem!, /one NUMA node/);
  assert.match(one.get("node")!.boot!, /^numa=fake=8 /);
  assert.equal(backends(fakeNodes).get("node")!.boot, null);
});

Deno.test("readBackends() names the devices, and a hierarchy that is missing", () => {
  const device = "/sys/bus/dax/devices/dax0.0";
  const state = backends({ ...fourNodes, [`${device}/size`]: `${512 * MiB}\n`, [`${device}/target_node`]: "1\n" });
  assert.equal(state.get("devdax")!.here, "dax0.0 with 512MiB at node 1");
  const bare = backends({ ...fourNodes, "/sys/fs/cgroup/cgroup.controllers": "cpuset memory\n" });
  assert.match(bare.get("hugetlb")!.problem!, /hugetlb controller/);
});
