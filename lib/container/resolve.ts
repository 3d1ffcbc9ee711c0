import { formatCpuList, parseCpuList } from "../kernel/cpulist.ts";
import { cgroupPrefix, hierarchyOf } from "../kernel/cgroup.ts";
import type { Inventory } from "../kernel/inventory.ts";
import type { Ledger } from "../plan/ledger.ts";
import { didYouMean } from "../errors.ts";
import { cache } from "../feature/cache.ts";
import { type LoadBalancing, loadBalancing } from "../feature/load_balancing.ts";
import { nodeFeatures } from "../feature/node_features.ts";
import { scheduling } from "../feature/scheduling.ts";
import { swap } from "../feature/swap.ts";
import { limitBytesOf, type OwnMemory } from "../memory/unit.ts";
import { quote } from "../quote.ts";
import { chooseCpus, serviceHolder } from "./choose.ts";
import { specsOf } from "./ledger_specs.ts";
import { decideMemories, type MemoryDecision, nodesFor } from "./own_memory.ts";
import {
  type ContainerRequest,
  type ContainerSpec,
  type NodeRequest,
  parseName,
  serviceName,
  SpecError,
  type SpecIssue,
  type SpecPath,
} from "./spec.ts";

/** The granularity of memory limits: a multiple of every page size in use. */
const memoryGrainBytes = 64 * 1024;
const memoryBytesMin = 1024 * 1024;
/** `PID_MAX_LIMIT` of the kernel, the most that `pids.max` takes. */
const pidsMaxMax = 2 ** 22;

/** Who holds which CPU: our containers, the ServiceOS, and cpusets of others that are exclusive. */
export function holdersOf(inventory: Inventory, ledger: Ledger): Map<number, string> {
  const holders = new Map<number, string>();
  const version = hierarchyOf(inventory.cgroups, "cpuset")?.version;
  const ours = new Set(specsOf(ledger).map(({ name }) => cgroupPrefix + name));
  for (const { path, cpus, partition } of inventory.topCpusets) {
    // One of ours that the ledger does not know belongs to another state directory: a stranger like any other.
    if (ours.has(path.slice(path.lastIndexOf("/") + 1)) || isRefuge(ledger, path)) continue;
    // On version 1 no sibling may overlap an exclusive cpuset, exclusive itself or not.
    const claims = version === 1 ? cpus !== "" : partition !== null && partition !== "member" && !partition.includes("invalid");
    if (claims) { for (const cpu of parseCpuList(cpus)) holders.set(cpu, `cgroup ${path}`); }
  }
  for (const spec of specsOf(ledger)) {
    for (const cpu of spec.cpus) holders.set(cpu, spec.role === "service" ? serviceHolder : `container ${spec.name}`);
  }
  return holders;
}

/** Whether a cgroup is where the programs of others went for our containers: it leaves CPUs that another one gets. */
function isRefuge({ node }: Ledger, path: string): boolean {
  return node?.steps.some(({ kind, what }) => kind === "refuge" && what === path) ?? false;
}

/**
 * Decides everything that a request leaves open, and checks the rest against the machine and what is there already.
 *
 * @returns The ServiceOS first, if the request gives it CPUs, then the containers in order.
 * @throws {SpecError} With every issue found.
 */
export function resolve(inventory: Inventory, ledger: Ledger, request: NodeRequest): ContainerSpec[] {
  const issues: SpecIssue[] = [];
  const holders = holdersOf(inventory, ledger);
  const specs: ContainerSpec[] = [];
  const checker = new Checker(inventory, holders, issues);

  const { containers } = request;
  const taken = new Set(specsOf(ledger).map(({ name }) => name));
  const names = containers.map(({ name }, index) => checker.name(name, taken, containers.slice(0, index), ["containers", index]));
  const memory = checker.memories(ledger, names, containers);
  if (request.serviceCpus !== undefined) {
    const path = ["service", "cpus"];
    const known = specsOf(ledger).find(({ role }) => role === "service");
    if (known === undefined) {
      checker.cpus(request.serviceCpus, path);
      checker.claim(request.serviceCpus, serviceHolder);
      const { protect } = request;
      const service = lean(serviceName, "service", request.serviceCpus, memory.sharedNodes);
      specs.push({ ...service, loadBalancing: "on", ...(protect === undefined ? {} : { protect }) });
    } else if (formatCpuList(known.cpus) !== formatCpuList(request.serviceCpus)) {
      const message = `the ServiceOS already has CPUs ${formatCpuList(known.cpus)}`;
      issues.push({ path, kind: "refused", message, remedy: "Take all containers down first, or leave this out" });
    } else if (request.protect !== undefined && request.protect.join() !== (known.protect ?? []).join()) {
      const message = `the ServiceOS already protects ${known.protect?.join(", ") || "no program"}`;
      issues.push({
        path: ["service", "protect"],
        kind: "refused",
        message,
        remedy: "Take all containers down first, or leave this out",
      });
    }
  } else if (request.protect !== undefined) {
    const remedy = "Say which CPUs the ServiceOS keeps: service.cpus";
    issues.push({ path: ["service", "protect"], kind: "usage", message: "programs are protected of a ServiceOS without CPUs", remedy });
  }
  if (request.containers.length === 0) {
    const message = "there is no container";
    issues.push({ path: ["containers"], kind: "usage", message, remedy: "List at least one, with a name and cpus" });
  }

  const cpus: (readonly number[])[] = [];
  // Who names CPUs goes first, then who counts them: what is chosen must not be what another one asked for.
  for (const index of containers.keys().toArray().sort((a, b) => freedom(containers[a]) - freedom(containers[b]))) {
    cpus[index] = checker.choice(containers[index], ["containers", index]);
    checker.claim(cpus[index], `container ${names[index]}`);
  }
  containers.forEach((container, index) => {
    const path = ["containers", index];
    const own = memory.memories[index];
    const nodes = checker.nodes(container, own, memory.sharedNodes, path);
    specs.push({
      ...lean(names[index], "compute", cpus[index], nodes),
      memoryBytes: checker.memory(container, own, nodes, path),
      ...(own === undefined ? {} : { memory: own }),
      ...(container.nodes === undefined ? {} : { namesNodes: true as const }),
      pidsMax: checker.pids(container, path),
      scheduling: container.scheduling ?? scheduling.default,
      loadBalancing: checker.balancing(container, path),
      swap: container.swap ?? swap.default,
      devices: container.devices ?? null,
      cache: container.cache ?? cache.default,
      quiet: checker.quiet(container, path),
      ...(container.syscalls === undefined ? {} : { syscalls: container.syscalls }),
    });
  });

  checker.serviceKeepsOne();
  if (issues.length > 0) throw new SpecError(issues);
  return specs;
}

/**
 * Decides the limits of a container that is there already: nodes, memory and threads.
 *
 * @param own Memory that it has for itself.
 * @param sharedNodes NUMA nodes that nobody owns as a whole.
 * @throws {SpecError} With every issue found.
 */
export function resolveLimits(
  inventory: Inventory,
  request: ContainerRequest,
  own?: OwnMemory,
  sharedNodes: readonly number[] = inventory.memoryNodes,
): Pick<ContainerSpec, "nodes" | "memoryBytes" | "pidsMax"> {
  const issues: SpecIssue[] = [];
  const checker = new Checker(inventory, new Map(), issues);
  const nodes = checker.nodes(request, own, sharedNodes, []);
  const limits = { nodes, memoryBytes: checker.memory(request, own, nodes, []), pidsMax: checker.pids(request, []) };
  if (issues.length > 0) throw new SpecError(issues);
  return limits;
}

/** How much a container leaves open: nothing, which CPUs, how many. */
function freedom({ cpus, cpuCount }: ContainerRequest): number {
  return cpus !== undefined ? 0 : cpuCount !== undefined ? 1 : 2;
}

function lean(name: string, role: ContainerSpec["role"], cpus: readonly number[], nodes: readonly number[]): ContainerSpec {
  const defaults = { scheduling: scheduling.default, loadBalancing: loadBalancing.default, swap: swap.default, cache: cache.default };
  return { name, role, cpus, nodes, memoryBytes: null, pidsMax: null, devices: null, quiet: [], ...defaults };
}

/** Checks one value at a time and collects what is wrong. */
class Checker {
  readonly #claimed = new Set<number>();

  constructor(readonly inventory: Inventory, readonly holders: Map<number, string>, readonly issues: SpecIssue[]) {}

  /** Gives CPUs to whoever of the request asked first. */
  claim(cpus: readonly number[], holder: string): void {
    for (const cpu of cpus) {
      if (this.holders.has(cpu)) continue;
      this.holders.set(cpu, holder);
      this.#claimed.add(cpu);
    }
  }

  #add(path: SpecPath, kind: SpecIssue["kind"], message: string, remedy?: string): void {
    this.issues.push({ path, kind, message, remedy });
  }

  name(asked: string | undefined, taken: Set<string>, earlier: readonly ContainerRequest[], path: SpecPath): string {
    let name = asked ?? "";
    if (asked === undefined) {
      for (let number = 1; name === "" || taken.has(name); number++) name = `run-${Deno.pid}${number > 1 ? `.${number}` : ""}`;
    } else {
      try {
        parseName(asked);
      } catch (error) {
        const { message, remedy } = error as { message: string; remedy?: string };
        this.#add([...path, "name"], "usage", message, remedy);
      }
      if (earlier.some(({ name }) => name === asked)) {
        this.#add([...path, "name"], "usage", `two containers are called ${quote(asked)}`, "Give each one a name of its own");
      } else if (taken.has(asked)) {
        const remedy = `Choose another name, or end that one: nodeos down ${asked}`;
        this.#add([...path, "name"], "refused", `there is a container ${asked} already`, remedy);
      }
    }
    taken.add(name);
    return name;
  }

  choice({ cpus, cpuCount }: ContainerRequest, path: SpecPath): readonly number[] {
    if (cpus !== undefined) {
      this.cpus(cpus, [...path, "cpus"]);
      return cpus;
    }
    if (cpuCount !== undefined && !(Number.isSafeInteger(cpuCount) && cpuCount > 0)) {
      this.#add([...path, "cpuCount"], "usage", `${cpuCount} is no count of CPUs`, "Write a whole number from 1");
      return [];
    }
    const chosen = chooseCpus(this.inventory, this.holders, cpuCount);
    if (chosen !== null) return chosen;
    const online = formatCpuList(this.inventory.onlineCpus);
    const remedy = `This machine has CPUs ${online}; one core stays with the ServiceOS${this.#heldList()}`;
    if (cpuCount === undefined) this.#add(path, "refused", "there are no free CPUs", remedy);
    else {this.#add(
        [...path, "cpuCount"],
        "refused",
        cpuCount === 1 ? "there is no free CPU" : `there are no ${cpuCount} free CPUs`,
        remedy,
      );}
    return [];
  }

  #heldList(): string {
    const by = new Map<string, number[]>();
    for (const [cpu, holder] of this.holders) by.set(holder, [...by.get(holder) ?? [], cpu]);
    const parts = [...by].map(([holder, cpus]) => `${holder} has ${formatCpuList(cpus)}`);
    return parts.length > 0 ? `; ${parts.join(", ")}` : "";
  }

  cpus(cpus: readonly number[], path: SpecPath): void {
    if (cpus.length === 0) this.#add(path, "usage", "the list of CPUs is empty", "Name at least one, such as 1 or 2-15");
    const { onlineCpus, presentCpus } = this.inventory;
    const missing = cpus.filter((cpu) => !onlineCpus.includes(cpu));
    const offline = missing.filter((cpu) => presentCpus.includes(cpu));
    const absent = missing.filter((cpu) => !presentCpus.includes(cpu));
    if (absent.length > 0) {
      this.#add(path, "usage", `${plural(absent, "does", "do")} not exist`, `This machine has CPUs ${formatCpuList(onlineCpus)}`);
    }
    if (offline.length > 0) {
      const remedy = `Switch it on: echo 1 > /sys/devices/system/cpu/cpu${offline[0]}/online`;
      this.#add(path, "refused", `${plural(offline, "is", "are")} offline`, remedy);
    }
    for (const holder of new Set(cpus.flatMap((cpu) => this.holders.get(cpu) ?? []))) {
      const held = cpus.filter((cpu) => this.holders.get(cpu) === holder);
      const free = formatCpuList(onlineCpus.filter((cpu) => !this.holders.has(cpu)));
      // A request that contradicts itself is wrong; what others hold may be free later.
      const kind = held.some((cpu) => this.#claimed.has(cpu)) ? "usage" : "refused";
      this.#add(path, kind, `${plural(held, "belongs", "belong")} to ${holder}`, `Free: ${free || "none"}`);
    }
  }

  /** Memory that containers have for themselves; it has to be decided before anybody's NUMA nodes are. */
  memories(ledger: Ledger, names: readonly string[], containers: readonly ContainerRequest[]): MemoryDecision {
    const wishes = containers.map(({ memory, nodes }, index) => ({ name: names[index], memory, nodes, path: ["containers", index] }));
    const decision = decideMemories(this.inventory, ledger, wishes);
    this.issues.push(...decision.issues);
    return decision;
  }

  nodes(
    { nodes }: ContainerRequest,
    own: OwnMemory | undefined,
    sharedNodes: readonly number[],
    path: SpecPath,
  ): readonly number[] {
    const { memoryNodes } = this.inventory;
    const decided = nodesFor(nodes, own, sharedNodes, path);
    if (nodes === undefined) return decided.nodes;
    const at = [...path, "memory", "nodes"];
    const absent = nodes.filter((node) => !memoryNodes.includes(node));
    if (nodes.length === 0) this.#add(at, "usage", "the list of NUMA nodes is empty", "Leave it out to use all of them");
    if (absent.length > 0) {
      const remedy = `This machine has memory on ${formatCpuList(memoryNodes)}`;
      this.#add(at, "usage", `NUMA node ${formatCpuList(absent)} does not exist, or has no memory`, remedy);
    } else {
      this.issues.push(...decided.issues);
    }
    return nodes;
  }

  memory({ memoryBytes }: ContainerRequest, own: OwnMemory | undefined, nodes: readonly number[], path: SpecPath): number | null {
    const limitBytes = limitBytesOf(own);
    if (memoryBytes === undefined) return limitBytes;
    const at = [...path, "memory", "limit"];
    if (limitBytes !== null) this.#add(at, "usage", "a unit of the backend limit is a limit already", "Keep one of them");
    const availableBytes = this.inventory.memoryBytes(nodes);
    if (!(memoryBytes >= memoryBytesMin)) {
      this.#add(at, "usage", `${memoryBytes} bytes are too little for any program`, "Give at least 1MiB");
    }
    if (memoryBytes > availableBytes) {
      const where = nodes.length < this.inventory.memoryNodes.length ? `NUMA nodes ${formatCpuList(nodes)} have` : "this machine has";
      this.#add(
        at,
        "usage",
        `${memoryBytes} bytes are more than there is`,
        `${where[0].toUpperCase()}${where.slice(1)} ${availableBytes} bytes`,
      );
    }
    return Math.floor(memoryBytes / memoryGrainBytes) * memoryGrainBytes;
  }

  pids({ pidsMax }: ContainerRequest, path: SpecPath): number | null {
    if (pidsMax === undefined) return null;
    if (!(Number.isSafeInteger(pidsMax) && pidsMax >= 1 && pidsMax <= pidsMaxMax)) {
      this.#add([...path, "pids"], "usage", `${pidsMax} is no limit of threads`, `Write a whole number from 1 to ${pidsMaxMax}`);
    }
    return pidsMax;
  }

  /** A deadline task belongs to a whole scheduling domain, and isolated CPUs have none of their own. */
  balancing({ scheduling, loadBalancing: asked }: ContainerRequest, path: SpecPath): LoadBalancing {
    if (scheduling?.policy !== "deadline") return asked ?? loadBalancing.default;
    if (asked === "off") {
      this.#add([...path, "features", "loadBalancing"], "usage", "scheduling deadline needs load balancing", "Leave it out: it is on then");
    }
    return "on";
  }

  /** Features of the whole node, in the order they are planned. */
  quiet({ quiet = {} }: ContainerRequest, path: SpecPath): string[] {
    const known = nodeFeatures.map(({ name }) => name);
    for (const name of Object.keys(quiet)) {
      if (known.includes(name)) continue;
      const remedy = `There are: ${known.join(", ")}`;
      this.#add([...path, "features", name], "usage", `there is no feature ${quote(name)}${didYouMean(name.slice(0, 40), known)}`, remedy);
    }
    return known.filter((name) => quiet[name]);
  }

  /** The kernel needs a CPU for all that is in no container. */
  serviceKeepsOne(): void {
    if (this.inventory.onlineCpus.some((cpu) => (this.holders.get(cpu) ?? serviceHolder) === serviceHolder)) return;
    this.#add(["containers"], "refused", "no CPU would be left for the ServiceOS", "Leave at least one CPU out of all containers");
  }
}

function plural(cpus: readonly number[], one: string, many: string): string {
  return cpus.length === 1 ? `CPU ${cpus[0]} ${one}` : `CPUs ${formatCpuList(cpus)} ${many}`;
}
