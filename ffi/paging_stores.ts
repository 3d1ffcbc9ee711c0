import { check, errno, SysError } from "./errors.ts";
import { cstr, lazyLibrary } from "./library.ts";
import { struct } from "./struct.ts";

const storeLibrary = lazyLibrary({
  // int32_t nodeos_paging_store_file(const char *path, uint32_t flags, uint64_t offset, uint64_t bytes);
  nodeos_paging_store_file: { parameters: ["buffer", "u32", "u64", "u64"], result: "i32" },
  // int32_t nodeos_paging_store_parts(const uint8_t *parts, uint32_t count, const char *text, uint64_t text_size, uint32_t flags);
  nodeos_paging_store_parts: { parameters: ["buffer", "u32", "buffer", "u64", "u32"], result: "i32" },
  // int32_t nodeos_paging_store_sparse(const char *directory, uint32_t flags, uint64_t bytes, uint64_t granule);
  nodeos_paging_store_sparse: { parameters: ["buffer", "u32", "u64", "u64"], result: "i32" },
  // int32_t nodeos_paging_store_fits(const uint8_t *tiles, uint32_t count, const char *text, uint64_t text_size);
  nodeos_paging_store_fits: { parameters: ["buffer", "u32", "buffer", "u64"], result: "i32" },
  // int32_t nodeos_paging_store_compressed(int32_t below_handle, uint64_t bytes, uint64_t tier_bytes, int32_t level);
  nodeos_paging_store_compressed: { parameters: ["i32", "u64", "u64", "i32"], result: "i32" },
  // int32_t nodeos_paging_store_served(uint64_t bytes, uint32_t block_bytes, uint32_t flags, uint32_t limit_ms, int32_t *ret_server);
  nodeos_paging_store_served: { parameters: ["u64", "u32", "u32", "u32", "buffer"], result: "i32" },
  // int32_t nodeos_paging_store_facts(int32_t handle, uint8_t *ret_facts);
  nodeos_paging_store_facts: { parameters: ["i32", "buffer"], result: "i32" },
  // int32_t nodeos_paging_store_close(int32_t handle);
  nodeos_paging_store_close: { parameters: ["i32"], result: "i32" },
  // int32_t nodeos_served_next(int32_t server, int32_t wait_ms, struct nodeos_served_request *ret);
  nodeos_served_next: { parameters: ["i32", "i32", "buffer"], result: "i32" },
  // int32_t nodeos_served_release(int32_t server);
  nodeos_served_release: { parameters: ["i32"], result: "i32" },
});

const serverLibrary = lazyLibrary({
  // int32_t nodeos_served_next(int32_t server, int32_t wait_ms, struct nodeos_served_request *ret);
  nodeos_served_next: { parameters: ["i32", "i32", "buffer"], result: "i32" },
  nodeos_served_wait: { name: "nodeos_served_next", parameters: ["i32", "i32", "buffer"], result: "i32", nonblocking: true },
  // int32_t nodeos_served_take(int32_t server, uint64_t id, void *buffer, uint64_t bytes);
  nodeos_served_take: { parameters: ["i32", "u64", "buffer", "u64"], result: "i32" },
  // int32_t nodeos_served_answer(int32_t server, uint64_t id, int32_t error, const void *data, uint64_t bytes);
  nodeos_served_answer: { parameters: ["i32", "u64", "i32", "buffer", "u64"], result: "i32" },
  // int32_t nodeos_served_stop(int32_t server, int32_t error);
  nodeos_served_stop: { parameters: ["i32", "i32"], result: "i32" },
  // int32_t nodeos_paging_serve_here(int32_t server);
  nodeos_paging_serve_here: { parameters: ["i32"], result: "i32" },
});

/** `struct nodeos_flat_part`. */
export const PartLayout = struct({ path: "u64", file_offset: "u64", bytes: "u64" });

/** `struct nodeos_flat_tile`. */
export const TileLayout = struct({
  path: "u64",
  file_offset: "u64",
  count: "u64",
  bitpix: "i32",
  has_blank: "i32",
  blank: "i64",
  scale: "u64",
  zero: "u64",
});

/** `struct nodeos_flat_facts`. */
export const StoreFactsLayout = struct({ bytes: "u64", block_bytes: "u32", flags: "u32" });

/** `struct nodeos_served_request`. */
export const ServedRequestLayout = struct({ id: "u64", offset: "u64", bytes: "u64", operation: "u32", reserved: "u32" });

/** What a store may do; `NODEOS_STORE_*`. */
export const storeFlags = { write: 1, direct: 2, signalSafe: 4, create: 8 } as const;

/** Error numbers of stores that have their own meaning here. */
export const pagingErrno = { EBADF: 9, ESHUTDOWN: 108, ETIMEDOUT: 110, ESTALE: 116 } as const;

/**
 * Throws unless this program may read a file, and write it.
 *
 * The library opens files itself: what Deno would refuse, it would not. So it is asked first.
 */
function requireFile(path: string, write: boolean): void {
  for (const name of write ? ["read", "write"] as const : ["read"] as const) {
    if (Deno.permissions.querySync({ name, path }).state === "granted") continue;
    throw new Deno.errors.NotCapable(`Cannot page ${path}: this program has no permission to ${name} it (--allow-${name}=${path})`);
  }
}

/** Opens a part of a file as a store; `bytes` 0 is as far as the file goes. Returns the store's number. */
export function openFileStore(path: string, flags: number, offset: number, bytes: number): number {
  requireFile(path, (flags & storeFlags.write) !== 0);
  return check(storeLibrary().nodeos_paging_store_file(cstr(path), flags, BigInt(offset), BigInt(bytes)), () => `page ${path}`);
}

/** A part of a file. */
export interface StorePart {
  /** The file. */
  readonly path: string;
  /** Where in it the part begins; 0 when absent. */
  readonly fileOffsetBytes?: number;
  /** How long the part is. */
  readonly bytes: number;
}

/** Opens parts of files, one behind the other. */
export function openPartsStore(parts: readonly StorePart[], flags: number): number {
  for (const { path } of parts) requireFile(path, (flags & storeFlags.write) !== 0);
  const { text, offsets } = textOf(parts.map(({ path }) => path));
  const table = new Uint8Array(Math.max(1, parts.length) * PartLayout.size);
  parts.forEach(({ fileOffsetBytes = 0, bytes }, index) =>
    PartLayout.write(table, { path: offsets[index], file_offset: BigInt(fileOffsetBytes), bytes: BigInt(bytes) }, index * PartLayout.size)
  );
  return check(
    storeLibrary().nodeos_paging_store_parts(table, parts.length, text, BigInt(text.length), flags),
    () => `page ${parts.length} parts of files`,
  );
}

/** Opens a directory of files; `bytes` and `granuleBytes` 0 are those of one that is there. */
export function openSparseStore(directory: string, flags: number, bytes: number, granuleBytes: number): number {
  requireFile(directory, (flags & (storeFlags.write | storeFlags.create)) !== 0);
  return check(
    storeLibrary().nodeos_paging_store_sparse(cstr(directory), flags, BigInt(bytes), BigInt(granuleBytes)),
    () => `page the directory ${directory}`,
  );
}

/** An image of FITS: so many values of a file, which become 32-bit floats; `FitsTile` of `lib/fits/tile.ts`. */
export interface StoreTile {
  /** The file; `null` is a missing tile, all NaN. */
  readonly path: string | null;
  /** Where in it the values begin. */
  readonly fileOffsetBytes: number;
  /** How many values. */
  readonly count: number;
  /** Kind of the values, as FITS has it. */
  readonly bitpix: 8 | 16 | 32 | 64 | -32 | -64;
  /** The integer that stands for no value, which becomes NaN. */
  readonly blank: bigint | null;
  /** value = zero + scale * stored. */
  readonly scale: number;
  /** See `scale`. */
  readonly zero: number;
}

/** Opens images of FITS as one array of 32-bit floats. */
export function openFitsStore(tiles: readonly StoreTile[]): number {
  const paths = tiles.map(({ path }) => path);
  for (const path of new Set(paths)) if (path !== null) requireFile(path, false);
  const { text, offsets } = textOf(paths);
  const table = new Uint8Array(Math.max(1, tiles.length) * TileLayout.size);
  tiles.forEach(({ fileOffsetBytes, count, bitpix, blank, scale, zero }, index) =>
    TileLayout.write(table, {
      path: offsets[index],
      file_offset: BigInt(fileOffsetBytes),
      count: BigInt(count),
      bitpix,
      has_blank: blank === null ? 0 : 1,
      blank: blank ?? 0n,
      scale: bitsOf(scale),
      zero: bitsOf(zero),
    }, index * TileLayout.size)
  );
  return check(
    storeLibrary().nodeos_paging_store_fits(table, tiles.length, text, BigInt(text.length)),
    () => `page ${tiles.length} images of FITS`,
  );
}

function bitsOf(value: number): bigint {
  return new BigUint64Array(new Float64Array([value]).buffer)[0];
}

/** Paths in one text, and where each begins; no path is as far away as can be. */
function textOf(paths: readonly (string | null)[]): { text: Uint8Array<ArrayBuffer>; offsets: bigint[] } {
  const known = new Map<string, bigint>();
  const parts: Uint8Array[] = [];
  let end = 0;
  const offsets = paths.map((path) => {
    if (path === null) return 2n ** 64n - 1n;
    const before = known.get(path);
    if (before !== undefined) return before;
    const part = cstr(path);
    const at = BigInt(end);
    known.set(path, at);
    parts.push(part);
    end += part.length;
    return at;
  });
  const text = new Uint8Array(Math.max(1, end));
  let at = 0;
  for (const part of parts) {
    text.set(part, at);
    at += part.length;
  }
  return { text, offsets };
}

/** Puts a tier of compressed memory above a store, whose number is gone; `below` -1 is memory alone, of `bytes`. */
export function openCompressedStore(below: number, bytes: number, tierBytes: number, level: number): number {
  return check(
    storeLibrary().nodeos_paging_store_compressed(below, BigInt(bytes), BigInt(tierBytes), level),
    () => `make a tier of ${tierBytes} bytes of compressed memory`,
  );
}

/** What an open store is. */
export function storeFacts(store: number): { readonly bytes: number; readonly isWritable: boolean } {
  const facts = new Uint8Array(StoreFactsLayout.size);
  check(storeLibrary().nodeos_paging_store_facts(store, facts), () => `look at store ${store}`);
  const { bytes, flags } = StoreFactsLayout.read(facts);
  return { bytes: Number(bytes), isWritable: (flags & storeFlags.write) !== 0 };
}

/** Ends a store that no region has taken. */
export function closeStore(store: number): void {
  check(storeLibrary().nodeos_paging_store_close(store), () => `close store ${store}`);
}

/** Makes a store that other threads of this process serve: its number, and that of its server. */
export function openServedStore(
  bytes: number,
  { blockBytes, flags, limitMs }: { blockBytes: number; flags: number; limitMs: number },
): { readonly store: number; readonly server: number } {
  const server = new Int32Array(1);
  const store = check(
    storeLibrary().nodeos_paging_store_served(BigInt(bytes), blockBytes, flags, limitMs, server),
    () => `make a store of ${bytes} bytes that a worker serves`,
  );
  return { store, server: server[0] };
}

/** Whether those who served have failed, and a server's store with them. */
export function hasServerFailed(server: number): boolean {
  const result = storeLibrary().nodeos_served_next(server, 0, new Uint8Array(ServedRequestLayout.size));
  return result < 0 && result !== -pagingErrno.ETIMEDOUT && !shutdowns.includes(-result);
}

/** Ends a server: its store fails from now on, and nobody waits any more. Again does nothing. */
export function releaseServer(server: number): void {
  const result = storeLibrary().nodeos_served_release(server);
  if (result !== -pagingErrno.EBADF) check(result, () => `end server ${server}`);
}

/** What a store is asked for. */
export interface ServedRequest {
  /** Which request; answers name it. */
  readonly id: bigint;
  /** What is wanted. */
  readonly operation: "read" | "write" | "sync";
  /** Where in the store it begins, in bytes. */
  readonly offset: number;
  /** How much, 1 MiB at most; 0 for `sync`. */
  readonly bytes: number;
}

const operations = { 1: "read", 2: "write", 3: "sync" } as const;
/** A worker that ends is not ended before such a wait is over. */
const waitMs = 2_000;

const shutdowns: readonly number[] = [pagingErrno.EBADF, pagingErrno.ESHUTDOWN, errno.ECANCELED];

/**
 * Waits for a request to a server without holding the thread.
 *
 * @param briefly First waits a millisecond in the thread itself: who just asked asks again soon.
 * @returns `null` when none will come any more.
 */
export async function nextRequest(server: number, briefly: boolean): Promise<ServedRequest | null> {
  const buffer = new Uint8Array(ServedRequestLayout.size);
  let result = briefly ? serverLibrary().nodeos_served_next(server, 1, buffer) : -pagingErrno.ETIMEDOUT;
  while (result === -pagingErrno.ETIMEDOUT || result === -errno.EINTR) {
    result = await serverLibrary().nodeos_served_wait(server, waitMs, buffer);
  }
  if (result < 0) {
    if (shutdowns.includes(-result)) return null;
    throw new SysError("wait for requests to a store", -result);
  }
  const { id, offset, bytes, operation } = ServedRequestLayout.read(buffer);
  return { id, operation: operations[operation as keyof typeof operations], offset: Number(offset), bytes: Number(bytes) };
}

/** Copies what a request writes into `into`; false when who asked has gone. */
export function takeRequest(server: number, { id }: ServedRequest, into: Uint8Array<ArrayBuffer>): boolean {
  const result = serverLibrary().nodeos_served_take(server, id, into, BigInt(into.length));
  if (result === -pagingErrno.ESTALE || shutdowns.includes(-result)) return false;
  check(result, () => `take ${into.length} bytes that are written to a store`);
  return true;
}

const nothing = new Uint8Array(0);

/** Answers a request: with the data of a read, or with an error number, positive, that the page fails with. */
export function answerRequest(server: number, { id }: ServedRequest, error: number, data: Uint8Array<ArrayBuffer> = nothing): void {
  const result = serverLibrary().nodeos_served_answer(server, id, 0 - error, data, BigInt(data.length));
  if (result === -pagingErrno.ESTALE || shutdowns.includes(-result)) return;
  check(result, () => `answer request ${id} to a store`);
}

/** This thread answers for a server: when it ends, however that is, all requests fail with EIO; -1 is for none any more. */
export function serveHere(server: number): void {
  check(serverLibrary().nodeos_paging_serve_here(server), () => "answer for a store in this thread");
}

/** All requests to a server fail with an error number, positive: those that wait, and those to come. */
export function stopServer(server: number, error: number): void {
  serverLibrary().nodeos_served_stop(server, 0 - error);
}
