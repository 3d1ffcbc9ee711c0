import { parseNumberList } from "../lib/container/number_list.ts";
import { quietPreset } from "../lib/feature/node_features.ts";
import { parseBytes, parseCount, parsePercent } from "../lib/container/quantity.ts";
import { quote } from "../lib/quote.ts";
import { parseScheduling } from "../lib/container/scheduling_wish.ts";
import type { SchedulingWish } from "../lib/feature/scheduling.ts";
import { parseSyscalls } from "../lib/container/syscall_wish.ts";
import { parseUnit } from "../lib/container/unit_text.ts";
import { UsageError } from "../lib/errors.ts";

/** Parses seconds: a number from 0, fractions allowed. */
export function seconds(text: string): number {
  if (/^\d{1,9}(\.\d+)?$/.test(text)) return Number(text);
  throw new UsageError(`Cannot read ${quote(text)} as seconds`, { remedy: "Write a number such as 2 or 0.5" });
}

/**
 * Parses a scheduling wish: `fair`, `fair,nice=5`, `cooperative`, `cooperative,throttle=keep`, or
 * `deadline,runtime=5ms,period=10ms[,deadline=8ms]`; see {@link parseScheduling}.
 *
 * @throws {UsageError} If it is none, with the nearest word that is.
 */
export function schedulingWish(text: string): SchedulingWish {
  const [policy, ...rest] = text.split(",");
  const options = new Map<string, string>();
  for (const part of rest) {
    const [option] = part.split("=", 1);
    const remedy = "Write options as in deadline,runtime=5ms,period=10ms";
    if (option === "" || option === part) {
      throw new UsageError(`Cannot use ${quote(part)} as an option of scheduling ${quote(policy)}`, { remedy });
    }
    if (options.has(option)) throw new UsageError(`Cannot use option ${quote(option)} of scheduling ${quote(policy)} twice`, { remedy });
    options.set(option, part.slice(option.length + 1));
  }
  return parseScheduling(policy, options);
}

/**
 * Parses a part of the caches: `l3:50%`, `memoryBandwidth:20%`, or both with a comma.
 *
 * @throws {UsageError} If it is none.
 */
export function cacheWish(text: string): { l3?: number; memoryBandwidth?: number } {
  const wish: { l3?: number; memoryBandwidth?: number } = {};
  for (const part of text.split(",")) {
    const [key, value = ""] = part.split(":");
    if (key !== "l3" && key !== "memoryBandwidth") {
      throw new UsageError(`Cannot use ${quote(part)} as a part of the caches`, { remedy: "Write it as in l3:50%,memoryBandwidth:20%" });
    }
    wish[key] = parsePercent(value);
  }
  return wish;
}

/** Parses features to switch on: names with commas between them, or `quiet`. */
export function featureNames(text: string): Record<string, boolean> {
  const names = text.split(",").flatMap((name) => name === "quiet" ? quietPreset : [name]);
  return Object.fromEntries(names.map((name) => [name, true]));
}

/** How the command line spells them. */
export const containerFlags = {
  name: { kind: "parsed", parse: String, optional: true, brief: "Name of the container (default: run-PID)" },
  cpus: {
    kind: "parsed",
    parse: parseNumberList,
    optional: true,
    brief: "CPUs by number, such as 2-15,18 (default: all that are free, but one core)",
  },
  count: { kind: "parsed", parse: parseCount, optional: true, brief: "How many CPUs, instead of which" },
  memory: { kind: "parsed", parse: parseBytes, optional: true, brief: "The most memory, such as 64GiB (default: no limit)" },
  nodes: { kind: "parsed", parse: parseNumberList, optional: true, brief: "NUMA nodes to take memory from, such as 0-1 (default: all)" },
  unit: {
    kind: "parsed",
    parse: parseUnit,
    optional: true,
    variadic: true,
    brief: "Memory of its own, [OBJECT=]SIZE[@NODE][/PAGE][:BACKEND], such as 1GiB@1; may be repeated (default: none)",
  },
  pids: { kind: "parsed", parse: parseCount, optional: true, brief: "The most threads at once (default: no limit)" },
  scheduling: {
    kind: "parsed",
    parse: schedulingWish,
    optional: true,
    brief: "fair[,nice=5] (default fair) | cooperative[,throttle=keep] | deadline,runtime=5ms,period=10ms",
  },
  loadBalancing: {
    kind: "enum",
    values: ["off", "on"],
    optional: true,
    brief: "Whether the kernel moves threads between the CPUs (default: off)",
  },
  syscalls: {
    kind: "parsed",
    parse: parseSyscalls,
    optional: true,
    brief: "Profile of system calls, with switches: full | lean | cnk | cnk-strict | FILE[,openat=allow,ptrace=deny:EPERM] (default: none)",
  },
  features: {
    kind: "parsed",
    parse: featureNames,
    optional: true,
    brief: "Features of the whole node, such as irqs,watchdog; quiet is all that keep others away (default: none, nobody is moved)",
  },
} as const;

/** `-n`: on every command that changes something. */
export const dryRunFlag = { kind: "boolean", default: false, brief: "Print the exact changes and make none" } as const;
/** `--json`: on every command that prints. */
export const jsonFlag = { kind: "boolean", default: false, brief: "Print one JSON document" } as const;
/** `--grace`: on every command that ends programs. */
export const graceFlag = { kind: "parsed", parse: seconds, default: "10", brief: "Seconds between SIGTERM and SIGKILL" } as const;
