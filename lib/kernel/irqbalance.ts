import type { Task } from "./process.ts";

/** A process that distributes interrupts over the CPUs. */
export interface Irqbalance {
  /** Its process id. */
  readonly pid: number;
  /** The path of the socket over which it takes wishes. */
  readonly socket: string;
}

/** Finds those that run, among all threads. */
export function findIrqbalances(tasks: readonly Task[]): Irqbalance[] {
  return tasks.filter(({ name, isKernelThread, pid, tid }) => name === "irqbalance" && !isKernelThread && pid === tid)
    .map(({ pid }) => ({ pid, socket: `/run/irqbalance/irqbalance${pid}.sock` }));
}
