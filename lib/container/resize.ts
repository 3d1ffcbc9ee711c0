import { RefusedError, UsageError } from "../errors.ts";
import { cgroupDirectory, hierarchyOf } from "../kernel/cgroup.ts";
import { formatCpuList } from "../kernel/cpulist.ts";
import type { Inventory } from "../kernel/inventory.ts";
import { limitBytesOf } from "../memory/unit.ts";
import type { Ledger } from "../plan/ledger.ts";
import { findSpec, specsOf } from "./ledger_specs.ts";
import { decideMemories } from "./own_memory.ts";
import { holdersOf, resolveLimits } from "./resolve.ts";
import { type ContainerSpec, serviceName } from "./spec.ts";

/** What a container shall have from now on; what is not given stays. */
export interface Resize {
  /** Its name; `service` is the ServiceOS. */
  readonly name: string;
  /** CPUs, ascending. */
  readonly cpus?: readonly number[];
  /** NUMA nodes to take memory from, ascending. */
  readonly nodes?: readonly number[];
  /** The most memory in bytes; `null` lifts the limit. */
  readonly memoryBytes?: number | null;
  /** The most threads at once; `null` lifts the limit. */
  readonly pidsMax?: number | null;
}

/**
 * Decides what containers become, and checks all of it as if they were made anew.
 *
 * @param take Take the CPUs from whoever of ours has them; otherwise it is an error that somebody has.
 * @returns Those that change: the named ones, and whom CPUs are taken from.
 * @throws {SpecError} If a value is wrong, {RefusedError} if it cannot be now, {NoSuchObjectError} if there is no such
 * container.
 */
export function decideResize(inventory: Inventory, ledger: Ledger, resizes: readonly Resize[], take: boolean): ContainerSpec[] {
  const named = resizes.map((resize) => limited(inventory, ledger, wishOf(ledger, resize)));
  const givers = take ? giversOf(ledger, named) : [];
  const changed = [...named, ...givers];
  checkCpus(inventory, ledger, changed);
  for (const spec of changed) checkUse(inventory, spec, ledger);
  return changed;
}

function wishOf(ledger: Ledger, { name, cpus, nodes, memoryBytes, pidsMax }: Resize): ContainerSpec {
  const old = findSpec(ledger, name);
  return {
    ...old,
    cpus: cpus ?? old.cpus,
    nodes: nodes ?? old.nodes,
    ...(nodes === undefined ? {} : { namesNodes: true as const }),
    memoryBytes: memoryBytes === undefined ? old.memoryBytes : memoryBytes,
    pidsMax: pidsMax === undefined ? old.pidsMax : pidsMax,
  };
}

/** Containers of ours that lose CPUs to those of the request. */
function giversOf(ledger: Ledger, named: readonly ContainerSpec[]): ContainerSpec[] {
  const wanted = new Set(named.flatMap(({ cpus }) => cpus));
  return specsOf(ledger).flatMap((spec) => {
    if (named.some(({ name }) => name === spec.name)) return [];
    const kept = spec.cpus.filter((cpu) => !wanted.has(cpu));
    if (kept.length === spec.cpus.length) return [];
    if (kept.length === 0) {
      throw new RefusedError(`Cannot take all CPUs of ${spec.role === "service" ? "the ServiceOS" : `container ${spec.name}`}`, {
        remedy: `It has ${formatCpuList(spec.cpus)}; leave it one, or take it down first`,
      });
    }
    return [{ ...spec, cpus: kept }];
  });
}

/** No CPU in two hands, afterwards. */
function checkCpus(inventory: Inventory, ledger: Ledger, changed: readonly ContainerSpec[]): void {
  const stay = { ...ledger, holdings: ledger.holdings.filter(({ name }) => !changed.some((spec) => spec.name === name)) };
  const holders = holdersOf(inventory, stay);
  const own = new Set(changed.flatMap(({ name }) => findSpec(ledger, name).cpus));
  for (const { name, cpus } of changed) {
    const missing = cpus.filter((cpu) => !inventory.onlineCpus.includes(cpu));
    if (missing.length > 0 || cpus.length === 0) {
      const message = cpus.length === 0 ? "the list is empty" : `CPUs ${formatCpuList(missing)} do not run`;
      throw new UsageError(`Cannot give ${name} CPUs ${formatCpuList(cpus)}: ${message}`, {
        remedy: `This machine has CPUs ${formatCpuList(inventory.onlineCpus)}`,
      });
    }
    for (const cpu of cpus) {
      const holder = holders.get(cpu);
      // The cgroup of a container that is being changed is a stranger to a ledger without it.
      if (holder === undefined || (holder.startsWith("cgroup ") && own.has(cpu))) {
        holders.set(cpu, name === serviceName ? "the ServiceOS" : `container ${name}`);
        continue;
      }
      const isOurs = !holder.startsWith("cgroup ");
      throw new RefusedError(`Cannot give ${name} CPU ${cpu}: it belongs to ${holder}`, {
        remedy: isOurs ? "Say --take to have it taken from there, or resize both" : "Choose another one",
      });
    }
  }
  if (inventory.onlineCpus.some((cpu) => (holders.get(cpu) ?? "the ServiceOS") === "the ServiceOS")) return;
  throw new RefusedError("Cannot leave no CPU for the ServiceOS", { remedy: "Leave at least one CPU out of all containers" });
}

/** Checks memory, nodes and threads by the rules for new containers. */
function limited(inventory: Inventory, ledger: Ledger, spec: ContainerSpec): ContainerSpec {
  const { name, nodes, memory, pidsMax } = spec;
  const memoryBytes = spec.memoryBytes === limitBytesOf(memory) ? undefined : spec.memoryBytes ?? undefined;
  const { sharedNodes } = decideMemories(inventory, ledger, []);
  return { ...spec, ...resolveLimits(inventory, { name, nodes, memoryBytes, pidsMax: pidsMax ?? undefined }, memory, sharedNodes) };
}

/** Nothing is killed by a smaller limit: what is in use has to fit. */
function checkUse({ cgroups, files }: Inventory, spec: ContainerSpec, ledger: Ledger): void {
  const old = findSpec(ledger, spec.name);
  if (spec.memoryBytes === null || (old.memoryBytes !== null && spec.memoryBytes >= old.memoryBytes)) return;
  const hierarchy = hierarchyOf(cgroups, "memory");
  if (hierarchy === null) return;
  const file = hierarchy.version === 1 ? "memory.usage_in_bytes" : "memory.current";
  const usedBytes = Number(files.tryRead(`${cgroupDirectory(hierarchy, spec.name)}/${file}`) ?? 0);
  if (usedBytes <= spec.memoryBytes) return;
  throw new RefusedError(`Cannot limit the memory of ${spec.name} to ${spec.memoryBytes} bytes: it uses ${usedBytes}`, {
    remedy: "Choose a larger limit: its programs would be killed otherwise",
  });
}
