import type { BootStatus, Row } from "./boot/row.ts";
import { choices, rows } from "./boot/rows.ts";
import { BootScene } from "./boot/scene.ts";
import type { Inventory } from "./inventory.ts";

export type { BootStatus };

/** One argument for the kernel, and how it stands on the machine that runs now. */
export interface BootArgument {
  /** The word to write, such as `nohz_full=2-7`. */
  readonly argument: string;
  /** What speaks for it and against it weighs about the same: it is not part of the line. */
  readonly optional: boolean;
  /** `active`: as wanted; `differs`: there, but otherwise; `inactive`: not there; `unsupported`: this kernel ignores it. */
  readonly status: BootStatus;
  /** How it stands now, in a few words. */
  readonly now: string;
  /** What it buys, in one line. */
  readonly buys: string;
  /** What it costs, and where it does not help. */
  readonly costs: string;
  /** What does the same, or part of it, at run time. */
  readonly without: string;
  /** Words of the present command line that it takes the place of. */
  readonly replaces: readonly string[];
}

/** What a kernel should be booted with, for containers on certain CPUs. */
export interface BootPlan {
  /** Every argument: those that are worth their price, then the choices. */
  readonly arguments: readonly BootArgument[];
  /** What the command line lacks, ready to be appended; `""` when it lacks nothing. */
  readonly append: string;
  /** What has to leave the command line first. */
  readonly remove: readonly string[];
  /** Words of the present command line that concern containers too, and are left as they are. */
  readonly untouched: readonly string[];
}

/** Arguments that change what a container gets, but that no specification asks for. */
const untouchedNames = [
  "mitigations",
  "nosmt",
  "nohz",
  "idle",
  "processor.max_cstate",
  "intel_idle.max_cstate",
  "numa",
  "default_hugepagesz",
  "hugepagesz",
  "hugepages",
  "transparent_hugepage",
  "maxcpus",
  "cgroup_disable",
];

/**
 * Says what a kernel should be booted with, so that it leaves CPUs to their containers. Changes nothing.
 *
 * @param cpus CPUs of all containers, ascending, at least one.
 * @param otherCpus Those that remain with the ServiceOS, ascending, at least one.
 * @param more Arguments that something besides the CPUs needs.
 */
export function planBoot(
  inventory: Inventory,
  cpus: readonly number[],
  otherCpus: readonly number[],
  more: readonly Row[] = [],
): BootPlan {
  const scene = new BootScene(inventory, cpus, otherCpus);
  const wanted = [...rows, ...more].flatMap((row) => describe(scene, row, false));
  const missing = wanted.filter(({ status }) => status === "inactive" || status === "differs");
  return {
    arguments: [...wanted, ...choices.flatMap((row) => describe(scene, row, true))],
    append: missing.map(({ argument }) => argument).join(" "),
    remove: missing.flatMap(({ replaces }) => replaces),
    untouched: untouchedNames.filter((name) => !more.some((row) => row.name === name)).flatMap((name) => scene.words.all(name)),
  };
}

function describe(scene: BootScene, row: Row, optional: boolean): BootArgument[] {
  const finding = row.find(scene);
  if (finding === null) return [];
  return [{
    argument: row.argument(scene),
    optional,
    ...finding,
    buys: row.buys,
    costs: row.costs(scene),
    without: row.without(scene),
    replaces: finding.status === "active" ? [] : scene.words.all(row.name),
  }];
}
