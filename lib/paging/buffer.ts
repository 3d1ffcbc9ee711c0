import { closeBuffer, createBuffer, resizeBuffer } from "../../ffi/paging.ts";
import { errno, SysError } from "../../ffi/errors.ts";
import { RefusedError, UsageError } from "../errors.ts";

/** How a page buffer evicts. */
export interface PageBufferOptions {
  /** Eviction goes on until so much of the buffer is in use; 90 when absent. */
  readonly lowPercent?: number;
  /** Eviction begins when so much is in use; 100 when absent. */
  readonly highPercent?: number;
  /** Threads that evict from `highPercent` on; 0 when absent: who needs a page evicts. */
  readonly evictors?: number;
}

/**
 * Memory that regions share for their pages, with a limit that holds: pages, and what manages them.
 *
 * Disposing it needs that its regions are gone; with `using`, write it before them.
 */
export class PageBuffer implements Disposable {
  readonly #handle: number;
  #bytes: number;
  #isOpen = true;

  /**
   * Makes a buffer.
   *
   * @param bytes The most memory that its regions may have, 64 KiB at least.
   * @throws {UsageError} If sizes or percentages are none.
   */
  constructor(bytes: number, { lowPercent = 0, highPercent = 0, evictors = 0 }: PageBufferOptions = {}) {
    requireSize(bytes);
    const options = { low_percent: lowPercent, high_percent: highPercent, evictors, bytes: BigInt(bytes) };
    try {
      this.#handle = createBuffer(options);
    } catch (error) {
      throw bufferRefusal(error, `make a page buffer of ${bytes} bytes`);
    }
    this.#bytes = bytes;
  }

  /** The most memory that its regions may have. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Its number in the library. */
  get handle(): number {
    if (!this.#isOpen) throw new TypeError("Cannot use the page buffer: it was disposed");
    return this.#handle;
  }

  /**
   * Gives it another limit; what is above it is evicted before this returns.
   *
   * @throws {RefusedError} If pages that are pinned are more, {UsageError} if the size is none.
   */
  resize(bytes: number): void {
    requireSize(bytes);
    try {
      resizeBuffer(this.handle, bytes);
    } catch (error) {
      throw bufferRefusal(error, `resize the page buffer to ${bytes} bytes`);
    }
    this.#bytes = bytes;
  }

  /** Ends it; again does nothing. Throws a {@link RefusedError} while regions use it. */
  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    try {
      closeBuffer(this.#handle);
    } catch (error) {
      throw bufferRefusal(error, "end the page buffer");
    }
    this.#isOpen = false;
  }
}

function requireSize(bytes: number): void {
  if (Number.isSafeInteger(bytes) && bytes > 0) return;
  throw new UsageError(`Cannot use ${bytes} as the size of a page buffer: write a whole number of bytes`);
}

function bufferRefusal(error: unknown, action: string): unknown {
  if (!(error instanceof SysError)) return error;
  switch (error.errno) {
    case errno.EINVAL:
      return new UsageError(`Cannot ${action}: it is less than 16 pages (65536 bytes), or its percentages do not ascend to 100`, {
        cause: error,
      });
    case errno.EBUSY:
      return new RefusedError(`Cannot ${action}: regions use it`, { cause: error, remedy: "Dispose its regions first" });
    case errno.ENOMEM:
      return new RefusedError(`Cannot ${action}: there is not as much memory, or pages that are pinned take more`, { cause: error });
    default:
      return new RefusedError(error.message, { cause: error });
  }
}
