import type { NodeCensus } from "../census.ts";
import type { HugeCount, MemoryCount } from "../counts.ts";
import type { AuditedContainer } from "./evidence.ts";
import { countFrames, type FrameRun } from "../frame_runs.ts";

/** What is asked of a unit. */
export const questions = {
  whole: "every page of it is there",
  placed: "all of it lies on its NUMA nodes",
  apart: "no frame of it is in another unit",
  alone: "nobody outside of its container has a frame of it",
  counted: "the kernel counts as much as was found",
  bounded: "the kernel's limit is the size of the units",
  kept: "of no node it has more huge pages than its units there",
  backed: "its pool has a page for each unit of it",
} as const;

/** One question, asked of one unit, and the answer. */
export interface Finding {
  /** The container. */
  readonly container: string;
  /** The unit's id; `null` is the container as a whole. */
  readonly unit: string | null;
  /** Which of {@link questions}. */
  readonly question: keyof typeof questions;
  /** `unknown`: it cannot be told here, or has an innocent explanation that cannot be ruled out. */
  readonly verdict: "holds" | "fails" | "unknown";
  /** What was found, as a clause. */
  readonly message: string;
}

/** What the kernel counts for a container. */
export interface KernelCounts {
  /** Huge pages, by size. */
  readonly huge: readonly HugeCount[];
  /** Ordinary memory; `null` where nobody counts it. */
  readonly memory: MemoryCount | null;
}

/** The machine that evidence is held against. */
export interface AuditScene {
  /** The containers. */
  readonly containers: readonly AuditedContainer[];
  /** What the kernel counts, by container. */
  readonly counts: ReadonlyMap<string, KernelCounts>;
  /** Which frames are of which NUMA node. */
  readonly nodeFrames: ReadonlyMap<number, readonly FrameRun[]>;
  /** Size of a frame. */
  readonly basePageBytes: number;
  /** What a memory cgroup is called, by its inode number. */
  readonly cgroupNames: ReadonlyMap<number, string>;
  /** Nodes with their pools, and whether programs outside of containers may take memory there. */
  readonly nodes: readonly Pick<NodeCensus, "id" | "isOpen" | "pools">[];
}

/** Frames, counted for people. */
export function frames(runs: readonly FrameRun[]): string {
  const count = countFrames(runs);
  return count === 1 ? "1 frame" : `${count} frames`;
}
