/**
 * What the kernel fills, as objects. Numbers that JavaScript cannot hold exactly become text; times are seconds and
 * nanoseconds since 1970. An agent reads the same layouts: see `names.ts`.
 *
 * @module
 */

import type { Architecture } from "../syscall/arch.ts";

/** A decoded structure: plain data for JSON. */
export type Decoded = string | number | readonly Decoded[] | { readonly [field: string]: Decoded };

/** How values lie in memory, with their numbers in `enum agent_value`. */
export const valueKinds = {
  /** 64 bits without a sign. */
  word: 1,
  /** 64 bits with a sign. */
  signed: 2,
  /** 32 bits without a sign. */
  small: 3,
  /** 16 bits without a sign. */
  short: 4,
  /** Signed seconds, and nanoseconds of 64 bits. */
  time: 5,
  /** Signed seconds, and nanoseconds of 32 bits. */
  shortTime: 6,
  /** Twice 32 bits with a sign. */
  pair: 7,
  /** A name of at most 65 bytes, with a NUL behind it. */
  name: 8,
  /** All bytes as text. */
  text: 9,
  /** All bytes up to a NUL as text. */
  string: 10,
  /** Texts with a NUL behind each. */
  strings: 11,
  /** `struct linux_dirent64`, one after the other. */
  entries: 12,
} as const;

/** One of {@link valueKinds}. */
export type ValueKind = keyof typeof valueKinds;

/** A part of a structure. */
export interface Field {
  /** As C names it. */
  readonly name: string;
  /** What it is. */
  readonly kind: ValueKind;
  /** Where it begins, in bytes. */
  readonly offset: number;
}

/** What lies in a buffer: one value, or an object of fields. */
export type Layout = ValueKind | readonly Field[];

/** Fields in their order, each as `NAME KIND OFFSET`. */
function fields(text: string): readonly Field[] {
  return text.split(",").map((field) => {
    const [name, kind, offset] = field.trim().split(/\s+/);
    return { name, kind: kind as ValueKind, offset: Number(offset) };
  });
}

const times = "atime time 72, mtime time 88, ctime time 104";
const stat: Readonly<Record<Architecture, Layout>> = {
  x86_64: fields(
    `dev word 0, ino word 8, mode small 24, nlink word 16, uid small 28, gid small 32, rdev word 40, size signed 48, blksize word 56,
     blocks word 64, ${times}`,
  ),
  aarch64: fields(
    `dev word 0, ino word 8, mode small 16, nlink small 20, uid small 24, gid small 28, rdev word 32, size signed 48, blksize small 56,
     blocks word 64, ${times}`,
  ),
};
const statx = fields(
  `mask small 0, blksize small 4, attributes word 8, nlink small 16, uid small 20, gid small 24, mode short 28, ino word 32, size word 40,
   blocks word 48, attributes_mask word 56, atime shortTime 64, btime shortTime 80, ctime shortTime 96, mtime shortTime 112,
   rdev_major small 128, rdev_minor small 132, dev_major small 136, dev_minor small 140, mnt_id word 144, dio_mem_align small 152,
   dio_offset_align small 156`,
);
const statfs = fields(
  `type word 0, bsize word 8, blocks word 16, bfree word 24, bavail word 32, files word 40, ffree word 48, fsid pair 56, namelen word 64,
   frsize word 72, flags word 80`,
);
const utsname = fields("sysname name 0, nodename name 65, release name 130, version name 195, machine name 260, domainname name 325");

/** Layouts by call: each has one buffer that is filled. */
const layouts: ReadonlyMap<string, Layout | Readonly<Record<Architecture, Layout>>> = new Map<
  string,
  Layout | Readonly<Record<Architecture, Layout>>
>([
  ...["stat", "lstat", "fstat", "newfstatat"].map((name) => [name, stat] as const),
  ["statx", statx],
  ["statfs", statfs],
  ["fstatfs", statfs],
  ["readlink", "text"],
  ["readlinkat", "text"],
  ["getcwd", "string"],
  ["getdents64", "entries"],
  ["listxattr", "strings"],
  ["llistxattr", "strings"],
  ["flistxattr", "strings"],
  ["uname", utsname],
  ["pipe", "pair"],
  ["pipe2", "pair"],
  ["clock_gettime", "time"],
  ["clock_getres", "time"],
]);

/** How lies what a call fills; `undefined` where its bytes mean nothing to us. */
export function layoutOf(call: string, architecture: Architecture): Layout | undefined {
  const layout = layouts.get(call);
  return typeof layout === "object" && "x86_64" in layout ? layout[architecture] : layout;
}

const decoder = new TextDecoder();

/** Decodes what a call filled; `undefined` for one whose bytes mean nothing to us, and for a structure that is cut off. */
export function decodeStructure(call: string, bytes: Uint8Array, architecture: Architecture): Decoded | undefined {
  const layout = layoutOf(call, architecture);
  if (layout === undefined) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    if (typeof layout === "string") return decodeValue[layout](view, 0);
    return Object.fromEntries(layout.map(({ name, kind, offset }) => [name, decodeValue[kind](view, offset)]));
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

const decodeValue: Readonly<Record<ValueKind, (view: DataView, at: number) => Decoded>> = {
  word(view, at) {
    const value = view.getBigUint64(at, true);
    return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : `${value}`;
  },
  signed(view, at) {
    const value = view.getBigInt64(at, true);
    return Number.isSafeInteger(Number(value)) ? Number(value) : `${value}`;
  },
  small: (view, at) => view.getUint32(at, true),
  short: (view, at) => view.getUint16(at, true),
  time: (view, at) => ({ seconds: decodeValue.signed(view, at), nanoseconds: decodeValue.word(view, at + 8) }),
  shortTime: (view, at) => ({ seconds: decodeValue.signed(view, at), nanoseconds: view.getUint32(at + 8, true) }),
  pair: (view, at) => [view.getInt32(at, true), view.getInt32(at + 4, true)],
  name: (view, at) => stringOf(new DataView(view.buffer, view.byteOffset + at, 65)),
  text: (view) => decoder.decode(view),
  string: stringOf,
  strings: (view) => decoder.decode(view).split("\0").slice(0, -1),
  entries: entriesOf,
};

function stringOf(view: DataView): string {
  return decoder.decode(view).split("\0", 1)[0];
}

const entryTypes: Readonly<Record<number, string>> = {
  1: "fifo",
  2: "character device",
  4: "directory",
  6: "block device",
  8: "file",
  10: "link",
  12: "socket",
};

function entriesOf(view: DataView): Decoded {
  const found: Decoded[] = [];
  for (let at = 0; at < view.byteLength;) {
    const length = view.getUint16(at + 16, true);
    if (length < 20) throw new RangeError(`a directory entry has ${length} bytes`);
    found.push({
      name: stringOf(new DataView(view.buffer, view.byteOffset + at + 19, length - 19)),
      type: entryTypes[view.getUint8(at + 18)] ?? "unknown",
      ino: decodeValue.word(view, at),
      offset: decodeValue.signed(view, at + 8),
    });
    at += length;
  }
  return found;
}
