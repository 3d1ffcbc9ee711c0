import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { type FrameRun, mergeRuns } from "./frame_runs.ts";

/**
 * Page frames that each NUMA node spans, by node; holes that firmware keeps for itself are within.
 *
 * Source: Documentation/filesystems/proc.rst (zoneinfo): `start_pfn` and `spanned` of each zone.
 */
export function readNodeFrames(files: KernelFiles): ReadonlyMap<number, readonly FrameRun[]> {
  const runs = new Map<number, FrameRun[]>();
  for (const zone of (files.tryRead("/proc/zoneinfo") ?? "").split(/^(?=Node \d+, zone)/m)) {
    const node = /^Node (\d+), zone/.exec(zone)?.[1];
    const count = Number(/^\s+spanned\s+(\d+)/m.exec(zone)?.[1] ?? 0);
    const frame = /^\s+start_pfn:\s+(\d+)/m.exec(zone)?.[1];
    if (node === undefined || frame === undefined || count === 0) continue;
    runs.set(Number(node), [...(runs.get(Number(node)) ?? []), { frame: Number(frame), count }]);
  }
  return new Map([...runs].map(([node, zones]) => [node, mergeRuns(zones)]));
}

/** Free memory of one NUMA node by the blocks it is in: how much could become a page of this size without moving anything. */
export interface FreeBlocks {
  /** Free memory in blocks of any size. */
  readonly freeBytes: number;
  /** Part of it in blocks of at least this size. */
  wholeBytes(blockBytes: number): number;
}

/**
 * How free memory is in pieces, by NUMA node.
 *
 * Source: Documentation/filesystems/proc.rst (buddyinfo): columns count free blocks of 1, 2, 4, ... pages.
 */
export function readFreeBlocks(files: KernelFiles, basePageBytes: number): ReadonlyMap<number, FreeBlocks> {
  const blocks = new Map<number, { blockBytes: number; count: number }[]>();
  for (const line of (files.tryRead("/proc/buddyinfo") ?? "").split("\n")) {
    const [, node, counts] = /^Node (\d+), zone\s+\S+\s+(.*)$/.exec(line) ?? [];
    if (counts === undefined) continue;
    const parts = counts.trim().split(/\s+/).map((count, order) => ({ blockBytes: basePageBytes * 2 ** order, count: Number(count) }));
    blocks.set(Number(node), [...(blocks.get(Number(node)) ?? []), ...parts]);
  }
  const sum = (parts: readonly { blockBytes: number; count: number }[]) =>
    parts.reduce((bytes, { blockBytes, count }) => bytes + blockBytes * count, 0);
  return new Map([...blocks].map(([node, parts]) => [node, {
    freeBytes: sum(parts),
    wholeBytes: (blockBytes: number) => sum(parts.filter((part) => part.blockBytes >= blockBytes)),
  }]));
}
