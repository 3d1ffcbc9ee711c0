import type { Inventory } from "../inventory.ts";
import { hierarchyOf } from "../cgroup.ts";
import { formatCpuList } from "../cpulist.ts";
import { listNumbered, readCpuList, readText } from "../value.ts";
import { BootWords } from "./words.ts";

/** A machine as it runs now, and the CPUs that a kernel should leave to containers; each fact is read when it is asked for. */
export class BootScene {
  /** Its command line. */
  readonly words: BootWords;
  /** The CPUs of all containers as a list. */
  readonly list: string;
  /** The CPUs of the ServiceOS as a list. */
  readonly otherList: string;
  #callbackThreadCpus?: readonly number[];

  /**
   * A machine of which nothing but the command line was read.
   *
   * @param cpus CPUs of all containers, ascending, at least one.
   * @param otherCpus Those that remain with the ServiceOS, ascending, at least one.
   */
  constructor(readonly inventory: Inventory, readonly cpus: readonly number[], readonly otherCpus: readonly number[]) {
    this.words = new BootWords(inventory);
    this.list = formatCpuList(cpus);
    this.otherList = formatCpuList(otherCpus);
  }

  /** Text of a kernel file, or `null`. */
  text(path: string): string | null {
    return readText(this.inventory.files, path);
  }

  /** CPUs whose tick stops, ascending; `null` when this kernel cannot stop it. */
  get ticklessCpus(): number[] | null {
    const path = "/sys/devices/system/cpu/nohz_full";
    if (this.text(path) === null) return null;
    // Without the argument some kernels print "(null)", others an empty line.
    return readCpuList(this.inventory.files, path) ?? [];
  }

  /** CPUs that have a thread for the callbacks of RCU, ascending. From 5.17 on one may be there and be parked for good. */
  get callbackThreadCpus(): readonly number[] {
    return this.#callbackThreadCpus ??= this.#findCallbackThreads();
  }

  #findCallbackThreads(): number[] {
    const { files } = this.inventory;
    return listNumbered(files, "/proc", "").flatMap((pid) => {
      const match = /\(rcuo[bps]\/(\d+)\)/.exec(readText(files, `/proc/${pid}/task/${pid}/stat`) ?? "");
      return match ? [Number(match[1])] : [];
    }).sort((a, b) => a - b);
  }

  /** Whether this kernel can hand callbacks of RCU to threads; `null` when it cannot be told. */
  get canOffload(): boolean | null {
    if (this.ticklessCpus !== null || this.callbackThreadCpus.length > 0) return true;
    const parameters = this.inventory.files.list("/sys/module/rcutree/parameters");
    return parameters.length === 0 ? null : parameters.some(({ name }) => name.startsWith("rcu_nocb_"));
  }

  /** Whether the first process is systemd; a capture has no names of programs, but may have a cgroup that only systemd makes. */
  get hasSystemd(): boolean {
    const { files, cgroups } = this.inventory;
    const name = this.text("/proc/1/comm");
    if (name !== null) return name === "systemd";
    return cgroups.hierarchies.some(({ mount }) => files.exists(`${mount}/init.scope`) || files.exists(`${mount}/system.slice`));
  }

  /** Whether containers get their CPUs from cgroup version 1. */
  get usesVersion1(): boolean {
    return hierarchyOf(this.inventory.cgroups, "cpuset")?.version === 1;
  }
}
