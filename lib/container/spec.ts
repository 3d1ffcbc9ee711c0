import type { CacheWish } from "../feature/cache.ts";
import type { LoadBalancing } from "../feature/load_balancing.ts";
import type { SchedulingWish } from "../feature/scheduling.ts";
import { NodeosError, UsageError } from "../errors.ts";
import type { OwnMemory, OwnMemoryRequest } from "../memory/unit.ts";
import { quote } from "../quote.ts";
import type { SyscallRequest } from "./syscall_wish.ts";

/** What somebody asks for, as the command line, a YAML file or a program says it; see {@link ContainerSpec}. */
export interface ContainerRequest {
  /** Name of the container; one is made up when absent. */
  readonly name?: string;
  /** CPUs by number, ascending. Without `cpus` and `cpuCount`: every free one outside the ServiceOS's core. */
  readonly cpus?: readonly number[];
  /** How many CPUs; which ones is chosen, whole cores first. */
  readonly cpuCount?: number;
  /** NUMA nodes to take memory from; by default those of the machine. */
  readonly nodes?: readonly number[];
  /** The most memory, in bytes. */
  readonly memoryBytes?: number;
  /** Memory for itself; none by default: it shares all there is. */
  readonly memory?: OwnMemoryRequest;
  /** The most threads at once. */
  readonly pidsMax?: number;
  /** See {@link SchedulingWish}; fair by default. */
  readonly scheduling?: SchedulingWish;
  /** Off by default. */
  readonly loadBalancing?: LoadBalancing;
  /** `off` keeps its memory out of swap; on by default. */
  readonly swap?: "off" | "on";
  /** The devices it may open besides the harmless ones, by path; all by default. */
  readonly devices?: readonly string[];
  /** Its share of the last-level cache and the memory bandwidth; none of its own by default. */
  readonly cache?: CacheWish;
  /** Features of the whole node by name, on or off; see {@link ContainerSpec.quiet}. */
  readonly quiet?: Readonly<Record<string, boolean>>;
  /** Which system calls its programs make themselves, and which go to the ServiceOS; all themselves by default. */
  readonly syscalls?: SyscallRequest;
  /** The program that `nodeos job` starts in it: its words. */
  readonly command?: readonly string[];
}

/** A container, fully decided: the planner's input, kept in the ledger as plain data. */
export interface ContainerSpec {
  /** Unique on the node. */
  readonly name: string;
  /** `service` is the ServiceOS itself, named `service`. */
  readonly role: "compute" | "service";
  /** Its CPUs, ascending. */
  readonly cpus: readonly number[];
  /** NUMA nodes it may take memory from, ascending. */
  readonly nodes: readonly number[];
  /** Somebody named the nodes: they do not follow the units. */
  readonly namesNodes?: true;
  /** Memory limit in bytes, a multiple of 64 KiB; `null` is none. */
  readonly memoryBytes: number | null;
  /** Memory for itself; absent when nobody wished any. */
  readonly memory?: OwnMemory;
  /** Thread limit; `null` is none. */
  readonly pidsMax: number | null;
  /** How its programs are scheduled. */
  readonly scheduling: SchedulingWish;
  /** Whether the kernel balances its threads. */
  readonly loadBalancing: LoadBalancing;
  /** Whether its memory may go to swap. */
  readonly swap: "off" | "on";
  /** Paths of the devices it may open besides the harmless ones; `null` is all. */
  readonly devices: readonly string[] | null;
  /** Its class of cache and memory bandwidth; `null` is that of everybody. */
  readonly cache: CacheWish;
  /** Features of the whole node that it wishes, by name, in the order they are planned. */
  readonly quiet: readonly string[];
  /** What happens to system calls of its programs; absent when nobody wished anything: they are not looked at. */
  readonly syscalls?: SyscallRequest;
  /** Only of the ServiceOS: programs that are never moved, by name, with `*` for any characters, or by process id. */
  readonly protect?: readonly string[];
}

/** Containers to make together, and the CPUs that the ServiceOS keeps. */
export interface NodeRequest {
  /** CPUs that no container gets; programs started in `service` run on them. */
  readonly serviceCpus?: readonly number[];
  /** Programs that are never moved; see {@link ContainerSpec.protect}. Needs `serviceCpus`. */
  readonly protect?: readonly string[];
  /** The containers, in order. */
  readonly containers: readonly ContainerRequest[];
}

/** Place of a value in a request: keys and indexes from its root, as in `["containers", 0, "cpus"]`. */
export type SpecPath = readonly (string | number)[];

/** One thing wrong with a request. */
export interface SpecIssue {
  /** Where. */
  readonly path: SpecPath;
  /** What is the case, as a clause: `CPU 9 does not exist`. */
  readonly message: string;
  /** What would be right. */
  readonly remedy?: string;
  /** `refused`: right as such, but not now and here. */
  readonly kind: "usage" | "refused";
}

/** A request cannot be met. It carries every issue found, so that a file is mended in one go. */
export class SpecError extends NodeosError {
  /** Always `SpecError`. */
  override readonly name = "SpecError";
  /** 1 when every issue is a refusal of the moment, else 2. */
  override readonly exitCode: number;

  /**
   * A request with issues.
   *
   * @param issues What is wrong; at least one.
   * @param locate Says where a path is for people, such as `spec.yaml:4:11`.
   */
  constructor(readonly issues: readonly SpecIssue[], locate: (path: SpecPath) => string = formatPath) {
    const lines = issues.slice(0, issuesShownMax).map(({ path, message, remedy }) =>
      `${locate(path)}: ${message}${remedy ? `\n    ${remedy}` : ""}`
    );
    const more = issues.length - issuesShownMax;
    super(
      ["Cannot use this specification:", ...lines.map((line) => `  ${line}`), ...(more > 0 ? [`  ... and ${more} more`] : [])].join("\n"),
    );
    this.exitCode = issues.every(({ kind }) => kind === "refused") ? 1 : 2;
  }
}

/** An error fits on one screen. */
const issuesShownMax = 8;

/** A path as people write it: `containers[0].cpus`; `specification` for the root. */
export function formatPath(path: SpecPath): string {
  return path.reduce<string>((text, part) => typeof part === "number" ? `${text}[${part}]` : text ? `${text}.${part}` : part, "") ||
    "specification";
}

/** Name of the ServiceOS among the containers. */
export const serviceName = "service";

/** How long a container lives: with this process, or until it is taken down. */
export type Lifetime = "process" | "persistent";

/**
 * Checks a container's name: 1 to 48 letters, digits, `_`, `-` and `.`, the first a letter or digit, without `..`.
 * It becomes part of a path in cgroupfs, and of a command line.
 *
 * @throws {UsageError} If it is none.
 */
export function parseName(text: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9_.-]{0,47}$/.test(text) && !text.includes("..") && text !== serviceName) return text;
  const remedy = text === serviceName
    ? "That is the ServiceOS's own name; take another one"
    : "Use 1 to 48 letters, digits, '_', '-' and single '.', and begin with a letter or a digit";
  throw new UsageError(`Cannot use ${quote(text)} as the name of a container`, { remedy });
}
