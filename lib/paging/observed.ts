import { regionMemories, regionModes, regionTrackings } from "../../ffi/paging.ts";
import { type ObservedTable, observePages, observeTable, pageStateMask, pageStates } from "../../ffi/paging_tables.ts";
import { errno, SysError } from "../../ffi/errors.ts";
import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { listNumbered, readText } from "../kernel/value.ts";
import { type RegionStatistics, statisticsOf } from "./statistics.ts";

/** A region of another process, as that process says it is. */
export interface ObservedRegion {
  /** The process. */
  readonly pid: number;
  /** Number of the descriptor by which the process tells; it names the region within the process. */
  readonly id: number;
  /** What its store is called; "" when it has no name. */
  readonly name: string;
  /** Where it begins in the memory of the process. */
  readonly address: bigint;
  /** How long it is. */
  readonly bytes: number;
  /** Granule of faults. */
  readonly pageBytes: number;
  /** How many of these it has. */
  readonly pageCount: number;
  /** How long its store is. */
  readonly storeBytes: number;
  /** Who answers faults. */
  readonly mode: string;
  /** What pages are made of. */
  readonly memory: string;
  /** How writes are noticed. */
  readonly tracking: string;
  /** Whether writes go to the store. */
  readonly isWritable: boolean;
  /** The most memory that its buffer may have. */
  readonly limitBytes: number;
  /** What its buffer has, for all of its regions. */
  readonly bufferBytes: number;
  /** What happened since it was mapped. */
  readonly statistics: RegionStatistics;
}

/** How many pages of a piece of a region are what. */
export interface PageCounts {
  /** Not in memory, or just being read. */
  readonly absent: number;
  /** In memory as the store has it. */
  readonly clean: number;
  /** To be written. */
  readonly dirty: number;
  /** The store failed at it. */
  readonly poisoned: number;
}

const memfd = "/memfd:nodeos-paging";
/** How many pages are looked at in one call. */
const chunkPages = 2 ** 20;

/** Regions of a process, by address; `[]` when it has none. `null` when this user may not look, or there is no such process. */
export function observeRegions(files: KernelFiles, pid: number): ObservedRegion[] | null {
  const directory = `/proc/${pid}/fd`;
  const regions: ObservedRegion[] = [];
  try {
    if (!files.exists(`/proc/${pid}`)) return null;
    for (const fd of listNumbered(files, directory, "")) {
      if (!files.link(`${directory}/${fd}`)?.startsWith(memfd)) continue;
      const table = observeTable(pid, fd);
      if (table !== null) regions.push(regionOf(pid, fd, table));
    }
  } catch (error) {
    if (error instanceof SysError && (error.errno === errno.EACCES || error.errno === errno.EPERM)) return null;
    throw error;
  }
  return regions.sort((a, b) => a.address < b.address ? -1 : 1);
}

/** Regions of all processes that this user may look into. */
export function observeAllRegions(files: KernelFiles): ObservedRegion[] {
  return listNumbered(files, "/proc", "").flatMap((pid) => observeRegions(files, pid) ?? []);
}

/** What a process calls itself; `"?"` when it is gone. */
export function processName(files: KernelFiles, pid: number): string {
  return readText(files, `/proc/${pid}/comm`) ?? "?";
}

/**
 * Counts pages of a region by what they are, piece by piece.
 *
 * @param cellCount How many pieces; fewer when the region has fewer pages.
 * @returns The pieces in order of their addresses; `[]` when the region is gone.
 */
export function countPages({ pid, id, pageCount }: ObservedRegion, cellCount: number): PageCounts[] {
  const table = observeTable(pid, id);
  if (table === null) return [];
  const count = Math.min(cellCount, pageCount);
  const cells = Array.from({ length: count }, () => ({ absent: 0, clean: 0, dirty: 0, poisoned: 0 }));
  for (let from = 0; from < pageCount; from += chunkPages) {
    const bytes = observePages(pid, id, table, from, Math.min(chunkPages, pageCount - from));
    for (let index = 0; index < bytes.length; index++) {
      cells[Math.floor((from + index) * count / pageCount)][kinds[bytes[index] & pageStateMask] ?? "absent"]++;
    }
  }
  return cells;
}

const kinds: Readonly<Record<number, keyof PageCounts>> = {
  [pageStates.clean]: "clean",
  [pageStates.dirty]: "dirty",
  [pageStates.poisoned]: "poisoned",
  [pageStates.changing]: "clean",
  [pageStates.writingBack]: "dirty",
  [pageStates.evicting]: "clean",
};

function regionOf(pid: number, id: number, { fields, name }: ObservedTable): ObservedRegion {
  return {
    pid,
    id,
    name,
    address: fields.address,
    bytes: Number(fields.bytes),
    pageBytes: Number(fields.page_bytes),
    pageCount: Number(fields.pages),
    storeBytes: Number(fields.store_bytes),
    mode: wordOf(regionModes, fields.mode),
    memory: wordOf(regionMemories, fields.memory),
    tracking: wordOf(regionTrackings, fields.tracking),
    isWritable: fields.writable !== 0,
    limitBytes: Number(fields.limit_bytes),
    bufferBytes: Number(fields.buffer_bytes),
    statistics: statisticsOf(fields),
  };
}

function wordOf(table: Readonly<Record<string, number>>, number: number): string {
  return Object.entries(table).find(([, value]) => value === number)?.[0] ?? String(number);
}
