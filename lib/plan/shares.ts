import { errno, SysError } from "../../ffi/errors.ts";
import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { RefusedError } from "../errors.ts";
import { parseNumaStat } from "../kernel/numa_stat.ts";
import { memoryOf } from "./memory_of.ts";
import type { Driver } from "./kernel.ts";
import { formatBytes } from "./pool.ts";

/** How much of each NUMA node's huge pages of one size is a container's. */
export interface PageShares {
  /** Size of one page. */
  readonly pageBytes: number;
  /** Where the kernel says how much is there of each node. */
  readonly countPath: string;
  /** Bytes by NUMA node. */
  readonly bytesByNode: ReadonlyMap<number, number>;
}

/** The line of a page size: `pages 2097152 /sys/.../hugetlb.2MB.numa_stat 1 67108864 2 33554432`. */
export function formatPageShares({ pageBytes, countPath, bytesByNode }: PageShares): string {
  return ["pages", pageBytes, countPath, ...[...bytesByNode].flat()].join(" ");
}

/** The lines of page sizes in the value of a step; others are left out. */
export function parsePageShares(value: string): PageShares[] {
  return value.split("\n").filter((line) => line.startsWith("pages ")).map((line) => {
    const [, pageBytes, countPath, ...numbers] = line.split(" ");
    const bytesByNode = new Map<number, number>();
    for (let at = 0; at + 1 < numbers.length; at += 2) bytesByNode.set(Number(numbers[at]), Number(numbers[at + 1]));
    return { pageBytes: Number(pageBytes), countPath, bytesByNode };
  });
}

/**
 * What programs of a container may take of each NUMA node's huge pages, by the path of a file that they read and lock
 * (`ffi/runtime/memory_share.h`); its text. Who has it locked is waited for: so it holds for everything that is taken after.
 */
export const sharesDriver: Driver = {
  read: (kernel, path) => kernel.memory?.text(path)?.trimEnd() ?? null,
  write(kernel, path, value) {
    const memory = memoryOf(kernel);
    const former = memory.text(path);
    if (value === null) {
      if (former !== null) memory.setText(path, null);
      return;
    }
    write(memory, path, `${value}\n`);
    const problem = former === null ? null : takenMeanwhile(kernel, parsePageShares(former), parsePageShares(value));
    if (problem === null) return;
    write(memory, path, former!);
    throw new RefusedError(`Cannot take huge pages back: ${problem}`);
  },
};

function write(memory: ReturnType<typeof memoryOf>, path: string, text: string): void {
  try {
    memory.setText(path, text);
  } catch (error) {
    if (!(error instanceof SysError && error.errno === errno.ETIMEDOUT)) throw error;
    throw new RefusedError(`Cannot write ${path}: a program has had it locked for 10 s, as those do that are taking huge pages`, {
      cause: error,
      remedy: "Try again, or let go on what was stopped in the middle of it",
    });
  }
}

/** What programs have of a node beyond what is left of it, as a clause: it was not in use when somebody looked. */
function takenMeanwhile(kernel: KernelFiles, from: readonly PageShares[], to: readonly PageShares[]): string | null {
  for (const { pageBytes, countPath, bytesByNode } of from) {
    const next = to.find((shares) => shares.pageBytes === pageBytes);
    if (next === undefined) continue;
    const used = parseNumaStat(kernel.tryRead(countPath) ?? "");
    for (const [node, bytes] of bytesByNode) {
      const [usedBytes, nextBytes] = [used.get(node) ?? 0, next.bytesByNode.get(node) ?? 0];
      if (nextBytes < bytes && usedBytes > nextBytes) {
        return `its programs use ${formatBytes(usedBytes)} of those of node ${node} by now, and ${formatBytes(nextBytes)} would be left`;
      }
    }
  }
  return null;
}
