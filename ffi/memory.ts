import { check, errno } from "./errors.ts";
import { cstr, lazyLibrary } from "./library.ts";

const library = lazyLibrary({
  // int32_t nodeos_memory_mount(const char *path, const char *type, const char *options);
  nodeos_memory_mount: { parameters: ["buffer", "buffer", "buffer"], result: "i32" },
  // int32_t nodeos_memory_remount(const char *path, const char *options);
  nodeos_memory_remount: { parameters: ["buffer", "buffer"], result: "i32" },
  // int32_t nodeos_memory_unmount(const char *path, int32_t detach);
  nodeos_memory_unmount: { parameters: ["buffer", "i32"], result: "i32" },
  // int32_t nodeos_memory_stat(const char *path, int64_t *ret_facts);
  nodeos_memory_stat: { parameters: ["buffer", "buffer"], result: "i32" },
  // int32_t nodeos_memory_populate(const char *path, int64_t from, int64_t to, int64_t keep, int32_t node, uint32_t uid,
  //                                uint32_t gid, const char *cgroups);
  nodeos_memory_populate: { parameters: ["buffer", "i64", "i64", "i64", "i32", "u32", "u32", "buffer"], result: "i32" },
  // int32_t nodeos_memory_shrink(const char *path, int64_t bytes, uint32_t uid, uint32_t gid);
  nodeos_memory_shrink: { parameters: ["buffer", "i64", "u32", "u32"], result: "i32" },
  // int32_t nodeos_memory_remove(const char *path);
  nodeos_memory_remove: { parameters: ["buffer"], result: "i32" },
  // int32_t nodeos_memory_link(const char *path, const char *device);
  nodeos_memory_link: { parameters: ["buffer", "buffer"], result: "i32" },
  // int32_t nodeos_memory_target(const char *path, uint8_t *ret_target, int32_t size);
  nodeos_memory_target: { parameters: ["buffer", "buffer", "i32"], result: "i32" },
  // int32_t nodeos_memory_own(const char *device, int64_t zero_bytes, uint32_t uid, uint32_t gid);
  nodeos_memory_own: { parameters: ["buffer", "i64", "u32", "u32"], result: "i32" },
  // int32_t nodeos_memory_text(const char *path, uint8_t *ret_text, int32_t size);
  nodeos_memory_text: { parameters: ["buffer", "buffer", "i32"], result: "i32" },
  // int32_t nodeos_memory_set_text(const char *path, const char *text);
  nodeos_memory_set_text: { parameters: ["buffer", "buffer"], result: "i32" },
});

/** A user and a group, by their numbers. */
export interface FileOwner {
  /** The user. */
  readonly uid: number;
  /** The group. */
  readonly gid: number;
}

/** A file of memory, or a device of memory. */
export interface MemoryFile extends FileOwner {
  /** Where it ends; 0 for a device. */
  readonly bytes: number;
  /** How much memory it has. */
  readonly allocatedBytes: number;
  /** Its permission bits. */
  readonly mode: number;
  /** Size of one page of it. */
  readonly pageBytes: number;
  /** Its file system as `/proc/PID/maps` writes it, such as `00:1b`. */
  readonly device: string;
  /** Its number there. */
  readonly inode: number;
}

/** What memory is handed out on a machine, below `/run/nodeos/memory`; paths are absolute. */
export interface MemoryFiles {
  /** What a file, or a device `/dev/daxN.M`, is like; `null` when it is not there, or is a link or a directory. */
  file(path: string): MemoryFile | null;
  /** Where a symbolic link leads; `null` when there is none. */
  target(path: string): string | null;
  /** Whether there is a directory. */
  isDirectory(path: string): boolean;
  /** The text of a small file; `null` when it is not there. */
  text(path: string): string | null;
}

/** Which bytes of a file are to be allocated, and by whom. */
export interface PopulateRequest extends FileOwner {
  /** The first byte; `null` makes the file. */
  readonly fromBytes: number | null;
  /** Where the file then ends; a multiple of its pages. */
  readonly toBytes: number;
  /** Where the file is cut off when it fails; `null` removes it. */
  readonly keepBytes: number | null;
  /** The NUMA node that all of it has to come from; -1 is any. */
  readonly node: number;
  /** Files of the cgroups that it is counted for, `cgroup.procs` or `tasks`. */
  readonly cgroups: readonly string[];
}

/** Hands out memory. Only `lib/plan/` may call these: everything else makes steps. All throw a `SysError` when refused. */
export interface MemoryWriter {
  /** Makes a directory and mounts a file system on it: `tmpfs` or `hugetlbfs`, with options as mount(8) has them. */
  mount(path: string, type: string, options: string): void;
  /** Gives a mounted one other options. */
  remount(path: string, options: string): void;
  /** Unmounts it, and removes the directory; with `detach` even if files of it are open. Those above go when they are empty. */
  unmount(path: string, detach?: "detach"): void;
  /** Allocates memory of a file, in a process of its own. What is there stays; the whole file is what it was when it fails. */
  populate(path: string, request: PopulateRequest): void;
  /** Cuts a file off, and gives it to somebody. */
  shrink(path: string, bytes: number, owner: FileOwner): void;
  /** Removes a file or a link. The memory is free at once. */
  remove(path: string): void;
  /** Makes a symbolic link to a device. */
  link(path: string, device: string): void;
  /** Fills the first bytes of a device with zeroes, and gives it to somebody. */
  own(device: string, zeroBytes: number, owner: FileOwner): void;
  /** Replaces a small file that programs read, or makes it; `null` removes it. Waits as long as one has it locked, up to 10 s. */
  setText(path: string, text: string | null): void;
}

const typeBits = 0o170000;
const directoryBits = 0o040000;
const linkBits = 0o120000;
const absent: readonly number[] = [-errno.ENOENT, -errno.ENOTDIR, -errno.EACCES];

/** What a path is: 9 numbers, or `null` when there is nothing. */
function factsOf(path: string): bigint[] | null {
  const facts = new BigInt64Array(9);
  const result = library().nodeos_memory_stat(cstr(path), facts);
  if (absent.includes(result)) return null;
  check(result, () => `look at ${path}`);
  return [...facts];
}

const hex = (number: bigint) => number.toString(16).padStart(2, "0");

/** Memory of the running machine. Needs `--allow-ffi` of the library, and to change something, root. */
export const runningMemory: MemoryFiles & MemoryWriter = {
  file(path) {
    const facts = factsOf(path);
    if (facts === null) return null;
    const [bytes, allocatedBytes, uid, gid, mode, pageBytes] = facts.map(Number);
    if ((mode & typeBits) === directoryBits || (mode & typeBits) === linkBits) return null;
    const device = `${hex(facts[6])}:${hex(facts[7])}`;
    return { bytes, allocatedBytes, uid, gid, mode: mode & ~typeBits, pageBytes, device, inode: Number(facts[8]) };
  },
  target(path) {
    const text = new Uint8Array(4096);
    const length = library().nodeos_memory_target(cstr(path), text, text.length);
    if (absent.includes(length) || length === -errno.EINVAL) return null;
    check(length, () => `read the link ${path}`);
    return new TextDecoder().decode(text.subarray(0, length));
  },
  isDirectory(path) {
    const facts = factsOf(path);
    return facts !== null && (Number(facts[4]) & typeBits) === directoryBits;
  },
  text(path) {
    const text = new Uint8Array(1 << 16);
    const length = library().nodeos_memory_text(cstr(path), text, text.length);
    if (absent.includes(length) || length === -errno.EINVAL) return null;
    check(length, () => `read ${path}`);
    return new TextDecoder().decode(text.subarray(0, length));
  },
  mount(path, type, options) {
    check(library().nodeos_memory_mount(cstr(path), cstr(type), cstr(options)), () => `mount ${type} (${options}) on ${path}`);
  },
  remount(path, options) {
    check(library().nodeos_memory_remount(cstr(path), cstr(options)), () => `give ${path} the options ${options}`);
  },
  unmount(path, detach) {
    check(library().nodeos_memory_unmount(cstr(path), detach ? 1 : 0), () => `unmount ${path}`);
  },
  populate(path, { fromBytes, toBytes, keepBytes, node, uid, gid, cgroups }) {
    const [from, to, keep] = [fromBytes ?? -1, toBytes, keepBytes ?? -1].map(BigInt);
    const joined = cstrs(cgroups);
    check(
      library().nodeos_memory_populate(cstr(path), from, to, keep, node, uid, gid, joined),
      () => `allocate ${toBytes - (fromBytes ?? 0)} bytes of ${path}`,
    );
  },
  shrink(path, bytes, { uid, gid }) {
    check(library().nodeos_memory_shrink(cstr(path), BigInt(bytes), uid, gid), () => `cut ${path} off at ${bytes} bytes for ${uid}:${gid}`);
  },
  remove(path) {
    check(library().nodeos_memory_remove(cstr(path)), () => `remove ${path}`);
  },
  link(path, device) {
    check(library().nodeos_memory_link(cstr(path), cstr(device)), () => `make the link ${path} to ${device}`);
  },
  own(device, zeroBytes, { uid, gid }) {
    check(library().nodeos_memory_own(cstr(device), BigInt(zeroBytes), uid, gid), () => `give ${device} to ${uid}:${gid}`);
  },
  setText(path, text) {
    check(library().nodeos_memory_set_text(cstr(path), cstr(text ?? "")), () => text === null ? `remove ${path}` : `write ${path}`);
  },
};

/** C strings one behind the other, ended by an empty one. */
function cstrs(texts: readonly string[]): Uint8Array<ArrayBuffer> {
  const parts = texts.map(cstr);
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 1));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
