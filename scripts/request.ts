import type { ContainerRequest } from "../lib/container/spec.ts";
import type { SyscallRequest } from "../lib/container/syscall_wish.ts";
import { UsageError } from "../lib/errors.ts";
import type { LoadBalancing } from "../lib/feature/load_balancing.ts";
import type { UnitRequest } from "../lib/memory/unit.ts";
import type { SchedulingWish } from "../lib/feature/scheduling.ts";

/** The flags that describe one container. */
export interface ContainerFlags {
  /** See {@link ContainerRequest}. */
  readonly name?: string;
  /** See {@link ContainerRequest}. */
  readonly cpus?: number[];
  /** `cpuCount` of the request. */
  readonly count?: number;
  /** `memoryBytes` of the request. */
  readonly memory?: number;
  /** See {@link ContainerRequest}. */
  readonly nodes?: number[];
  /** `memory.units` of the request. */
  readonly unit?: readonly UnitRequest[];
  /** `pidsMax` of the request. */
  readonly pids?: number;
  /** See {@link ContainerRequest}. */
  readonly scheduling?: SchedulingWish;
  /** See {@link ContainerRequest}. */
  readonly loadBalancing?: LoadBalancing;
  /** See {@link ContainerRequest}. */
  readonly syscalls?: SyscallRequest;
  /** `quiet` of the request: features of the whole node. */
  readonly features?: Record<string, boolean>;
}

/** The request that the flags make. */
export function requestOf(flags: ContainerFlags): ContainerRequest {
  if (flags.cpus !== undefined && flags.count !== undefined) {
    throw new UsageError("Cannot use --cpus and --count together", { remedy: "Give the CPUs by number, or how many" });
  }
  const { name, cpus, count, nodes, memory, unit, pids, scheduling, loadBalancing, features, syscalls } = flags;
  const own = unit === undefined || unit.length === 0 ? undefined : { units: unit };
  return {
    name,
    cpus,
    cpuCount: count,
    nodes,
    memoryBytes: memory,
    memory: own,
    pidsMax: pids,
    scheduling,
    loadBalancing,
    quiet: features,
    syscalls,
  };
}
