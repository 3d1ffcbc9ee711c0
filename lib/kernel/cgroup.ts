import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { unescapeOctal } from "./value.ts";

/** One mounted cgroup hierarchy. */
export interface Hierarchy {
  /** 1 or 2; on version 1 each hierarchy has its own controllers, on version 2 there is one for all. */
  readonly version: 1 | 2;
  /** Absolute path of its root. */
  readonly mount: string;
  /** Controllers that it has, as the kernel names them (`cpuset`, `memory`, `pids`, `cpu`, ...). */
  readonly controllers: readonly string[];
}

/** Where this machine has its cgroups. */
export interface CgroupLayout {
  /** `hybrid` is both versions at once, as systemd's mixed setup has it; `none` when no hierarchy is mounted. */
  readonly mode: "v1" | "v2" | "hybrid" | "none";
  /** All hierarchies, version 1 first. */
  readonly hierarchies: readonly Hierarchy[];
}

/** Names of ours start so, in every hierarchy: `nodeos-sim` is the cgroup of container `sim`. */
export const cgroupPrefix = "nodeos-";

/** Name of the cgroup that takes in the programs of others when they have to leave the root. */
export const refugeName: string = `${cgroupPrefix}others`;

/** Reads where cgroups are mounted, from `/proc/self/mountinfo` and the root of version 2. */
export function readCgroupLayout(files: KernelFiles): CgroupLayout {
  const hierarchies: Hierarchy[] = [];
  for (const line of (files.tryRead("/proc/self/mountinfo") ?? "").split("\n")) {
    // ID PARENT MAJOR:MINOR ROOT MOUNT OPTIONS [TAGS...] - TYPE SOURCE SUPER-OPTIONS
    const dash = line.indexOf(" - cgroup");
    if (dash < 0) continue;
    const left = line.slice(0, dash);
    const right = line.slice(dash + 3);
    const [, , , root, point] = left.split(" ");
    const mount = unescapeOctal(point);
    const [type, , options] = right.split(" ");
    // A part of a hierarchy mounted elsewhere is not its root; with noprefix the files have other names.
    if (root !== "/" || options.split(",").includes("noprefix")) continue;
    if (hierarchies.some((known) => known.mount === mount)) continue;
    if (type === "cgroup2") {
      const controllers = (files.tryRead(`${mount}/cgroup.controllers`) ?? "").trim().split(" ").filter(Boolean);
      hierarchies.push({ version: 2, mount, controllers });
    } else if (type === "cgroup") {
      const known = options.split(",").filter((option) =>
        !["rw", "ro", "xattr", "clone_children"].includes(option) && !option.includes("=")
      );
      hierarchies.push({ version: 1, mount, controllers: known });
    }
  }
  hierarchies.sort((a, b) => a.version - b.version);
  const versions = new Set(hierarchies.map(({ version }) => version));
  const mode = versions.size === 2 ? "hybrid" : versions.has(2) ? "v2" : versions.has(1) ? "v1" : "none";
  return { mode, hierarchies };
}

/** The hierarchy that has a controller, or `null`. */
export function hierarchyOf(layout: CgroupLayout, controller: string): Hierarchy | null {
  return layout.hierarchies.find(({ controllers }) => controllers.includes(controller)) ?? null;
}

/** Directory of a container's cgroup in a hierarchy. */
export function cgroupDirectory(hierarchy: Hierarchy, container: string): string {
  return `${hierarchy.mount}/${cgroupPrefix}${container}`;
}

/** The file of a cgroup that lists its threads, and on version 1 takes them. */
export function threadsFile(hierarchy: Hierarchy, container: string): string {
  return `${cgroupDirectory(hierarchy, container)}/${hierarchy.version === 1 ? "tasks" : "cgroup.threads"}`;
}

/** What a cpuset says of itself. */
export interface CpusetState {
  /** Directory of the cgroup. */
  readonly path: string;
  /** `cpuset.cpus` as configured; empty on version 2 when it was never set. */
  readonly cpus: string;
  /** CPUs that its tasks may really use. */
  readonly effectiveCpus: string;
  /** Version 2: `member`, `root`, `isolated`, or one of them followed by ` invalid (reason)`. */
  readonly partition: string | null;
  /** Version 1: no sibling may share its CPUs. */
  readonly exclusive: boolean;
}

/** Reads one cpuset, or `null` when the cgroup is gone or has none. */
export function readCpuset(files: KernelFiles, hierarchy: Hierarchy, path: string): CpusetState | null {
  const cpus = files.tryRead(`${path}/cpuset.cpus`);
  const effective = files.tryRead(`${path}/${hierarchy.version === 1 ? "cpuset.effective_cpus" : "cpuset.cpus.effective"}`);
  if (cpus === null && effective === null) return null;
  return {
    path,
    cpus: (cpus ?? "").trim(),
    effectiveCpus: (effective ?? "").trim(),
    partition: files.tryRead(`${path}/cpuset.cpus.partition`)?.trim() ?? null,
    exclusive: files.tryRead(`${path}/cpuset.cpu_exclusive`)?.trim() === "1",
  };
}

/** The cpusets directly below the root of a hierarchy: the ones that can stand in each other's way. */
export function readTopCpusets(files: KernelFiles, hierarchy: Hierarchy): CpusetState[] {
  return files.list(hierarchy.mount)
    .filter(({ kind }) => kind === "directory")
    .flatMap(({ name }) => readCpuset(files, hierarchy, `${hierarchy.mount}/${name}`) ?? []);
}

/**
 * Path of a thread's cgroup below the mount of its hierarchy; `null` when the thread is gone.
 *
 * @param controller Which hierarchy: one of its controllers, `""` for version 2.
 */
export function cgroupOf(files: KernelFiles, tid: number, controller: string): string | null {
  for (const line of (files.tryRead(`/proc/${tid}/cgroup`) ?? "").split("\n")) {
    // NUMBER:CONTROLLERS:/PATH, and 0::/PATH on version 2
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers !== undefined && controllers.split(",").includes(controller)) return path;
  }
  return null;
}

/** Process ids in a cgroup (not in those below it), ascending; `[]` when it is gone. */
export function readProcs(files: KernelFiles, directory: string): number[] {
  return (files.tryRead(`${directory}/cgroup.procs`) ?? "").split("\n").filter(Boolean).map(Number).sort((a, b) => a - b);
}
