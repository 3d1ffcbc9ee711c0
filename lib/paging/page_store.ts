/**
 * Where the pages of a region come from, written in TypeScript.
 *
 * A worker of its own runs it (see `workerStore`), so that the thread which touches a page may wait for it, whichever it is.
 * Offsets and sizes are in bytes, within the store, and at most 1 MiB at once. A call does all of it, or throws: a
 * {@link StoreError} says as what the page fails, anything else is `EIO`.
 */
export interface PageStore {
  /** How much it holds. */
  readonly bytes: number;
  /** Reads and writes begin and end at multiples of this, but at its end; a power of two up to 4096, 1 when absent. */
  readonly blockBytes?: number;
  /** Fills `into` with what is at `offset`. */
  read(offset: number, into: Uint8Array<ArrayBuffer>): void | Promise<void>;
  /** Keeps what was written to a region. A store without it is read only. */
  write?(offset: number, from: Uint8Array<ArrayBuffer>): void | Promise<void>;
  /** Returns when everything that was written is on its medium. */
  sync?(): void | Promise<void>;
  /** Nobody calls any more. */
  close?(): void | Promise<void>;
}

/**
 * What a module exports as `default` to be a store: this function, or the store itself.
 *
 * @param options What `workerStore` was given, as it arrived in the worker.
 */
// deno-lint-ignore no-explicit-any -- Each store has options of its own, and checks them itself.
export type OpenPageStore = (options: any) => PageStore | Promise<PageStore>;

/** What a page may fail with. */
export type StoreErrorCode =
  | "ENOENT"
  | "EIO"
  | "EACCES"
  | "EINVAL"
  | "EFBIG"
  | "ENOSPC"
  | "EROFS"
  | "ENODATA"
  | "EPROTO"
  | "EOPNOTSUPP"
  | "ECONNREFUSED"
  | "ETIMEDOUT"
  | "ESTALE";

/** Error numbers that a store may fail with, by name. */
export const storeErrorNumbers: Readonly<Record<StoreErrorCode, number>> = {
  ENOENT: 2,
  EIO: 5,
  EACCES: 13,
  EINVAL: 22,
  EFBIG: 27,
  ENOSPC: 28,
  EROFS: 30,
  ENODATA: 61,
  EPROTO: 71,
  EOPNOTSUPP: 95,
  ECONNREFUSED: 111,
  ETIMEDOUT: 110,
  ESTALE: 116,
};

/** Why a store cannot do what it was asked: in words, and as an error number. */
export class StoreError extends Error {
  /** Always `StoreError`. */
  override readonly name = "StoreError";

  /**
   * A refusal of a store.
   *
   * @param message What is the case, without "Cannot read": who asked says that.
   * @param code What the page fails with.
   * @param options `cause`: the layer below.
   */
  constructor(message: string, readonly code: StoreErrorCode = "EIO", options?: ErrorOptions) {
    super(message, options);
  }
}

/** The error number that a store's exception stands for. */
export function storeErrorNumber(error: unknown): number {
  if (error instanceof StoreError) return storeErrorNumbers[error.code];
  if (error instanceof Deno.errors.NotFound) return storeErrorNumbers.ENOENT;
  if (error instanceof Deno.errors.NotCapable || error instanceof Deno.errors.PermissionDenied) return storeErrorNumbers.EACCES;
  if (error instanceof Deno.errors.TimedOut) return storeErrorNumbers.ETIMEDOUT;
  if (error instanceof DOMException && error.name === "TimeoutError") return storeErrorNumbers.ETIMEDOUT;
  return storeErrorNumbers.EIO;
}
