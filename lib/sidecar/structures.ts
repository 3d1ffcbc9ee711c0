/**
 * What the kernel fills, as objects. Numbers that JavaScript cannot hold exactly become text; times are seconds and
 * nanoseconds since 1970.
 *
 * @module
 */

import type { Architecture } from "../syscall/arch.ts";

/** A decoded structure: plain data for JSON. */
export type Decoded = string | number | readonly Decoded[] | { readonly [field: string]: Decoded };

type Decoder = (view: DataView, architecture: Architecture) => Decoded;

const decoder = new TextDecoder();

/** Decoders by call: each has one buffer that is filled. */
const decoders: ReadonlyMap<string, Decoder> = new Map([
  ...["stat", "lstat", "fstat", "newfstatat"].map((name) => [name, stat] as const),
  ["statx", statx],
  ["statfs", statfs],
  ["fstatfs", statfs],
  ["readlink", text],
  ["readlinkat", text],
  ["getcwd", cString],
  ["getdents64", entries],
  ["listxattr", cStrings],
  ["llistxattr", cStrings],
  ["flistxattr", cStrings],
  ["uname", utsname],
  ["pipe", pair],
  ["pipe2", pair],
  ["clock_gettime", timespec],
  ["clock_getres", timespec],
]);

/** Decodes what a call filled; `undefined` for one whose bytes mean nothing to us, and for a structure that is cut off. */
export function decodeStructure(call: string, bytes: Uint8Array, architecture: Architecture): Decoded | undefined {
  const decode = decoders.get(call);
  if (decode === undefined) return undefined;
  try {
    return decode(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), architecture);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function word(view: DataView, at: number): number | string {
  const value = view.getBigUint64(at, true);
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : `${value}`;
}

function signed(view: DataView, at: number): number | string {
  const value = view.getBigInt64(at, true);
  return Number.isSafeInteger(Number(value)) ? Number(value) : `${value}`;
}

function time(view: DataView, at: number): Decoded {
  return { seconds: signed(view, at), nanoseconds: word(view, at + 8) };
}

function stat(view: DataView, architecture: Architecture): Decoded {
  const isX86 = architecture === "x86_64";
  const small = (at: number) => view.getUint32(at, true);
  return {
    dev: word(view, 0),
    ino: word(view, 8),
    mode: small(isX86 ? 24 : 16),
    nlink: isX86 ? word(view, 16) : small(20),
    uid: small(isX86 ? 28 : 24),
    gid: small(isX86 ? 32 : 28),
    rdev: word(view, isX86 ? 40 : 32),
    size: signed(view, 48),
    blksize: isX86 ? word(view, 56) : small(56),
    blocks: word(view, 64),
    atime: time(view, 72),
    mtime: time(view, 88),
    ctime: time(view, 104),
  };
}

function statx(view: DataView): Decoded {
  const small = (at: number) => view.getUint32(at, true);
  const when = (at: number) => ({ seconds: signed(view, at), nanoseconds: small(at + 8) });
  return {
    mask: small(0),
    blksize: small(4),
    attributes: word(view, 8),
    nlink: small(16),
    uid: small(20),
    gid: small(24),
    mode: view.getUint16(28, true),
    ino: word(view, 32),
    size: word(view, 40),
    blocks: word(view, 48),
    attributes_mask: word(view, 56),
    atime: when(64),
    btime: when(80),
    ctime: when(96),
    mtime: when(112),
    rdev_major: small(128),
    rdev_minor: small(132),
    dev_major: small(136),
    dev_minor: small(140),
    mnt_id: word(view, 144),
    dio_mem_align: small(152),
    dio_offset_align: small(156),
  };
}

function statfs(view: DataView): Decoded {
  return {
    type: word(view, 0),
    bsize: word(view, 8),
    blocks: word(view, 16),
    bfree: word(view, 24),
    bavail: word(view, 32),
    files: word(view, 40),
    ffree: word(view, 48),
    fsid: [view.getInt32(56, true), view.getInt32(60, true)],
    namelen: word(view, 64),
    frsize: word(view, 72),
    flags: word(view, 80),
  };
}

function text(view: DataView): Decoded {
  return decoder.decode(view);
}

function cString(view: DataView): Decoded {
  return decoder.decode(view).split("\0", 1)[0];
}

function cStrings(view: DataView): Decoded {
  return decoder.decode(view).split("\0").slice(0, -1);
}

/** `struct linux_dirent64`, one after the other. */
function entries(view: DataView): Decoded {
  const types: Readonly<Record<number, string>> = {
    1: "fifo",
    2: "character device",
    4: "directory",
    6: "block device",
    8: "file",
    10: "link",
    12: "socket",
  };
  const found: Decoded[] = [];
  for (let at = 0; at < view.byteLength;) {
    const length = view.getUint16(at + 16, true);
    if (length < 20) throw new RangeError(`a directory entry has ${length} bytes`);
    const name = new DataView(view.buffer, view.byteOffset + at + 19, length - 19);
    found.push({
      name: cString(name),
      type: types[view.getUint8(at + 18)] ?? "unknown",
      ino: word(view, at),
      offset: signed(view, at + 8),
    });
    at += length;
  }
  return found;
}

function utsname(view: DataView): Decoded {
  const fields = ["sysname", "nodename", "release", "version", "machine", "domainname"];
  return Object.fromEntries(
    fields.map((field, index) => [field, cString(new DataView(view.buffer, view.byteOffset + 65 * index, 65))]),
  );
}

function pair(view: DataView): Decoded {
  return [view.getInt32(0, true), view.getInt32(4, true)];
}

function timespec(view: DataView): Decoded {
  return time(view, 0);
}
