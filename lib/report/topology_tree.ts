/** CPUs with a number. */
export interface NumberedCpus {
  /** The kernel's number. */
  readonly id: number;
  /** Ascending. */
  readonly cpus: readonly number[];
}

/** What the renderers show of a machine; a `Topology` of `lib/kernel/` is one. */
export interface TopologyInput {
  /** Name of the processor. */
  readonly model: string | null;
  /** Memory of the machine. */
  readonly memoryBytes: number;
  /** Memory that programs could get. */
  readonly availableBytes: number;
  /** CPUs that are plugged in and do not run. */
  readonly offlineCpus: readonly number[];
  /** CPUs that run, with the `id` of their package and node. */
  readonly cpus: readonly { readonly id: number; readonly package: number; readonly node: number }[];
  /** Cores, ascending by first CPU. */
  readonly cores: readonly (NumberedCpus & { readonly kind: string | null })[];
  /** Packages. */
  readonly packages: readonly NumberedCpus[];
  /** Caches; `type` is `data`, `instruction` or `unified`. */
  readonly caches: readonly {
    readonly level: number;
    readonly type: string;
    readonly sizeBytes: number | null;
    readonly cpus: readonly number[];
  }[];
  /** Memory nodes; their CPUs may overlap. */
  readonly nodes: readonly (NumberedCpus & {
    readonly memoryBytes: number;
    readonly freeBytes: number;
    readonly distances: readonly number[];
    readonly hugePages: readonly { readonly pageBytes: number; readonly totalCount: number; readonly freeCount: number }[];
  })[];
}

/** Who has a CPU, by name; a CPU that is not in it is free. */
export type CpuOwners = ReadonlyMap<number, string>;

/** A core within its group. */
export type CoreBranch = TopologyInput["cores"][number];

/** Cores that share their largest cache. */
export interface CacheBranch {
  /** That cache; `null` where none is shared by several cores. */
  readonly cache: TopologyInput["caches"][number] | null;
  /** Ascending by first CPU. */
  readonly cores: readonly CoreBranch[];
}

/** CPUs beside the same memory, within one package. */
export interface NodeBranch {
  /** The node; several where emulated nodes share the CPUs. */
  readonly nodes: readonly TopologyInput["nodes"][number][];
  /** Ascending by first CPU. */
  readonly groups: readonly CacheBranch[];
}

/** A package and what is in it. */
export interface PackageBranch {
  /** The kernel's number. */
  readonly id: number;
  /** Ascending by first CPU. */
  readonly nodes: readonly NodeBranch[];
}

/** A machine as a tree, for showing. */
export interface TopologyTree {
  /** Ascending by number. */
  readonly packages: readonly PackageBranch[];
  /** Nodes without CPUs. */
  readonly memoryOnly: readonly TopologyInput["nodes"][number][];
}

/** Arranges a machine as packages > memory nodes > caches > cores. A node that spans packages appears in each. */
export function topologyTree(topology: TopologyInput): TopologyTree {
  const level = sharedLevel(topology);
  const hosted = new Set(topology.cpus.map(({ node }) => node));
  const packages = topology.packages.map(({ id, cpus }) => {
    const seats = topology.cpus.filter((cpu) => cpus.includes(cpu.id));
    const nodes = [...new Set(seats.map(({ node }) => node))].map((node) => {
      const own = seats.filter((seat) => seat.node === node).map((seat) => seat.id);
      const guests = topology.nodes.filter((other) => !hosted.has(other.id) && other.cpus.some((cpu) => own.includes(cpu)));
      return { nodes: [...topology.nodes.filter((other) => other.id === node), ...guests], groups: cacheBranches(topology, level, own) };
    });
    return { id, nodes };
  });
  return { packages, memoryOnly: topology.nodes.filter(({ id, cpus }) => !hosted.has(id) && cpus.length === 0) };
}

/** The highest level at which several cores share a cache; 0 for none. */
function sharedLevel(topology: TopologyInput): number {
  const coreOf = new Map(topology.cores.flatMap(({ cpus }, index) => cpus.map((cpu) => [cpu, index])));
  const shared = topology.caches.filter(({ cpus, type }) => type !== "instruction" && new Set(cpus.map((cpu) => coreOf.get(cpu))).size > 1);
  return Math.max(0, ...shared.map(({ level }) => level));
}

function cacheBranches(topology: TopologyInput, level: number, cpus: readonly number[]): CacheBranch[] {
  const branches = new Map<CacheBranch["cache"], CoreBranch[]>();
  for (const core of topology.cores.filter((core) => cpus.includes(core.cpus[0]))) {
    const cache = topology.caches.find((cache) =>
      cache.level === level && cache.type !== "instruction" && cache.cpus.includes(core.cpus[0])
    );
    branches.set(cache ?? null, [...branches.get(cache ?? null) ?? [], core]);
  }
  return [...branches].map(([cache, cores]) => ({ cache, cores }));
}

/** Owners with their CPUs: `service` first, then by first CPU; CPUs that nobody has come last, under `null`. */
export function cpusByOwner(topology: TopologyInput, owners: CpuOwners): [owner: string | null, cpus: number[]][] {
  const byOwner = new Map<string | null, number[]>();
  for (const { id } of topology.cpus) {
    const owner = owners.get(id) ?? null;
    byOwner.set(owner, [...byOwner.get(owner) ?? [], id]);
  }
  const rank = (owner: string | null) => owner === null ? 2 : owner === "service" ? 0 : 1;
  return [...byOwner].sort(([a], [b]) => rank(a) - rank(b));
}

/** Short name of a cache: `L3`, `L1d`, `L1i`. */
export function cacheName({ level, type }: { readonly level: number; readonly type: string }): string {
  return `L${level}${type === "unified" ? "" : type[0]}`;
}
