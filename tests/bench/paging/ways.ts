/** How a file is touched, and the window that a bare loop is given for it, in pages. */
export const patterns: Readonly<Record<string, number>> = {
  "random-read": 1,
  "sequential-read": 256,
  "sequential-write": 256,
  "random-write": 1,
  "read-modify-write": 1,
};

/** One way to have a file in memory. */
export interface Way {
  /** What it is. */
  readonly name: string;
  /** The name of a way in `ways.c`. */
  readonly way: string;
  /** Variables that it reads. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whether its failure is only noted: it is not ours. */
  readonly mayFail?: boolean;
}

/** What ours are called. */
export const ours = { signal: "nodeos, signal", thread: "nodeos, thread" } as const;
/** UMap as it comes. */
export const umapDefault = "UMap, 4 KiB pages";
const umapPages = [16, 64, 256];

/** Whether a pattern goes from page to page. */
export const isSequential = (pattern: string) => patterns[pattern] > 1;

/** Why UMap is left out, or `null` when it is there. */
export const umapMissing: string | null = Deno.env.get("NODEOS_UMAP_LIB") === undefined
  ? "needs NODEOS_UMAP_LIB, the path of its libumap.so"
  : null;

/** The ways to measure for a pattern. Larger pages than it touches are of no use to UMap, and windows that move none to a bare loop. */
export function waysOf(pattern: string, threads: number, bufferPages: number): Way[] {
  const umap = (pages: number) => ({
    name: pages === 1 ? umapDefault : `UMap, ${pages * 4} KiB pages`,
    way: "umap",
    mayFail: true,
    env: {
      UMAP_LOG_LEVEL: "ERROR",
      UMAP_PAGESIZE: `${pages * 4096}`,
      UMAP_BUFSIZE: `${bufferPages / pages}`,
      // More never paid.
      UMAP_PAGE_FILLERS: `${Math.min(threads, 2)}`,
      UMAP_PAGE_EVICTORS: `${Math.min(threads, 2)}`,
    },
  });
  const umapSizes = umapMissing !== null ? [] : isSequential(pattern) ? [1, ...umapPages] : [1];
  const moves = isSequential(pattern);
  return [
    { name: "mmap, without a limit", way: "mmap" },
    ...umapSizes.map(umap),
    { name: "bare loop, thread", way: "bare-thread" },
    ...(moves ? [{ name: "bare loop, thread, by move", way: "bare-thread-move" }] : []),
    { name: ours.thread, way: "nodeos-thread" },
    { name: "bare loop, signal", way: "bare-signal" },
    ...(moves ? [{ name: "bare loop, signal, by move", way: "bare-signal-move" }] : []),
    { name: ours.signal, way: "nodeos-signal" },
  ];
}
