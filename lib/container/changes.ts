import { RefusedError } from "../errors.ts";
import { cgroupPrefix, hierarchyOf } from "../kernel/cgroup.ts";
import { formatCpuList, parseCpuList } from "../kernel/cpulist.ts";
import { Inventory } from "../kernel/inventory.ts";
import type { Kernel } from "../plan/driver.ts";
import { type Drift, verify } from "../plan/executor.ts";
import { holdingOf, type Ledger, replaceHolding } from "../plan/ledger.ts";
import { losesUnits, type OwnMemory, widest } from "../memory/unit.ts";
import type { Store } from "../plan/store.ts";
import { specsOf } from "./ledger_specs.ts";
import { reconcile } from "./reconcile.ts";
import type { ContainerSpec } from "./spec.ts";
import { announce, conclude, transition } from "./transition.ts";

/** A container whose partition is not what it was made. */
export interface BrokenPartition {
  /** Its name. */
  readonly name: string;
  /** What the kernel says instead. */
  readonly drift: Drift;
}

/** Changes of containers and of the whole node, each from what the ledger says to something else; under the lock. */
export class Changes {
  /**
   * @param kernel The running machine.
   * @param store Where the ledger lies; the caller holds its lock.
   */
  constructor(readonly kernel: Kernel, readonly store: Store) {}

  /** Makes the whole node as the containers of the ledger wish it. */
  reconcile(ledger: Ledger, left: Drift[] = []): Ledger {
    const result = reconcile(this.kernel, this.store, ledger, specsOf(ledger));
    left.push(...result.left);
    return result.ledger;
  }

  /**
   * Makes containers what `targets` say: all of them, or none.
   *
   * @throws {RefusedError} If the kernel refuses a step; then they are as they were.
   */
  make(ledger: Ledger, targets: readonly ContainerSpec[]): Ledger {
    const names = targets.map(({ name }) => name);
    let sources = specsNow(ledger, names);
    const losing = targets.some((target, index) => losesUnits(objectsOf(sources[index].memory), target.memory));
    const kept = targets.map((target, index) => withObjectsOf(sources[index], target));
    if (losing && JSON.stringify(kept) !== JSON.stringify(sources)) {
      // What can fail goes first, as long as nothing is lost yet.
      ledger = this.make(ledger, kept);
      sources = specsNow(ledger, names);
    }
    const broken = this.brokenPartitions(ledger);
    ledger = announce(this.kernel, this.store, ledger, targets, losing);
    try {
      ledger = transition(this.kernel, this.store, ledger, sources, targets);
      this.checkNeighbours(ledger, broken);
      this.#checkOverlaps(ledger);
      const left: Drift[] = [];
      ledger = this.reconcile(ledger, left);
      if (left.length > 0) throw stubborn(left);
      return conclude(this.kernel, this.store, ledger, names);
    } catch (error) {
      // What is on disk knows every step, also of what had just begun.
      this.goBack(this.store.read(), names);
      throw error;
    }
  }

  /**
   * Makes containers what they were before a change that failed, or whose command died; where there is no way back, what
   * they were to become.
   */
  goBack(ledger: Ledger, names: readonly string[]): Ledger {
    const changed = names.map((name) => holdingOf(ledger, name)!).filter(({ changing }) => changing !== undefined);
    const sources = changed.map(({ spec }) => spec as ContainerSpec);
    // A copy: what it is to become has to be planned anew.
    const targets = changed.map(({ spec, changing }) => (changing!.isOneWay ? structuredClone(spec) : changing!.spec) as ContainerSpec);
    ledger = transition(this.kernel, this.store, ledger, sources, targets, true);
    for (const spec of targets) ledger = replaceHolding(ledger, { ...holdingOf(ledger, spec.name)!, spec });
    ledger = this.reconcile(ledger);
    return conclude(this.kernel, this.store, ledger, changed.map(({ name }) => name));
  }

  /** Kernels before 6.7 let a new partition break its neighbours' without a word. */
  checkNeighbours(ledger: Ledger, brokenBefore: readonly BrokenPartition[]): void {
    for (const { name, drift: { step, found } } of this.brokenPartitions(ledger)) {
      if (brokenBefore.some((broken) => broken.name === name)) continue;
      throw new RefusedError(`Cannot keep the partition of container ${name}: ${step.what} now says ${JSON.stringify(found)}`, {
        remedy: "Give the new container CPUs that no other cgroup claims; nodeos topo shows who has which",
      });
    }
  }

  /** And before 6.7, when a partition grows, they leave a neighbour on its CPUs and call it isolated all the same. */
  #checkOverlaps(ledger: Ledger): void {
    const inventory = new Inventory(this.kernel);
    if (hierarchyOf(inventory.cgroups, "cpuset")?.version !== 2) return;
    for (const { name, role, cpus } of specsOf(ledger)) {
      if (role === "service") continue;
      for (const { path, effectiveCpus } of inventory.topCpusets) {
        const both = parseCpuList(effectiveCpus).filter((cpu) => cpus.includes(cpu));
        if (both.length === 0 || path.endsWith(`/${cgroupPrefix}${name}`)) continue;
        throw new RefusedError(`Cannot give container ${name} CPUs ${formatCpuList(both)}: programs of ${path} still run there`, {
          remedy: `Write other CPUs to ${path}/cpuset.cpus, or choose others`,
        });
      }
    }
  }

  /** Partitions of containers that are not what they were made. */
  brokenPartitions(ledger: Ledger): BrokenPartition[] {
    return ledger.holdings.flatMap(({ name, steps }) => {
      const [drift] = verify(this.kernel, steps.filter(({ what }) => what.endsWith("/cpuset.cpus.partition")));
      return drift ? [{ name, drift }] : [];
    });
  }
}

function specsNow(ledger: Ledger, names: readonly string[]): ContainerSpec[] {
  return names.map((name) => holdingOf(ledger, name)!.spec as ContainerSpec);
}

/** What is lost when a unit goes: of memory of programs, only what nobody uses may go, and it can come back. */
function objectsOf(memory: OwnMemory | undefined): OwnMemory | undefined {
  const units = memory?.units.filter(({ object }) => object !== undefined) ?? [];
  return memory === undefined || units.length === 0 ? undefined : { ...memory, units };
}

/** A container with all that it shall have, and the objects that it had besides. */
function withObjectsOf(source: ContainerSpec, target: ContainerSpec): ContainerSpec {
  const memory = widest(objectsOf(source.memory), target.memory);
  if (memory === undefined) return target;
  const [had, will] = [source.memoryBytes, target.memoryBytes];
  const memoryBytes = had === null || will === null ? null : Math.max(had, will);
  return { ...source, ...target, memoryBytes, nodes: [...new Set([...source.nodes, ...target.nodes])].sort((a, b) => a - b), memory };
}

function stubborn(left: readonly Drift[]): RefusedError {
  const lines = left.map(({ step, found }) => `${step.what} is ${found}, and was ${step.from} before`);
  return new RefusedError(`Cannot put back what is no longer wished of the whole node:\n  ${lines.join("\n  ")}`);
}
