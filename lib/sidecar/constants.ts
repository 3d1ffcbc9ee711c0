import { didYouMean } from "../errors.ts";
import type { Architecture } from "../syscall/arch.ts";

/** What both architectures have. */
const common: Readonly<Record<string, number>> = {
  O_RDONLY: 0,
  O_WRONLY: 0o1,
  O_RDWR: 0o2,
  O_ACCMODE: 0o3,
  O_CREAT: 0o100,
  O_EXCL: 0o200,
  O_NOCTTY: 0o400,
  O_TRUNC: 0o1000,
  O_APPEND: 0o2000,
  O_NONBLOCK: 0o4000,
  O_NDELAY: 0o4000,
  O_DSYNC: 0o10000,
  O_ASYNC: 0o20000,
  O_NOATIME: 0o1000000,
  O_CLOEXEC: 0o2000000,
  O_SYNC: 0o4010000,
  O_PATH: 0o10000000,

  AT_FDCWD: -100,
  AT_SYMLINK_NOFOLLOW: 0x100,
  AT_EACCESS: 0x200,
  AT_REMOVEDIR: 0x200,
  AT_SYMLINK_FOLLOW: 0x400,
  AT_NO_AUTOMOUNT: 0x800,
  AT_EMPTY_PATH: 0x1000,
  AT_STATX_SYNC_AS_STAT: 0,
  AT_STATX_FORCE_SYNC: 0x2000,
  AT_STATX_DONT_SYNC: 0x4000,

  S_IFMT: 0o170000,
  S_IFSOCK: 0o140000,
  S_IFLNK: 0o120000,
  S_IFREG: 0o100000,
  S_IFBLK: 0o060000,
  S_IFDIR: 0o040000,
  S_IFCHR: 0o020000,
  S_IFIFO: 0o010000,
  S_ISUID: 0o4000,
  S_ISGID: 0o2000,
  S_ISVTX: 0o1000,
  S_IRWXU: 0o700,
  S_IRUSR: 0o400,
  S_IWUSR: 0o200,
  S_IXUSR: 0o100,
  S_IRWXG: 0o070,
  S_IRGRP: 0o040,
  S_IWGRP: 0o020,
  S_IXGRP: 0o010,
  S_IRWXO: 0o007,
  S_IROTH: 0o004,
  S_IWOTH: 0o002,
  S_IXOTH: 0o001,

  F_OK: 0,
  X_OK: 1,
  W_OK: 2,
  R_OK: 4,
  SEEK_SET: 0,
  SEEK_CUR: 1,
  SEEK_END: 2,
  SEEK_DATA: 3,
  SEEK_HOLE: 4,
  LOCK_SH: 1,
  LOCK_EX: 2,
  LOCK_NB: 4,
  LOCK_UN: 8,
  RENAME_NOREPLACE: 1,
  RENAME_EXCHANGE: 2,
  RENAME_WHITEOUT: 4,
  XATTR_CREATE: 1,
  XATTR_REPLACE: 2,

  FALLOC_FL_KEEP_SIZE: 0x01,
  FALLOC_FL_PUNCH_HOLE: 0x02,
  FALLOC_FL_COLLAPSE_RANGE: 0x08,
  FALLOC_FL_ZERO_RANGE: 0x10,
  FALLOC_FL_INSERT_RANGE: 0x20,
  FALLOC_FL_UNSHARE_RANGE: 0x40,
  POSIX_FADV_NORMAL: 0,
  POSIX_FADV_RANDOM: 1,
  POSIX_FADV_SEQUENTIAL: 2,
  POSIX_FADV_WILLNEED: 3,
  POSIX_FADV_DONTNEED: 4,
  POSIX_FADV_NOREUSE: 5,
  SYNC_FILE_RANGE_WAIT_BEFORE: 1,
  SYNC_FILE_RANGE_WRITE: 2,
  SYNC_FILE_RANGE_WAIT_AFTER: 4,

  MFD_CLOEXEC: 1,
  MFD_ALLOW_SEALING: 2,
  MFD_HUGETLB: 4,
  GRND_NONBLOCK: 1,
  GRND_RANDOM: 2,
  CLOCK_REALTIME: 0,
  CLOCK_MONOTONIC: 1,
  UTIME_NOW: 0x3fffffff,
  UTIME_OMIT: 0x3ffffffe,

  STATX_TYPE: 0x0001,
  STATX_MODE: 0x0002,
  STATX_NLINK: 0x0004,
  STATX_UID: 0x0008,
  STATX_GID: 0x0010,
  STATX_ATIME: 0x0020,
  STATX_MTIME: 0x0040,
  STATX_CTIME: 0x0080,
  STATX_INO: 0x0100,
  STATX_SIZE: 0x0200,
  STATX_BLOCKS: 0x0400,
  STATX_BASIC_STATS: 0x07ff,
  STATX_BTIME: 0x0800,
  STATX_MNT_ID: 0x1000,
  STATX_DIOALIGN: 0x2000,

  RESOLVE_NO_XDEV: 0x01,
  RESOLVE_NO_MAGICLINKS: 0x02,
  RESOLVE_NO_SYMLINKS: 0x04,
  RESOLVE_BENEATH: 0x08,
  RESOLVE_IN_ROOT: 0x10,
  RESOLVE_CACHED: 0x20,
};

/** What the kernel numbers by machine. */
const own: Readonly<Record<Architecture, Readonly<Record<string, number>>>> = {
  x86_64: { O_DIRECT: 0o40000, O_LARGEFILE: 0o100000, O_DIRECTORY: 0o200000, O_NOFOLLOW: 0o400000, O_TMPFILE: 0o20200000 },
  aarch64: { O_DIRECTORY: 0o40000, O_NOFOLLOW: 0o100000, O_DIRECT: 0o200000, O_LARGEFILE: 0o400000, O_TMPFILE: 0o20040000 },
};

/** The symbolic constants of an architecture by name, as C programs write them. */
export const constants: Readonly<Record<Architecture, ReadonlyMap<string, number>>> = {
  x86_64: new Map(Object.entries({ ...common, ...own.x86_64 })),
  aarch64: new Map(Object.entries({ ...common, ...own.aarch64 })),
};

/** Sums are cached: a runtime asks for the same few flags again and again. Bounded, because clients choose the words. */
const known: Record<Architecture, Map<string, number>> = { x86_64: new Map(), aarch64: new Map() };
const knownMax = 256;

/**
 * Reads an integer as text: `O_RDONLY|O_CLOEXEC`, `0644` or `0o644`, `0x1ff`, `-1`, or terms of these with `|` between. Names may be
 * in small letters.
 *
 * @returns A number where that is exact, a bigint otherwise.
 * @throws {RangeError} If a term is none of these, or does not fit 64 bits.
 *
 * @example Usage
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseInteger } from "./constants.ts";
 *
 * assert.equal(parseInteger("O_WRONLY|O_CREAT", "x86_64"), 0o101);
 * assert.equal(parseInteger("at_fdcwd", "x86_64"), -100);
 * assert.throws(() => parseInteger("O_RDONLI", "x86_64"), /did you mean "O_RDONLY"\?/);
 * ```
 */
export function parseInteger(text: string, architecture: Architecture): number | bigint {
  const cache = known[architecture];
  const cached = cache.get(text);
  if (cached !== undefined) return cached;
  let sum = 0n;
  for (const term of text.split("|")) sum |= parseTerm(term.trim(), architecture);
  const value = Number(sum);
  if (!Number.isSafeInteger(value)) return sum;
  if (cache.size >= knownMax) cache.clear();
  cache.set(text, value);
  return value;
}

function parseTerm(term: string, architecture: Architecture): bigint {
  if (/^(?:-?(?:0|[1-9]\d{0,19})|0[xX][0-9a-fA-F]{1,16}|0[oO]?[0-7]{1,22})$/.test(term)) {
    // A mode such as 0644 is octal, as in C.
    const value = BigInt(term.replace(/^0(?=\d)/, "0o"));
    if (value >= -(2n ** 63n) && value < 2n ** 64n) return value;
    throw new RangeError(`${term} does not fit 64 bits`);
  }
  const table = constants[architecture];
  const value = table.get(term) ?? table.get(term.toUpperCase());
  if (value !== undefined) return BigInt(value);
  throw new RangeError(`${JSON.stringify(term.slice(0, 64))} is no number and no constant${didYouMean(term.slice(0, 64), table.keys())}`);
}
