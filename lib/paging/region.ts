import {
  gatherRegion,
  mapRegion,
  mayView,
  type NativeRegion,
  type rangeActions,
  rangeOf,
  readRegion,
  regionBuffer,
  regionError,
  regionMemories,
  regionModes,
  regionStatistics,
  regionTrackings,
  touchRegion,
  type TouchResult,
  unmapRegion,
  writeRegion,
} from "../../ffi/paging.ts";
import { closeStore } from "../../ffi/paging_stores.ts";
import { errno, errnoText, SysError } from "../../ffi/errors.ts";
import { RefusedError, UsageError } from "../errors.ts";
import type { PageBuffer } from "./buffer.ts";
import { type OpenStore, openStore, openStoreSync } from "./open_store.ts";
import { type RegionStatistics, statisticsOf } from "./statistics.ts";
import { type StoreDescription, storeName } from "./stores.ts";

/** How a region is paged; what is absent is chosen by the library. */
export interface RegionOptions {
  /** The buffer that its pages lie in. Absent: one for all such regions, or none where the kernel can map the file itself. */
  readonly buffer?: PageBuffer;
  /**
   * Who answers faults. `signal`: the thread that faults, which is fast, but system calls on absent pages fail with EFAULT.
   * `thread`: threads of the region, which anything may wait for. `plain`: the kernel, without a buffer of ours.
   */
  readonly mode?: "auto" | "signal" | "thread" | "plain";
  /** `move` recycles pages of long streams by moving them, `shared` keeps them in a file in memory. */
  readonly memory?: "auto" | "copy" | "move" | "shared";
  /**
   * How writes are noticed: by a fault each (`fault`), by asking the kernel (`scan`), or not at all (`none`). `auto` is `fault`, but where
   * pages that are read are mostly written, too, they come writable, and their content tells whether they were.
   */
  readonly tracking?: "auto" | "fault" | "scan" | "none";
  /** Granule of faults: a multiple of 4096; 4096 when absent. */
  readonly pageBytes?: number;
  /** The most pages that are read at once, for streams; 256 when absent, 1 reads none ahead. */
  readonly windowPages?: number;
  /** Threads of mode `thread` to begin with; 2 when absent. One is added where all wait for others, up to 16. */
  readonly threads?: number;
  /** How long the region is; as long as the store when absent. What is behind the store reads as zeroes, and is not written. */
  readonly bytes?: number;
  /** Nothing can write to it. */
  readonly readOnly?: boolean;
}

/** Why a page failed. */
export interface PageError {
  /** Name of the error number, such as `EIO`. */
  readonly code: string;
  /** What the store said, or the C library's words. */
  readonly message: string;
}

/** A constructor of typed arrays. */
export type ViewType<T> = {
  new (buffer: ArrayBuffer, offset?: number, length?: number): T;
  readonly BYTES_PER_ELEMENT?: number;
};

const pageBytes = 4096;
/** Pages behind a failed read that are asked why: the window of a stream, four times. */
const lookedAtMax = 1024;

/**
 * A range of memory whose pages come from a store when they are touched, and go back to it when the buffer is full.
 *
 * Disposing it writes back what was written, takes the memory away and detaches all arrays over it. `using` does that at the
 * end of a block, `await using` waits for workers of the store, too.
 *
 * @example Usage
 * ```ts ignore
 * import { fileStore, PageBuffer, Region } from "@argo/nodeos";
 *
 * using buffer = new PageBuffer(64 * 2 ** 20);
 * using region = await Region.map(fileStore("/data/huge.f64"), { buffer });
 * const values = region.view(Float64Array);
 * console.log(values[123_456_789]);
 * ```
 */
export class Region implements Disposable, AsyncDisposable {
  /** What its store is called in messages. */
  readonly name: string;
  readonly #native: NativeRegion;
  readonly #store: OpenStore;
  #view: ArrayBuffer | null = null;
  #isMapped = true;

  private constructor(name: string, native: NativeRegion, store: OpenStore) {
    this.name = name;
    this.#native = native;
    this.#store = store;
  }

  /**
   * Maps a store, of any kind.
   *
   * @throws {UsageError} If options are wrong, {NoSuchObjectError} if there is no such file or object, {RefusedError} if the
   * kernel or the store refuses, {Deno.errors.NotCapable} if this program may not read or write the file.
   */
  static async map(store: StoreDescription, options: RegionOptions = {}): Promise<Region> {
    return Region.#mapOpen(store, await openStore(store), options);
  }

  /** Maps a store that needs no worker; as {@link Region.map} otherwise. */
  static mapSync(store: StoreDescription, options: RegionOptions = {}): Region {
    return Region.#mapOpen(store, openStoreSync(store), options);
  }

  static #mapOpen(store: StoreDescription, open: OpenStore, options: RegionOptions): Region {
    const name = storeName(store);
    let isTaken = false;
    try {
      const buffer = options.buffer?.handle ?? -1;
      const wanted = nativeOptions(options);
      isTaken = true;
      return new Region(name, mapRegion(buffer, open.handle, wanted, name), open);
    } catch (error) {
      if (!isTaken) closeStore(open.handle);
      for (const worker of open.workers) worker[Symbol.dispose]();
      throw mapRefusal(error, name, options);
    }
  }

  /** How long it is, in bytes. */
  get bytes(): number {
    return this.#native.bytes;
  }

  /**
   * An array over the region, or a part of it. Whoever reads an element that is absent waits until it was read; when the store
   * fails at it, the program ends (SIGBUS): {@link Region.read} gives an exception instead.
   *
   * @param type Such as `Float64Array`, or `DataView`.
   * @param offset Where it begins, in bytes, a multiple of an element.
   * @param length How many elements; as many as there are when absent.
   * @throws {Deno.errors.NotCapable} Without `--allow-ffi` for everything, {RangeError} if there are not so many.
   */
  view<T>(type: ViewType<T>, offset = 0, length?: number): T {
    this.#requireMapped();
    if (!mayView()) {
      throw new Deno.errors.NotCapable(
        `Cannot view ${this.name} as an array: that needs --allow-ffi without a path, and this program was started with less; ` +
          "read() and write() need no more than it has",
      );
    }
    this.#view ??= regionBuffer(this.#native);
    return new type(this.#view, offset, length ?? Math.floor((this.bytes - offset) / (type.BYTES_PER_ELEMENT ?? 1)));
  }

  /**
   * Copies out of the region.
   *
   * @param offset Where it begins, in bytes.
   * @param into Any array; all of it is filled.
   * @throws {SysError} If the store fails at a page, with its words, {RangeError} if the range is not within the region.
   */
  read(offset: number, into: ArrayBufferView<ArrayBuffer>): void {
    this.#requireRange(offset, into.byteLength);
    this.#check(readRegion(this.#native.handle, offset, bytesOf(into)), "read", offset, into.byteLength);
  }

  /**
   * Copies into the region.
   *
   * @param offset Where it begins, in bytes.
   * @param from Any array.
   * @throws {SysError} If the store fails at a page, or the region is read only (`EROFS`, `EACCES`), {RangeError} if the range is
   * not within the region.
   */
  write(offset: number, from: ArrayBufferView<ArrayBuffer>): void {
    this.#requireRange(offset, from.byteLength);
    this.#check(writeRegion(this.#native.handle, offset, bytesOf(from)), "write", offset, from.byteLength);
  }

  /**
   * Copies one element from each of some offsets, which is faster than to read them one by one.
   *
   * @param offsets Where elements begin, in bytes, of any order and alignment.
   * @param into A typed array with as many elements; they are filled in the order of the offsets.
   * @throws {SysError} If the store fails at a page, {RangeError} if an element is not within the region, or the lengths differ.
   */
  gather(offsets: BigUint64Array<ArrayBuffer>, into: ArrayBufferView<ArrayBuffer> & { readonly length: number }): void {
    this.#requireMapped();
    if (into.length !== offsets.length) throw new RangeError(`Cannot gather ${offsets.length} elements into ${into.length}`);
    const each = into.length === 0 ? 0 : into.byteLength / into.length;
    const { count, error } = gatherRegion(this.#native.handle, offsets, each, bytesOf(into));
    if (error === 0) return;
    const offset = Number(offsets[count]);
    this.#requireRange(offset, each);
    this.#check(error, "read", offset, each);
  }

  /** Writes back what was written, and returns when the store has it on its medium. Pages stay. */
  flush(offset = 0, bytes = this.bytes - offset): void {
    this.#range("flush", offset, bytes);
  }

  /** Reads pages that are absent, and returns when they are there, as far as the buffer holds them. */
  populate(offset = 0, bytes = this.bytes - offset): void {
    this.#range("populate", offset, bytes);
  }

  /** The same without waiting. */
  prefetch(offset = 0, bytes = this.bytes - offset): void {
    this.#range("prefetch", offset, bytes);
  }

  /** Writes back and takes out of memory; pages that are pinned stay. */
  evict(offset = 0, bytes = this.bytes - offset): void {
    this.#range("evict", offset, bytes);
  }

  /** Pages at which the store failed are asked for again when they are touched. */
  forgive(offset = 0, bytes = this.bytes - offset): void {
    this.#range("forgive", offset, bytes);
  }

  /**
   * Reads pages, and keeps them from eviction until what this returns is disposed. They are written when the region is flushed
   * or disposed, not before.
   *
   * @throws {SysError} If the buffer has no room for them beside other pinned ones (`ENOMEM`); then none is pinned.
   */
  pin(offset = 0, bytes = this.bytes - offset): Disposable {
    this.#range("pin", offset, bytes);
    let isPinned = true;
    return {
      [Symbol.dispose]: () => {
        if (!isPinned || !this.#isMapped) return;
        isPinned = false;
        this.#range("unpin", offset, bytes);
      },
    };
  }

  /** Why the page at an offset failed; `null` when it did not. */
  errorAt(offset: number): PageError | null {
    this.#requireRange(offset, 1);
    const number = regionError(this.#native.handle, offset);
    if (number === 0) return null;
    const { code, words } = errnoText(number);
    return { code, message: this.#wordsAt(offset) ?? words.toLowerCase() };
  }

  /** What happened since it was mapped. */
  statistics(): RegionStatistics {
    this.#requireMapped();
    return statisticsOf(regionStatistics(this.#native.handle));
  }

  /**
   * Touches the words at some offsets in a loop in C, for benchmarks; see {@link touchRegion}.
   *
   * @param words What reads find, and writes write.
   */
  touch(how: "read" | "write" | "readWrite", offsets: BigUint64Array<ArrayBuffer>, words: BigUint64Array<ArrayBuffer>): TouchResult {
    this.#requireMapped();
    if (words.length !== offsets.length) throw new RangeError(`Cannot touch ${offsets.length} words with room for ${words.length}`);
    return touchRegion(this.#native.handle, how, offsets, words);
  }

  /**
   * Writes back, takes the memory away and ends the store; again does nothing.
   *
   * @throws {SysError} If something could not be written since the last flush; the region is gone all the same, and what was not
   * written is lost.
   */
  [Symbol.dispose](): void {
    try {
      this.#unmap();
    } finally {
      for (const worker of this.#store.workers) worker[Symbol.dispose]();
    }
  }

  /** The same, and waits until the store's workers have closed it. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#unmap();
    } finally {
      await Promise.all(this.#store.workers.map((worker) => worker[Symbol.asyncDispose]()));
    }
  }

  #unmap(): void {
    if (!this.#isMapped) return;
    this.#isMapped = false;
    if (this.#view?.detached) {
      throw new RefusedError(`Cannot unmap ${this.name}: the buffer of its view was transferred`, {
        remedy: "Its memory stays until the program ends; flush it before, and give away copies instead",
      });
    }
    // What this returns is reachable by nobody.
    this.#view?.transfer();
    try {
      unmapRegion(this.#native.handle, this.name);
    } catch (error) {
      throw this.#withWords(error, 0, this.bytes);
    }
  }

  #range(action: keyof typeof rangeActions, offset: number, bytes: number): void {
    this.#requireRange(offset, bytes);
    // To the library, no bytes are all of them.
    if (bytes > 0) this.#check(rangeOf(this.#native.handle, action, offset, bytes), action, offset, bytes);
  }

  #check(result: number, action: string, offset: number, bytes: number): void {
    if (result >= 0) return;
    throw this.#withWords(new SysError(`${action} ${bytes} bytes at ${offset} of ${this.name}`, -result), offset, bytes);
  }

  /** An error with what is known of the page that failed. */
  #withWords(error: unknown, offset: number, bytes: number): unknown {
    if (!(error instanceof SysError)) return error;
    const last = Math.min(offset + bytes, offset - offset % pageBytes + lookedAtMax * pageBytes);
    for (let at = offset; at < last; at = at - at % pageBytes + pageBytes) {
      if (this.#isMapped && regionError(this.#native.handle, at) === 0) continue;
      const words = this.#wordsAt(at);
      if (words === null && this.#isMapped) return new SysError(error.action, error.errno, { hint: pageHint(at) });
      if (words !== null) return new SysError(error.action, error.errno, { hint: `${pageHint(at)}: ${words}` });
    }
    return error;
  }

  #wordsAt(offset: number): string | null {
    const page = offset - offset % pageBytes;
    for (const { words } of this.#store.workers) {
      const found = words.at(offset) ?? words.at(page);
      if (found !== null) return found;
    }
    return null;
  }

  #requireMapped(): void {
    if (!this.#isMapped) throw new TypeError(`Cannot use the region of ${this.name}: it was disposed`);
  }

  #requireRange(offset: number, bytes: number): void {
    this.#requireMapped();
    if (Number.isSafeInteger(offset) && Number.isSafeInteger(bytes) && offset >= 0 && bytes >= 0 && offset + bytes <= this.bytes) return;
    throw new RangeError(`Cannot use ${bytes} bytes at ${offset} of ${this.name}: it has ${this.bytes}`);
  }
}

function pageHint(offset: number): string {
  return `the page at ${offset - offset % pageBytes} failed`;
}

function bytesOf(array: ArrayBufferView<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function nativeOptions({ mode = "auto", memory = "auto", tracking = "auto", ...numbers }: RegionOptions) {
  return {
    mode: numberOf(regionModes, mode, "mode"),
    memory: numberOf(regionMemories, memory, "memory"),
    tracking: numberOf(regionTrackings, tracking, "tracking"),
    threads: countOf(numbers.threads, "threads"),
    window_pages: countOf(numbers.windowPages, "windowPages"),
    page_bytes: BigInt(countOf(numbers.pageBytes, "pageBytes")),
    bytes: BigInt(countOf(numbers.bytes, "bytes", Number.MAX_SAFE_INTEGER)),
    read_only: numbers.readOnly ? 1 : 0,
  };
}

function numberOf<T extends Readonly<Record<string, number>>>(table: T, word: string, option: string): number {
  if (Object.hasOwn(table, word)) return table[word];
  throw new UsageError(`Cannot use ${JSON.stringify(word)} as ${option} of a region`, {
    remedy: `Write one of ${Object.keys(table).join(", ")}`,
  });
}

function countOf(value: number | undefined, option: string, max = 2 ** 32 - 1): number {
  if (value === undefined) return 0;
  if (Number.isSafeInteger(value) && value >= 1 && value <= max) return value;
  throw new UsageError(`Cannot use ${value} as ${option} of a region: write a whole number from 1`);
}

function mapRefusal(error: unknown, name: string, { mode = "auto" }: RegionOptions): unknown {
  if (!(error instanceof SysError)) return error;
  switch (error.errno) {
    case errno.EPERM:
      return new RefusedError(`Cannot page ${name}: the kernel lets this user have no userfaultfd for mode ${mode}`, {
        cause: error,
        remedy: "Use mode signal, run as root, or let the administrator give access to /dev/userfaultfd",
      });
    case errno.ENOSYS:
    case errno.EOPNOTSUPP:
      return new RefusedError(`Cannot page ${name}: this kernel, or this store, lacks what the options ask for`, { cause: error });
    case errno.EINVAL:
      return new UsageError(`Cannot page ${name}: the options do not fit together, or the store`, { cause: error });
    case errno.ENOMEM:
      return new RefusedError(`Cannot page ${name}: the buffer or the machine has not as much memory`, { cause: error });
    default:
      return new RefusedError(error.message, { cause: error });
  }
}
