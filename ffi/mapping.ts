import { check, errno, SysError } from "./errors.ts";
import { cstr, lazyLibrary } from "./library.ts";

const library = lazyLibrary({
  // int32_t nodeos_memory_list(const char *path, uint8_t *ret_names, int32_t size);
  nodeos_memory_list: { parameters: ["buffer", "buffer", "i32"], result: "i32" },
  // int32_t nodeos_map_object(const char *path, int64_t offset, int64_t bytes, uint64_t *ret_address);
  nodeos_map_object: { parameters: ["buffer", "i64", "i64", "buffer"], result: "i32" },
  // int32_t nodeos_map_huge(int64_t bytes, int32_t page_shift, uint64_t *ret_address);
  nodeos_map_huge: { parameters: ["i64", "i32", "buffer"], result: "i32" },
  // int32_t nodeos_unmap(uint64_t address, int64_t bytes);
  nodeos_unmap: { parameters: ["u64", "i64"], result: "i32" },
});

/**
 * Memory that this process has mapped, as a buffer.
 *
 * Disposing it detaches the buffer, as well as all arrays over it, and then gives the memory back: from then on they have
 * no bytes, and nothing can reach what is not there any more. A buffer that was transferred (to a worker, say) is
 * somebody else's: its memory then stays until the process ends.
 */
export class MappedMemory implements Disposable {
  /** The memory. That of an object is shared with whoever maps it, too. */
  readonly buffer: ArrayBuffer;
  #address: bigint;
  readonly #mappedBytes: number;

  /**
   * Takes memory that {@link mapFile} or {@link mapHugePages} mapped.
   *
   * @param bytes Size of the buffer.
   * @param mappedBytes The same in whole pages, as it was mapped.
   */
  constructor(address: bigint, readonly bytes: number, mappedBytes: number) {
    this.#address = address;
    this.#mappedBytes = mappedBytes;
    this.buffer = Deno.UnsafePointerView.getArrayBuffer(Deno.UnsafePointer.create(address)!, bytes);
  }

  /** Gives the memory back; again does nothing. */
  [Symbol.dispose](): void {
    const address = this.#address;
    this.#address = 0n;
    if (address === 0n || this.buffer.detached) return;
    // What this returns is reachable by nobody.
    this.buffer.transfer();
    check(library().nodeos_unmap(address, BigInt(this.#mappedBytes)), () => `give back ${this.#mappedBytes} mapped bytes`);
  }
}

/**
 * Throws unless this process may turn addresses into buffers, which is to say: read and write all of its memory. A
 * permission for some libraries only does not do.
 *
 * @throws {Deno.errors.NotCapable} If it may not.
 */
function requirePermission(action: string): void {
  if (Deno.permissions.querySync({ name: "ffi" }).state === "granted") return;
  throw new Deno.errors.NotCapable(
    `Cannot ${action}: a buffer over mapped memory needs --allow-ffi without a path, and this program was started with less`,
  );
}

/** Names in a directory below `/run/nodeos/memory`, ascending; `[]` when it is not there, or cannot be looked into. */
export function listMemory(path: string): { readonly name: string; readonly kind: "directory" | "link" | "file" }[] {
  const names = new Uint8Array(64 * 1024);
  const length = library().nodeos_memory_list(cstr(path), names, names.length);
  if (length === -errno.ENOENT || length === -errno.ENOTDIR || length === -errno.EACCES) return [];
  check(length, () => `list ${path}`);
  const entries = new TextDecoder().decode(names.subarray(0, length)).split("\0").filter(Boolean);
  return entries.map((entry) => ({ name: entry.slice(1), kind: kinds[entry[0]] })).sort((a, b) => a.name < b.name ? -1 : 1);
}

const kinds: Readonly<Record<string, "directory" | "link" | "file">> = { d: "directory", l: "link", f: "file" };

/**
 * Maps a file below `/run/nodeos/memory`, or the device that a link there leads to, to read and write.
 *
 * @param offset Where the part of it begins, a multiple of its pages.
 * @param bytes How much; no more than there is.
 * @throws {Deno.errors.NotCapable} Without `--allow-ffi` for everything, {SysError} if the kernel refuses.
 */
export function mapFile(path: string, offset: number, bytes: number): MappedMemory {
  requirePermission(`map ${path}`);
  const address = new BigUint64Array(1);
  check(
    library().nodeos_map_object(cstr(path), BigInt(offset), BigInt(bytes), address),
    () => `map ${bytes} bytes of ${path} from ${offset} on`,
  );
  return new MappedMemory(address[0], bytes, bytes);
}

/**
 * Maps huge pages for this process alone, all of them there and zeroed; a child that it forks gets copies.
 *
 * @param bytes How much; rounded up to whole pages.
 * @param pageBytes Size of one page, a power of two.
 * @throws {Deno.errors.NotCapable} Without `--allow-ffi` for everything, {SysError} if there are too few (`ENOMEM`).
 */
export function mapHugePages(bytes: number, pageBytes: number): MappedMemory {
  requirePermission(`map huge pages`);
  const shift = Math.log2(pageBytes);
  if (!Number.isInteger(shift)) throw new SysError(`map pages of ${pageBytes} bytes`, errno.EINVAL);
  const mappedBytes = Math.ceil(bytes / pageBytes) * pageBytes;
  const address = new BigUint64Array(1);
  check(library().nodeos_map_huge(BigInt(mappedBytes), shift, address), () => `map ${bytes} bytes in huge pages of ${pageBytes}`);
  return new MappedMemory(address[0], bytes, mappedBytes);
}
