import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { RefusedError } from "../errors.ts";
import { inLargestUnit } from "../kernel/value.ts";
import type { Driver, Kernel } from "./kernel.ts";

/** How often the kernel is asked, memory being moved together in between. */
const triesMax = 3;
/** Pages of programs that were just ended come back a moment later. */
const settleMsMax = 1000;

/**
 * The huge pages of one size in the pool of a NUMA node, by the path of its `nr_hugepages`; a count. All of them or none:
 * when there is no room for some, the step is refused.
 */
export const poolDriver: Driver = {
  read: (kernel, path) => kernel.tryRead(path)?.trim() ?? null,
  write(kernel, path, value) {
    if (value === null) return;
    const countOf = () => Number(kernel.tryRead(path)?.trim() ?? 0);
    const hadCount = countOf();
    const count = Number(value);
    if (hadCount === count) return;
    kernel.write(path, value);
    for (let tries = 1; countOf() < count && tries < triesMax; tries++) {
      compact(kernel, path);
      kernel.write(path, value);
    }
    for (const from = performance.now(); countOf() > count && performance.now() - from < settleMsMax;) pause(20);
    const found = countOf();
    if (found === count) return;
    const { where, pageBytes } = placeOf(path);
    const pages = `huge pages of ${formatBytes(pageBytes)}`;
    throw new RefusedError(
      found < count
        ? `Cannot reserve ${pages}: ${where} has room for ${found} of ${count}, the rest of its memory is in use or in pieces`
        : `Cannot give back ${pages}: ${where} has ${found} where ${count} are wanted, and ${found - count} of them are in use`,
    );
  },
};

/** Moves what is in use together, so that whole huge pages become free. */
function compact(kernel: Kernel, path: string): void {
  const { node } = placeOf(path);
  const file = node < 0 ? "/proc/sys/vm/compact_memory" : `/sys/devices/system/node/node${node}/compact`;
  if (kernel.exists(file)) kernel.write(file, "1");
}

/** Where a pool is. */
function placeOf(path: string): { node: number; where: string; pageBytes: number } {
  const node = Number(/\/node(\d+)\//.exec(path)?.[1] ?? -1);
  const pageBytes = Number(/\/hugepages-(\d+)kB\//.exec(path)?.[1] ?? 0) * 1024;
  return { node, where: node < 0 ? "the machine" : `node ${node}`, pageBytes };
}

/** Huge pages of one size that nobody uses on a NUMA node, of all nodes with -1. */
export function readFreePages(kernel: KernelFiles, node: number, pageBytes: number): number {
  const directory = node < 0 ? "/sys/kernel/mm/hugepages" : `/sys/devices/system/node/node${node}/hugepages`;
  return Number(kernel.tryRead(`${directory}/hugepages-${pageBytes / 1024}kB/free_hugepages`) ?? 0);
}

/** A size in the largest unit that divides it: `256 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  const [count, unit] = inLargestUnit(bytes, units.length);
  return `${count} ${units[unit]}`;
}

function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
