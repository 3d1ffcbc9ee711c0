import { type StorePart } from "../../ffi/paging_stores.ts";
import type { FitsTile } from "../fits/tile.ts";

/** A store, described as data: {@link Region.map} opens it. */
export type StoreDescription =
  | FileStoreDescription
  | PartsStoreDescription
  | SparseStoreDescription
  | FitsStoreDescription
  | ObjectStoreDescription
  | CompressedStoreDescription
  | WorkerStoreDescription;

/** How a file is used. */
export interface FileStoreOptions {
  /** What is written to the region goes back to the file. */
  readonly write?: boolean;
  /** Past the page cache of the kernel (O_DIRECT). */
  readonly direct?: boolean;
  /** Makes a file that is not there, and a longer one of one that is shorter than `offset` and `bytes` say; with `write`. */
  readonly create?: boolean;
  /** Where in the file the store begins, in bytes; 0 when absent. */
  readonly offset?: number;
  /** How long the store is; up to the end of the file when absent. */
  readonly bytes?: number;
}

/** See {@link fileStore}. */
export interface FileStoreDescription extends FileStoreOptions {
  /** Which kind of store. */
  readonly kind: "file";
  /** The file. */
  readonly path: string;
}

/** A file, or a part of it. Needs `--allow-read` of it, with `write` also `--allow-write`. */
export function fileStore(path: string | URL, options: FileStoreOptions = {}): FileStoreDescription {
  return { kind: "file", path: pathOf(path), ...options };
}

/** See {@link partsStore}. */
export interface PartsStoreDescription {
  /** Which kind of store. */
  readonly kind: "parts";
  /** The parts, in order. */
  readonly parts: readonly StorePart[];
  /** What is written to the region goes back to the files. */
  readonly write?: boolean;
  /** Past the page cache of the kernel (O_DIRECT). */
  readonly direct?: boolean;
}

/** Parts of files, one behind the other. */
export function partsStore(
  parts: readonly StorePart[],
  options: Pick<FileStoreOptions, "write" | "direct"> = {},
): PartsStoreDescription {
  return { kind: "parts", parts, ...options };
}

/** How a directory is used as a store. */
export interface SparseStoreOptions {
  /** What is written to the region goes to files of the directory. */
  readonly write?: boolean;
  /** Makes one that is not there, of `bytes` in files of `granuleBytes` each. */
  readonly create?: boolean;
  /** How much the store holds; needed with `create`. */
  readonly bytes?: number;
  /** How much each file holds; needed with `create`. */
  readonly granuleBytes?: number;
}

/** See {@link sparseStore}. */
export interface SparseStoreDescription extends SparseStoreOptions {
  /** Which kind of store. */
  readonly kind: "sparse";
  /** The directory. */
  readonly directory: string;
}

/** A directory of files, each made when it is first written; what no file has is zeroes. */
export function sparseStore(directory: string | URL, options: SparseStoreOptions = {}): SparseStoreDescription {
  return { kind: "sparse", directory: pathOf(directory), ...options };
}

/** See {@link fitsStore}. */
export interface FitsStoreDescription {
  /** Which kind of store. */
  readonly kind: "fits";
  /** The images, in order. */
  readonly tiles: readonly FitsTile[];
}

/** Images of FITS files, one behind the other, as 32-bit floats of this machine. What is blank or missing is NaN. Read only. */
export function fitsStore(tiles: readonly FitsTile[]): FitsStoreDescription {
  return { kind: "fits", tiles };
}

/** See {@link objectStore}. */
export interface ObjectStoreDescription extends Pick<FileStoreOptions, "write" | "offset" | "bytes"> {
  /** Which kind of store. */
  readonly kind: "object";
  /** Name of the container whose object it is. */
  readonly container: string;
  /** Name of the object. */
  readonly object: string;
}

/**
 * An object in the memory of a container, ours or another one: pages are copied between it and the region. Whoever wants the
 * memory itself takes `mapObject`. Needs `--allow-read=/run/nodeos/memory`, with `write` also `--allow-write` of it.
 */
export function objectStore(
  container: string,
  object: string,
  options: Pick<FileStoreOptions, "write" | "offset" | "bytes"> = {},
): ObjectStoreDescription {
  return { kind: "object", container, object, ...options };
}

/** How much memory compressed pages may have. */
export interface CompressedStoreOptions {
  /** The most memory for compressed pages. */
  readonly tierBytes: number;
  /** How hard zstd tries, 1 to 19; 1 when absent. */
  readonly level?: number;
}

/** See {@link compressedStore}. */
export interface CompressedStoreDescription extends CompressedStoreOptions {
  /** Which kind of store. */
  readonly kind: "compressed";
  /** The store below the tier, or how many bytes there are without one. */
  readonly below: StoreDescription | number;
}

/**
 * A tier of compressed memory: what is evicted stays there before it is written to the store below.
 *
 * @param below The store below, or a number of bytes: then there is none, and all of it has to fit into the tier.
 */
export function compressedStore(below: StoreDescription | number, options: CompressedStoreOptions): CompressedStoreDescription {
  return { kind: "compressed", below, ...options };
}

/** How a store in TypeScript is run. */
export interface WorkerStoreOptions {
  /** What the module's function is given; has to be cloneable. */
  readonly options?: unknown;
  /** How many workers, each with a store of its own; 1 when absent. */
  readonly workers?: number;
  /** How many requests each worker carries out at the same time; 1 when absent. More pays for stores that wait for others. */
  readonly parallel?: number;
  /** Who waits longer for a page gets ETIMEDOUT; 60000 when absent. */
  readonly limitMs?: number;
  /** What is written to the region goes to the store, which has to have `write`. */
  readonly write?: boolean;
}

/** See {@link workerStore}. */
export interface WorkerStoreDescription extends WorkerStoreOptions {
  /** Which kind of store. */
  readonly kind: "worker";
  /** URL of the module. */
  readonly module: string;
  /** What it is called in messages; the module when absent. */
  readonly name?: string;
}

/**
 * A store in TypeScript, run by workers: a thread that touches a page waits for them, and be it the main one.
 *
 * The store must not touch the region that it serves, nor wait for the main thread. Needs `--allow-read` of the module.
 *
 * @param module Module whose default export is a `PageStore`, or a function that gives one; relative URLs need `import.meta.url`.
 */
export function workerStore(module: string | URL, options: WorkerStoreOptions = {}): WorkerStoreDescription {
  return { kind: "worker", module: String(module), ...options };
}

/** How a file is read from a web server. */
export interface HttpStoreOptions {
  /** Headers of every request, such as `authorization`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** A request that takes longer is given up; 10000 when absent. It is tried once more. */
  readonly timeoutMs?: number;
  /** How many requests at the same time; 4 when absent. */
  readonly parallel?: number;
}

/**
 * A file on a web server, read in ranges. Read only. A file that changes meanwhile is an error (ESTALE) of the pages that are
 * read afterwards. Needs `--allow-net` of the server, and `--allow-read` of this package.
 */
export function httpStore(url: string | URL, { headers, timeoutMs = 10_000, parallel = 4 }: HttpStoreOptions = {}): WorkerStoreDescription {
  return {
    kind: "worker",
    module: new URL("./http_store.ts", import.meta.url).href,
    name: String(url),
    options: { url: String(url), headers, timeoutMs },
    parallel,
    // Two tries, and what comes before it in the queue.
    limitMs: 4 * timeoutMs + 1_000,
  };
}

/** What a store is called in messages. */
export function storeName(store: StoreDescription): string {
  switch (store.kind) {
    case "file":
      return store.path;
    case "parts":
      return store.parts.length === 1 ? store.parts[0].path : `${store.parts.length} parts of files`;
    case "sparse":
      return store.directory;
    case "fits":
      return store.tiles.length === 1 ? store.tiles[0].path ?? "a missing image" : `${store.tiles.length} images of FITS`;
    case "object":
      return `object ${store.object} of container ${store.container}`;
    case "compressed":
      return typeof store.below === "number" ? "compressed memory" : `${storeName(store.below)}, compressed`;
    case "worker":
      return store.name ?? store.module;
  }
}

function pathOf(path: string | URL): string {
  return typeof path === "string" ? path : decodeURIComponent(new URL(path).pathname);
}
