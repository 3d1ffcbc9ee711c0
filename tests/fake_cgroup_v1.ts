import { errno } from "../ffi/errors.ts";
import { amount, childrenOf, type FakeHierarchy, list, overlap, refuse, root, split } from "./fake_cgroups.ts";
import type { FakeKernel } from "./fake_kernel.ts";

const rtPeriodUs = 1_000_000;

/** Cgroup v1 with one controller. */
export class Version1 implements FakeHierarchy {
  readonly mount: string;
  readonly type: string;

  constructor(readonly kernel: FakeKernel, readonly controller: string, cpus: string, nodes: string) {
    this.mount = `${root}/${controller}`;
    this.type = `cgroup cgroup rw,${controller}`;
    this.make(this.mount);
    this.#set(this.mount, "cgroup.procs", "1");
    if (controller === "cpuset") {
      for (const [name, value] of [["cpuset.cpus", cpus], ["cpuset.mems", nodes], ["cpuset.cpu_exclusive", "1"]]) {
        this.#set(this.mount, name, value);
      }
    }
    if (controller === "cpu" && kernel.machine.rtGroups) this.#set(this.mount, "cpu.rt_runtime_us", "950000");
  }

  #set(directory: string, name: string, value: string): void {
    this.kernel.files.set(`${directory}/${name}`, value);
  }

  #get(directory: string, name: string): string {
    return this.kernel.files.get(`${directory}/${name}`) ?? "";
  }

  make(path: string): void {
    const defaults: Record<string, string> = { "cgroup.procs": "", tasks: "" };
    if (this.controller === "cpuset") {
      Object.assign(defaults, { "cpuset.cpus": "", "cpuset.mems": "", "cpuset.cpu_exclusive": "0", "cpuset.sched_load_balance": "1" });
    }
    if (this.controller === "memory") defaults["memory.limit_in_bytes"] = "9223372036854771712";
    if (this.controller === "pids" && path !== this.mount) defaults["pids.max"] = "max";
    if (this.controller === "cpu" && this.kernel.machine.rtGroups) defaults["cpu.rt_runtime_us"] = "0";
    this.kernel.directories.add(path);
    for (const [name, value] of Object.entries(defaults)) this.#set(path, name, value);
  }

  remove(path: string): void {
    this.kernel.directories.delete(path);
    for (const file of this.kernel.files.keys()) if (file.startsWith(`${path}/`)) this.kernel.files.delete(file);
  }

  write(path: string, value: string): void {
    const { machine } = this.kernel;
    const { directory, name } = split(path);
    switch (name) {
      case "cpuset.cpus":
        return this.#writeCpus(path, directory, list(path, value, machine.cpuCount));
      case "cpuset.mems":
        return this.#set(directory, name, list(path, value, machine.nodeCount ?? 1));
      case "cpuset.cpu_exclusive":
        if (
          value === "1" &&
          this.#siblings(directory).some((other) => overlap(this.#get(other, "cpuset.cpus"), this.#get(directory, "cpuset.cpus")))
        ) {
          refuse(path, errno.EINVAL);
        }
        return this.#set(directory, name, flag(path, value));
      case "cgroup.procs":
      case "tasks":
        return this.#attach(path, directory, Number(value), name === "cgroup.procs");
      case "cpuset.sched_load_balance":
        return this.#set(directory, name, flag(path, value));
      case "memory.limit_in_bytes":
        return this.#set(directory, name, amount(path, value, 4096));
      case "pids.max":
        return this.#set(directory, name, amount(path, value, 1));
      case "cpu.rt_runtime_us":
        return writeRtRuntime(this.kernel, path, value);
      default:
        refuse(path, errno.EACCES);
    }
  }

  /** A cpuset that lacks CPUs or memory takes nobody in. */
  #attach(path: string, directory: string, id: number, isProcess: boolean): void {
    const lacks = (name: string) => this.#get(directory, name) === "";
    if (this.controller === "cpuset" && (lacks("cpuset.cpus") || lacks("cpuset.mems"))) refuse(path, errno.ENOSPC);
    this.kernel.tasks.move(path, this.mount, directory, id, isProcess);
  }

  #siblings(directory: string): string[] {
    return childrenOf(this.kernel, split(directory).directory).filter((other) => other !== directory);
  }

  #writeCpus(path: string, directory: string, cpus: string): void {
    const isExclusive = (cgroup: string) => this.#get(cgroup, "cpuset.cpu_exclusive") === "1";
    const clash = (other: string) => (isExclusive(directory) || isExclusive(other)) && overlap(this.#get(other, "cpuset.cpus"), cpus);
    if (this.#siblings(directory).some(clash)) refuse(path, errno.EINVAL);
    if (cpus === "" && this.#get(directory, "tasks") !== "") refuse(path, errno.ENOSPC);
    this.#set(directory, "cpuset.cpus", cpus);
  }
}

function flag(path: string, value: string): string {
  return value === "0" || value === "1" ? value : refuse(path, errno.EINVAL);
}

/**
 * Sets the real-time throttle of the machine or of a group. As in the kernel's `tg_rt_schedulable`: no group may have more
 * than the machine, and all children together not more than their parent; -1 counts as the whole.
 */
export function writeRtRuntime(kernel: FakeKernel, path: string, value: string): void {
  if (!/^-?\d+$/.test(value) || Number(value) < -1 || Number(value) > rtPeriodUs) refuse(path, errno.EINVAL);
  const before = kernel.files.get(path)!;
  kernel.files.set(path, value);
  if (kernel.machine.rtGroups && !isSchedulable(kernel)) {
    kernel.files.set(path, before);
    refuse(path, errno.EINVAL);
  }
}

function isSchedulable(kernel: FakeKernel): boolean {
  const share = (path: string) => {
    const us = Number(kernel.files.get(path) ?? 0);
    return us === -1 ? rtPeriodUs : us;
  };
  const all = share("/proc/sys/kernel/sched_rt_runtime_us");
  const mount = `${root}/cpu`;
  const children = childrenOf(kernel, mount).map((directory) => share(`${directory}/cpu.rt_runtime_us`));
  const ofRoot = share(`${mount}/cpu.rt_runtime_us`);
  return ofRoot <= all && children.every((us) => us <= all) && children.reduce((sum, us) => sum + us, 0) <= ofRoot;
}
