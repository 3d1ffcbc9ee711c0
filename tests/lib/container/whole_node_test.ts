import assert from "node:assert/strict";
import type { ContainerSpec } from "../../../lib/container/spec.ts";
import { leftOf, planNode } from "../../../lib/container/whole_node.ts";
import { nodeFeatures } from "../../../lib/feature/node_features.ts";
import { Inventory } from "../../../lib/kernel/inventory.ts";
import { prepare } from "../../../lib/plan/executor.ts";
import type { Change } from "../../../lib/plan/step.ts";
import { FakeKernel } from "../../fake_kernel.ts";
import { firstFakeTid } from "../../fake_tasks.ts";
// Loads the library before the tests, which would take it for a leak.
import "../../ffi/host.ts";

function spec(name: string, cpus: readonly number[], ...quiet: string[]): ContainerSpec {
  const limits = { memoryBytes: null, pidsMax: null, devices: null, cache: null } as const;
  return { name, role: "compute", cpus, nodes: [0], ...limits, scheduling: { policy: "fair" }, loadBalancing: "off", swap: "on", quiet };
}

const service: ContainerSpec = { ...spec("service", [0, 1]), role: "service", protect: ["sshd"] };
const machine = () => new FakeKernel({ version: 2, cpuCount: 8, settings: true, tasks: [{ pid: firstFakeTid, name: "sshd" }] });

function plan(...specs: ContainerSpec[]): Change[] {
  return planNode(new Inventory(machine()), specs, []);
}

function valueOf(changes: readonly Change[], ending: string): string | undefined {
  return changes.find(({ what }) => what.endsWith(ending))?.to;
}

Deno.test("planNode() plans nothing for containers that wish nothing", () => {
  assert.deepEqual(plan(spec("a", [2]), service), []);
  assert.deepEqual(plan(), []);
});

Deno.test("planNode() plans a feature once for all that wish it, and says who does", () => {
  const changes = plan(spec("a", [2, 3], "watchdog"), spec("b", [5], "watchdog", "timerMigration"), spec("c", [6]));
  assert.deepEqual(changes.map(({ what, to }) => [what, to]), [
    ["/proc/sys/kernel/watchdog_cpumask", "0-1,4,6-7"],
    ["/proc/sys/kernel/timer_migration", "0"],
  ]);
  assert.match(changes[0].why, / \(a, b\)$/);
  assert.match(changes[1].why, / \(b\)$/);
});

Deno.test("planNode() plans in the order of the features, whatever the containers say", () => {
  const names = nodeFeatures.map(({ name }) => name);
  const one = plan(spec("a", [2], ...names));
  assert.deepEqual(plan(spec("a", [2], ...names.toReversed())), one);
});

Deno.test("planNode() sends programs to the ServiceOS, or where no container is, whether it wishes the feature or not", () => {
  const cpus = (...specs: ContainerSpec[]) => valueOf(plan(...specs), "/nodeos-others/cpuset.cpus");
  assert.equal(cpus(spec("a", [2, 3], "tasks"), spec("b", [5])), "0-1,4,6-7");
  assert.equal(cpus(spec("a", [2, 3], "tasks"), spec("b", [5]), service), "0-1");
});

Deno.test("planNode() leaves alone programs that the ServiceOS protects", () => {
  assert.deepEqual(plan(spec("a", [2], "tasks"), service).filter(({ kind }) => kind === "member"), []);
  assert.equal(plan(spec("a", [2], "tasks")).filter(({ kind }) => kind === "member").length, 1);
});

Deno.test("planNode() goes by values from before us: planned again it is the same, also for fewer CPUs", () => {
  const kernel = machine();
  const wide = [spec("a", [2, 3], "watchdog", "irqs")];
  const held = prepare(kernel, planNode(new Inventory(kernel), wide, []));
  for (const { what, to } of held.slice(0, 2)) kernel.write(what, to);
  kernel.write("/proc/sys/kernel/watchdog_cpumask", "0-1,4-7");
  assert.deepEqual(planNode(new Inventory(kernel), wide, held), held.map(({ from: _, ...change }) => change));
  const narrow = planNode(new Inventory(kernel), [spec("a", [3], "watchdog", "irqs")], held);
  assert.equal(valueOf(narrow, "/watchdog_cpumask"), "0-2,4-7");
});

Deno.test("leftOf() names features that leave something behind, with lines", () => {
  const inventory = new Inventory(machine());
  const left = leftOf(inventory, [spec("a", [2], "tasks", "watchdog"), service], []);
  assert.deepEqual(left.map(({ feature }) => feature), ["tasks"]);
  assert.match(left[0].lines[0], /sshd.*service\.protect/);
  assert.deepEqual(leftOf(inventory, [spec("a", [2], "watchdog")], []), []);
});
