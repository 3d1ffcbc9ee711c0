import fc from "fast-check";
import { getAffinity } from "../../../ffi/task.ts";
import { decideResize, type Resize } from "../../../lib/container/resize.ts";
import { specsOf } from "../../../lib/container/ledger_specs.ts";
import type { ContainerSpec, NodeRequest } from "../../../lib/container/spec.ts";
import { decideSwitch, type Switch, switchNames } from "../../../lib/container/switch.ts";
import { nodeFeatures } from "../../../lib/feature/node_features.ts";
import type { Inventory } from "../../../lib/kernel/inventory.ts";
import type { Ledger } from "../../../lib/plan/ledger.ts";
import type { FakeMachine } from "../../fake_kernel.ts";
import { type FakeTask, firstFakeTid } from "../../fake_tasks.ts";
import { machines, requestsFor } from "./world.ts";

// The sanitizer of tests would take the library, loaded with the first affinity, for a leak.
getAffinity(0);

/** One change of containers that run, in words that fit any ledger: numbers pick among what is there. */
export type Wish =
  /** CPUs as bits; taken from whoever has them, or not. */
  | { readonly kind: "cpus"; readonly who: number; readonly bits: number; readonly take: boolean }
  /** Some CPUs go from one to another, also from or to the ServiceOS. */
  | { readonly kind: "hand over"; readonly who: number; readonly to: number; readonly count: number }
  | { readonly kind: "limits"; readonly who: number; readonly limits: Omit<Resize, "name" | "cpus"> }
  | { readonly kind: "switch"; readonly who: number; readonly change: Switch };

/** What `Node.change()` takes. */
export type Decision = (inventory: Inventory, ledger: Ledger) => readonly ContainerSpec[];

/** A wish as a decision. It may throw, as those of people do. */
export function decisionOf(wish: Wish): Decision {
  return (inventory, ledger) => {
    const specs = specsOf(ledger);
    const of = (who: number) => specs[who % specs.length];
    const who = of(wish.who);
    switch (wish.kind) {
      case "cpus": {
        const cpus = inventory.onlineCpus.filter((cpu) => wish.bits >> cpu & 1);
        return decideResize(inventory, ledger, [{ name: who.name, cpus }], wish.take);
      }
      case "hand over": {
        const [kept, given] = [who.cpus.slice(wish.count), who.cpus.slice(0, wish.count)];
        const to = of(wish.to);
        const cpus = [...to.cpus, ...given].sort((a, b) => a - b);
        const resizes = [{ name: who.name, cpus: kept }, ...(to === who ? [] : [{ name: to.name, cpus }])];
        return decideResize(inventory, ledger, resizes, false);
      }
      case "limits":
        return decideResize(inventory, ledger, [{ name: who.name, ...wish.limits }], false);
      case "switch":
        return [decideSwitch(ledger, who.name, wish.change)];
    }
  };
}

function wishesFor({ cpuCount, nodeCount = 1 }: FakeMachine): fc.Arbitrary<Wish> {
  const who = fc.nat(6);
  const limits = fc.record({
    memoryBytes: fc.option(fc.integer({ min: 1 << 20, max: 1 << 30 })),
    pidsMax: fc.option(fc.integer({ min: 1, max: 4096 })),
    nodes: fc.subarray([...Array(nodeCount).keys()], { minLength: 1 }),
  }, { requiredKeys: [] });
  const change = fc.record({
    feature: fc.constantFrom(...switchNames),
    enable: fc.boolean(),
    cache: fc.constantFrom({ l3: 30 }, { memoryBandwidth: 50 }, { l3: 10, memoryBandwidth: 20 }),
    scheduling: fc.constantFrom({ policy: "cooperative", throttle: "lift" } as const, { policy: "cooperative", throttle: "keep" } as const),
  });
  return fc.oneof(
    fc.record({ kind: fc.constant("cpus" as const), who, bits: fc.nat(2 ** cpuCount - 1), take: fc.boolean() }),
    fc.record({ kind: fc.constant("hand over" as const), who, to: who, count: fc.integer({ min: 1, max: 3 }) }),
    fc.record({ kind: fc.constant("limits" as const), who, limits }),
    { arbitrary: fc.record({ kind: fc.constant("switch" as const), who, change }), weight: 2 },
  );
}

/** Threads of others: in the root and in a cgroup of somebody's, one that the kernel does not move, one of the kernel's own. */
function tasksFor(version: 1 | 2): fc.Arbitrary<FakeTask[]> {
  const pids = Array.from({ length: 6 }, (_, index) => firstFakeTid + 10 * index);
  const all: FakeTask[] = [
    { pid: pids[0], name: "init" },
    { pid: pids[1], name: "sshd" },
    { pid: pids[1], tid: pids[1] + 1, name: "sshd helper" },
    { pid: pids[2], name: "realtime", isStuck: true },
    { pid: pids[3], name: "ksoftirqd/0", isKernelThread: true },
    { pid: pids[4], name: "zombie", state: "Z" },
    ...(version === 2 ? [{ pid: pids[5], name: "cron", cgroup: "/system.slice" }] : []),
  ];
  return fc.subarray(all).map((tasks) =>
    tasks.filter(({ pid }) => tasks.some(({ pid: first, tid }) => tid === undefined && first === pid))
  );
}

/** A machine with much to change, containers that wish to change it, and what they wish later. */
export interface WholeNode {
  readonly machine: FakeMachine;
  readonly request: NodeRequest;
  readonly wishes: readonly Wish[];
}

/** Of {@link WholeNode}. */
export const wholeNodes: fc.Arbitrary<WholeNode> = machines.chain((bare) =>
  tasksFor(bare.version).chain((tasks) => {
    const machine: FakeMachine = { ...bare, settings: true, tasks, caches: { cpusPerCache: 4 } };
    return fc.record({
      machine: fc.constant(machine),
      request: requestsFor(machine).chain((request) => quietRequests(request)),
      wishes: fc.array(wishesFor(machine), { minLength: 1, maxLength: 4 }),
    });
  })
);

/** A request with features of the whole node, for none, some or all of its containers, and with programs that stay. */
function quietRequests(request: NodeRequest): fc.Arbitrary<NodeRequest> {
  const names = nodeFeatures.map(({ name }) => name);
  const on = (chosen: readonly string[]) => Object.fromEntries(chosen.map((name) => [name, true]));
  const quiet = fc.oneof(fc.constant([]), fc.constant(names), fc.subarray(names), fc.constant(["tasks"])).map(on);
  const { containers, serviceCpus } = request;
  return fc.record({
    quiets: fc.array(quiet, { minLength: containers.length, maxLength: containers.length }),
    swap: fc.constantFrom("off" as const, "on" as const),
    protect: fc.constantFrom(["sshd"], ["s*d*"], [`${firstFakeTid}`], []),
  }).map(({ quiets, swap, protect }) => ({
    ...request,
    ...(serviceCpus === undefined ? {} : { protect }),
    containers: containers.map((container, index) => ({ ...container, swap, quiet: quiets[index] })),
  }));
}

/** The request that makes containers as they are now from nothing. */
export function requestOf(ledger: Ledger): NodeRequest {
  const specs = specsOf(ledger);
  const service = specs.find(({ role }) => role === "service");
  return {
    ...(service === undefined ? {} : { serviceCpus: service.cpus, protect: service.protect }),
    containers: specs.filter(({ role }) => role === "compute").map((
      { name, cpus, nodes, memoryBytes, pidsMax, scheduling, loadBalancing, swap, cache, quiet },
    ) => ({
      name,
      cpus,
      nodes,
      memoryBytes: memoryBytes ?? undefined,
      pidsMax: pidsMax ?? undefined,
      scheduling,
      loadBalancing,
      swap,
      cache,
      quiet: Object.fromEntries(quiet.map((name) => [name, true])),
    })),
  };
}
