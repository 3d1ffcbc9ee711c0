import type { KernelFiles } from "../../../ffi/kernel_root.ts";
import { formatCpuList, parseCpuList } from "../../kernel/cpulist.ts";
import type { Topology } from "../../kernel/topology.ts";
import { listNumbered, readText } from "../../kernel/value.ts";
import { drivers, type Kernel } from "../../plan/driver.ts";

/** A thread of a program at a moment. */
export interface ProgramThread {
  /** Its number and when it started, as an `affinity` step has it. */
  readonly what: string;
  /** The CPU that it ran on last. */
  readonly cpu: number;
  /** Time that it has used so far, in clock ticks. */
  readonly ticks: number;
}

/** The processes of a program that was started by us, and all that they started, as far as those have not left it. */
export class ProgramTasks {
  readonly #kernel: Kernel;
  readonly #topology: Topology;
  readonly #pid: number;
  readonly #start: string | null;
  /** CPUs that threads had before they were held. */
  readonly #before = new Map<string, string>();
  readonly #held = new Set<string>();
  readonly #cpus: string;

  constructor(kernel: Kernel, topology: Topology, pid: number) {
    this.#kernel = kernel;
    this.#topology = topology;
    this.#pid = pid;
    this.#start = statOf(kernel, `/proc/${pid}/stat`)?.start ?? null;
    this.#cpus = drivers.affinity.read(kernel, `${pid}:${this.#start}`) ?? "";
  }

  /** All threads that live now. */
  threads(): ProgramThread[] {
    const isSame = this.#start !== null && statOf(this.#kernel, `/proc/${this.#pid}/stat`)?.start === this.#start;
    return isSame ? this.#threadsOf(this.#pid) : [];
  }

  #threadsOf(pid: number): ProgramThread[] {
    return listNumbered(this.#kernel, `/proc/${pid}/task`, "").flatMap((tid) => {
      const path = `/proc/${pid}/task/${tid}`;
      const stat = statOf(this.#kernel, `${path}/stat`);
      if (stat === null) return [];
      const children = (readText(this.#kernel, `${path}/children`) ?? "").split(" ").filter(Boolean).map(Number);
      return [{ what: `${tid}:${stat.start}`, cpu: stat.cpu, ticks: stat.ticks }, ...children.flatMap((child) => this.#threadsOf(child))];
    });
  }

  /** Holds all threads to the first so many of the CPUs that the program had, core by core. */
  hold(cpuCount: number): void {
    const cpus = this.#firstCpus(cpuCount);
    for (const { what } of this.threads()) {
      if (this.#held.has(what)) continue;
      this.#held.add(what);
      this.#remember(what);
      drivers.affinity.write(this.#kernel, what, cpus);
    }
  }

  /** Puts a thread on the CPUs of a core. */
  pin(what: string, core: number): void {
    this.#remember(what);
    drivers.affinity.write(this.#kernel, what, formatCpuList(this.#topology.cores[core].cpus));
  }

  #remember(what: string): void {
    if (!this.#before.has(what)) this.#before.set(what, drivers.affinity.read(this.#kernel, what) ?? this.#cpus);
  }

  /** Gives every thread the CPUs back that it had; those that began since get the program's. Again does nothing. */
  release(): void {
    if (this.#before.size === 0) return;
    for (const { what } of this.threads()) {
      const cpus = this.#before.get(what) ?? this.#cpus;
      if (cpus !== "") drivers.affinity.write(this.#kernel, what, cpus);
    }
    this.#before.clear();
    this.#held.clear();
  }

  #firstCpus(count: number): string {
    const own = new Set(parseCpuList(this.#cpus));
    const cpus = this.#topology.cores.flatMap(({ cpus }) => cpus.filter((cpu) => own.has(cpu)));
    return formatCpuList(cpus.slice(0, Math.max(1, count)));
  }
}

function statOf(files: KernelFiles, path: string): { readonly start: string; readonly cpu: number; readonly ticks: number } | null {
  const stat = readText(files, path);
  if (stat === null) return null;
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { start: fields[19], cpu: Number(fields[36]), ticks: Number(fields[11]) + Number(fields[12]) };
}
