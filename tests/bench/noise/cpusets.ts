import { KernelRoot } from "../../../ffi/kernel_root.ts";
import { hierarchyOf, readCgroupLayout } from "../../../lib/kernel/cgroup.ts";
import { formatCpuList } from "../../../lib/kernel/cpulist.ts";
import { cannotIsolate } from "../../host.ts";
import { reasonOf, removeCgroups, run, shell } from "./commands.ts";
import { type Cpus, isStale, prefix, type Way } from "./place.ts";

const kernel = new KernelRoot();
const cpuset = hierarchyOf(readCgroupLayout(kernel), "cpuset");

/** Two cpusets by plain writes: one CPU that no other cpuset may have, and the rest for the load. */
export function byHand(cpus: Cpus, scheduler: readonly string[]): Way {
  return {
    name: ["cpuset by hand", scheduler.join(" ")].filter(Boolean).join(" + "),
    missing: cannotIsolate ?? reasonOf([...scheduler, "true"]),
    async enter() {
      const { mount, version } = cpuset!;
      const [own, rest] = ["own", "rest"].map((name) => `${mount}/${prefix}${Deno.pid}-${name}`);
      const tasks = version === 1 ? "tasks" : "cgroup.procs";
      const join = (directory: string) => (argv: readonly string[]) => [
        "sh",
        "-c",
        `echo $$ > ${directory}/${tasks} && exec "$0" "$@"`,
        ...argv,
      ];
      const hasController = version === 1 || kernel.read(`${mount}/cgroup.subtree_control`).split(/\s+/).includes("cpuset");
      const leave = async () => {
        await removeCgroups([own, rest]);
        if (!hasController) await shell(`echo -cpuset > ${mount}/cgroup.subtree_control`);
      };
      try {
        await shell(version === 1 ? version1(own, rest, cpus, mount) : version2(own, rest, cpus, mount));
      } catch (error) {
        await leave();
        throw error;
      }
      return { program: (argv) => join(own)([...scheduler, ...argv]), load: join(rest), [Symbol.asyncDispose]: leave };
    },
  };
}

function version1(own: string, rest: string, { cpu, others }: Cpus, mount: string): string {
  return `mkdir ${own} ${rest}
cat ${mount}/cpuset.mems | tee ${own}/cpuset.mems > ${rest}/cpuset.mems
echo ${cpu} > ${own}/cpuset.cpus
echo ${formatCpuList(others)} > ${rest}/cpuset.cpus
echo 1 > ${own}/cpuset.cpu_exclusive`;
}

function version2(own: string, rest: string, { cpu, others }: Cpus, mount: string): string {
  return `echo +cpuset > ${mount}/cgroup.subtree_control
mkdir ${own} ${rest}
echo ${formatCpuList(others)} > ${rest}/cpuset.cpus
echo ${cpu} > ${own}/cpuset.cpus
echo isolated > ${own}/cpuset.cpus.partition
grep -qx isolated ${own}/cpuset.cpus.partition`;
}

/** cset makes two cpusets and starts our programs there; its shield would move programs of others. */
export function cset({ cpu, others }: Cpus): Way {
  const [own, rest] = ["own", "rest"].map((name) => `${prefix}${Deno.pid}-cset-${name}`);
  const exec = (name: string) => (argv: readonly string[]) => ["cset", "proc", "--set", name, "--exec", "--", ...argv];
  return {
    name: "cset set + cset proc --exec",
    missing: cannotIsolate ?? (cpuset!.version !== 1 ? "it knows only cgroup version 1" : reasonOf(["cset", "--version"])),
    note: "cset: without its shield, which would move programs that are not ours.",
    async enter() {
      const leave = () => removeCgroups([own, rest].map((name) => `${cpuset!.mount}/${name}`));
      try {
        await run(["cset", "set", "--cpu", `${cpu}`, "--set", own, "--cpu_exclusive"]);
        await run(["cset", "set", "--cpu", formatCpuList(others), "--set", rest]);
      } catch (error) {
        await leave();
        throw error;
      }
      return { program: exec(own), load: exec(rest), [Symbol.asyncDispose]: leave };
    },
  };
}

/** Removes cpusets of benchmarks that were killed. */
export async function removeStaleCpusets(): Promise<void> {
  const { mount } = cpuset!;
  await removeCgroups(kernel.list(mount).flatMap(({ name }) => isStale(name) ? [`${mount}/${name}`] : []));
}
