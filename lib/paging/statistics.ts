import type { regionStatistics } from "../../ffi/paging.ts";

/** What happened in a region since it was mapped, in pages of 4 KiB. */
export interface RegionStatistics {
  /** Faults that were answered, first writes too. */
  readonly faults: number;
  /** Those of them that were writes to pages that were there. */
  readonly firstWrites: number;
  /** Read from the store. */
  readonly readPages: number;
  /** Written to the store. */
  readonly writtenPages: number;
  /** Taken out of memory. */
  readonly evictedPages: number;
  /** Read without being asked for. */
  readonly aheadPages: number;
  /** Those of the evicted ones that were recycled by moving them. */
  readonly movedPages: number;
  /** Calls of the store that read. */
  readonly reads: number;
  /** Calls of the store that write. */
  readonly writes: number;
  /** Waits for what another thread did with the same page. */
  readonly waits: number;
  /** Pages that the store failed at. */
  readonly errors: number;
  /** In memory now. */
  readonly residentPages: number;
  /** To be written, now. */
  readonly dirtyPages: number;
  /** Kept from eviction now. */
  readonly pinnedPages: number;
}

/** Counts of C under our names. */
export function statisticsOf(counts: ReturnType<typeof regionStatistics>): RegionStatistics {
  return {
    faults: Number(counts.faults),
    firstWrites: Number(counts.first_writes),
    readPages: Number(counts.read_pages),
    writtenPages: Number(counts.written_pages),
    evictedPages: Number(counts.evicted_pages),
    aheadPages: Number(counts.ahead_pages),
    movedPages: Number(counts.moved_pages),
    reads: Number(counts.reads),
    writes: Number(counts.writes),
    waits: Number(counts.waits),
    errors: Number(counts.errors),
    residentPages: Number(counts.resident_pages),
    dirtyPages: Number(counts.dirty_pages),
    pinnedPages: Number(counts.pinned_pages),
  };
}
