import { check } from "./errors.ts";
import { cstr, lazyLibrary } from "./library.ts";
import { type Struct, struct, type Values } from "./struct.ts";

const library = lazyLibrary({
  // int32_t nodeos_paging_buffer_create(const uint8_t *options);
  nodeos_paging_buffer_create: { parameters: ["buffer"], result: "i32" },
  // int32_t nodeos_paging_buffer_resize(int32_t handle, uint64_t bytes);
  nodeos_paging_buffer_resize: { parameters: ["i32", "u64"], result: "i32" },
  // int32_t nodeos_paging_buffer_close(int32_t handle);
  nodeos_paging_buffer_close: { parameters: ["i32"], result: "i32" },
  // int32_t nodeos_paging_map(int32_t buffer_handle, int32_t store_handle, const uint8_t *options, uint64_t *ret_place);
  nodeos_paging_map: { parameters: ["i32", "i32", "buffer", "buffer"], result: "i32" },
  // int32_t nodeos_paging_name(int32_t handle, const char *name);
  nodeos_paging_name: { parameters: ["i32", "buffer"], result: "i32" },
  // int32_t nodeos_paging_unmap(int32_t handle);
  nodeos_paging_unmap: { parameters: ["i32"], result: "i32" },
  // int32_t nodeos_paging_range(int32_t handle, int32_t action, uint64_t offset, uint64_t bytes);
  nodeos_paging_range: { parameters: ["i32", "i32", "u64", "u64"], result: "i32" },
  // int32_t nodeos_paging_read(int32_t handle, uint8_t *data, uint64_t bytes, uint64_t offset);
  nodeos_paging_read: { parameters: ["i32", "buffer", "u64", "u64"], result: "i32" },
  // int64_t nodeos_paging_gather(int32_t handle, const uint64_t *offsets, uint64_t count, uint32_t each, uint8_t *ret_data,
  //                              int32_t *ret_error);
  nodeos_paging_gather: { parameters: ["i32", "buffer", "u64", "u32", "buffer", "buffer"], result: "i64" },
  // int32_t nodeos_paging_write(int32_t handle, const uint8_t *data, uint64_t bytes, uint64_t offset);
  nodeos_paging_write: { parameters: ["i32", "buffer", "u64", "u64"], result: "i32" },
  // int32_t nodeos_paging_error(int32_t handle, uint64_t offset);
  nodeos_paging_error: { parameters: ["i32", "u64"], result: "i32" },
  // int32_t nodeos_paging_statistics(int32_t handle, uint8_t *ret_statistics);
  nodeos_paging_statistics: { parameters: ["i32", "buffer"], result: "i32" },
});

const touchLibrary = lazyLibrary({
  // int32_t nodeos_paging_touch(int32_t handle, int32_t how, const uint64_t *offsets, uint64_t *words, uint64_t count,
  //                             uint32_t *ret_ns, uint64_t *ret_total);
  nodeos_paging_touch: { parameters: ["i32", "i32", "buffer", "buffer", "u64", "buffer", "buffer"], result: "i32" },
});

/** `struct nodeos_buffer_options`. */
export const BufferOptionsLayout = struct({ size: "u32", low_percent: "u32", high_percent: "u32", evictors: "u32", bytes: "u64" });

/** `struct nodeos_region_options`. */
export const RegionOptionsLayout = struct({
  size: "u32",
  mode: "u32",
  memory: "u32",
  tracking: "u32",
  threads: "u32",
  window_pages: "u32",
  page_bytes: "u64",
  address: "u64",
  bytes: "u64",
  shared_fd: "i32",
  read_only: "u32",
});

/** Fields of `struct nodeos_region_statistics`. */
export const statisticsFields = {
  faults: "u64",
  first_writes: "u64",
  read_pages: "u64",
  written_pages: "u64",
  evicted_pages: "u64",
  ahead_pages: "u64",
  moved_pages: "u64",
  reads: "u64",
  writes: "u64",
  waits: "u64",
  errors: "u64",
  resident_pages: "u64",
  dirty_pages: "u64",
  pinned_pages: "u64",
} as const;

/** `struct nodeos_region_statistics`. */
export const RegionStatisticsLayout = struct(statisticsFields);

/** Values of a structure of these fields. */
export type ValuesOf<S> = S extends Struct<infer L> ? Values<L> : never;

/** How faults are answered; `enum nodeos_region_mode`. */
export const regionModes = { auto: 0, signal: 1, thread: 2, plain: 3 } as const;

/** What pages are made of; `enum nodeos_region_memory`. */
export const regionMemories = { auto: 0, copy: 1, move: 2, shared: 3 } as const;

/** How writes are noticed; `enum nodeos_region_tracking`. */
export const regionTrackings = { auto: 0, fault: 1, scan: 2, none: 3 } as const;

/** What is done with a range of a region; the table in `paging/flat.c`. */
export const rangeActions = { flush: 0, populate: 1, prefetch: 2, evict: 3, pin: 4, unpin: 5, forgive: 6 } as const;

/** Whether this program may turn addresses into arrays, which is to say: read and write all of its memory. */
export function mayView(): boolean {
  return Deno.permissions.querySync({ name: "ffi" }).state === "granted";
}

/** Makes a page buffer; returns its number. */
export function createBuffer(options: Partial<ValuesOf<typeof BufferOptionsLayout>>): number {
  const buffer = new Uint8Array(BufferOptionsLayout.size);
  BufferOptionsLayout.write(buffer, { size: BufferOptionsLayout.size, ...options });
  return check(library().nodeos_paging_buffer_create(buffer), () => `make a page buffer of ${options.bytes} bytes`);
}

/** Gives a page buffer another limit. */
export function resizeBuffer(buffer: number, bytes: number): void {
  check(library().nodeos_paging_buffer_resize(buffer, BigInt(bytes)), () => `resize the page buffer to ${bytes} bytes`);
}

/** Ends a page buffer. */
export function closeBuffer(buffer: number): void {
  check(library().nodeos_paging_buffer_close(buffer), () => "close the page buffer");
}

/** A region as the library has it. */
export interface NativeRegion {
  /** Its number. */
  readonly handle: number;
  /** Where it begins in the memory of this process. */
  readonly address: bigint;
  /** How long it is, in bytes. */
  readonly bytes: number;
}

/** Maps a store, whose number is gone in any case; `buffer` -1 is the one that all such share. */
export function mapRegion(
  buffer: number,
  store: number,
  options: Partial<ValuesOf<typeof RegionOptionsLayout>>,
  name: string,
): NativeRegion {
  const wanted = new Uint8Array(RegionOptionsLayout.size);
  RegionOptionsLayout.write(wanted, { size: RegionOptionsLayout.size, shared_fd: -1, ...options });
  const place = new BigUint64Array(2);
  const handle = check(library().nodeos_paging_map(buffer, store, wanted, place), () => `page ${name}`);
  library().nodeos_paging_name(handle, cstr(name.replaceAll("\0", " ")));
  return { handle, address: place[0], bytes: Number(place[1]) };
}

/** Writes back and unmaps. The region is gone also when this throws: what could not be written is lost. */
export function unmapRegion(region: number, name: string): void {
  check(library().nodeos_paging_unmap(region), () => `write back all of ${name}`);
}

/** Does something with a range of a region; returns 0, or -errno. */
export function rangeOf(region: number, action: keyof typeof rangeActions, offset: number, bytes: number): number {
  return library().nodeos_paging_range(region, rangeActions[action], BigInt(offset), BigInt(bytes));
}

/** Copies out of a region; returns 0, or -errno. */
export function readRegion(region: number, offset: number, into: Uint8Array<ArrayBuffer>): number {
  return library().nodeos_paging_read(region, into, BigInt(into.length), BigInt(offset));
}

/** Copies `each` bytes from each offset of a region; returns how many before one failed, and its -errno. */
export function gatherRegion(
  region: number,
  offsets: BigUint64Array<ArrayBuffer>,
  each: number,
  into: Uint8Array<ArrayBuffer>,
): { readonly count: number; readonly error: number } {
  const error = new Int32Array(1);
  const count = library().nodeos_paging_gather(region, offsets, BigInt(offsets.length), each, into, error);
  return { count: Number(count), error: error[0] };
}

/** Copies into a region; returns 0, or -errno. */
export function writeRegion(region: number, offset: number, from: Uint8Array<ArrayBuffer>): number {
  return library().nodeos_paging_write(region, from, BigInt(from.length), BigInt(offset));
}

/** The error number of a page of a region, positive; 0 when it did not fail. */
export function regionError(region: number, offset: number): number {
  return library().nodeos_paging_error(region, BigInt(offset));
}

/** Counts of a region. */
export function regionStatistics(region: number): ValuesOf<typeof RegionStatisticsLayout> {
  const buffer = new Uint8Array(RegionStatisticsLayout.size);
  check(library().nodeos_paging_statistics(region, buffer), () => "count the pages of a region");
  return RegionStatisticsLayout.read(buffer);
}

/**
 * The memory of a region as a buffer.
 *
 * @throws {Deno.errors.NotCapable} Without `--allow-ffi` for everything.
 */
export function regionBuffer({ address, bytes }: NativeRegion): ArrayBuffer {
  return Deno.UnsafePointerView.getArrayBuffer(Deno.UnsafePointer.create(address)!, bytes);
}

/** What a loop over pages took. */
export interface TouchResult {
  /** Nanoseconds of each touch, in order. */
  readonly timesNs: Uint32Array<ArrayBuffer>;
  /** Nanoseconds of all together. */
  readonly totalNs: number;
  /** Microseconds of CPU time of this process, all threads, in user mode. */
  readonly userUs: number;
  /** The same in the kernel. */
  readonly systemUs: number;
  /** How often a thread of this process waited. */
  readonly voluntarySwitches: number;
  /** How often one was made to wait. */
  readonly forcedSwitches: number;
}

/** What {@link touchRegion} does with a word; the numbers of `paging/flat_touch.c`. */
export const touches = { read: 0, write: 1, readWrite: 2 } as const;

/** Touches the words at some offsets of a region, in a loop in C; reads fill `words`, writes take them from there. */
export function touchRegion(
  region: number,
  how: keyof typeof touches,
  offsets: BigUint64Array<ArrayBuffer>,
  words: BigUint64Array<ArrayBuffer>,
): TouchResult {
  const timesNs = new Uint32Array(offsets.length);
  const total = new BigUint64Array(5);
  check(
    touchLibrary().nodeos_paging_touch(region, touches[how], offsets, words, BigInt(offsets.length), timesNs, total),
    () => `touch ${offsets.length} pages of a region`,
  );
  const [totalNs, userUs, systemUs, voluntarySwitches, forcedSwitches] = [...total].map(Number);
  return { timesNs, totalNs, userUs, systemUs, voluntarySwitches, forcedSwitches };
}
