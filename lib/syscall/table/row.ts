import type { Architecture } from "../arch.ts";

/** Every kind of an argument. */
export const argumentKinds = [
  "integer",
  "dirfd",
  "path",
  "text",
  "fd",
  "in",
  "out",
  "inSized",
  "outSized",
  "openFlags",
  "pointer",
] as const;

/**
 * What an argument is:
 *
 * - `integer`: passed on as it is
 * - `dirfd`: a directory of the caller's, or AT_FDCWD; the next argument is the path below it
 * - `path`: a path; without a `dirfd` before it, below the working directory
 * - `text`: another string, such as the name of an attribute or the target of a symbolic link
 * - `fd`: a descriptor of the caller's
 * - `in`, `out`: a structure of known size to read or to fill, or NULL
 * - `inSized`, `outSized`: bytes to read or to fill; the next argument says how many
 * - `openFlags`: an integer with O_* flags
 * - `pointer`: nobody but the caller can use it: an address, a function, or a structure with such in it
 */
export type ArgumentKind = typeof argumentKinds[number];

/** Bytes of a structure, where they differ by architecture. */
export type Bytes = number | Readonly<Record<Architecture, number>>;

/** An argument of a system call. */
export interface Argument {
  /** As the manual names it, more or less. */
  readonly name: string;
  /** What it is. */
  readonly kind: ArgumentKind;
  /** Of `in` and `out`: the size of the structure. `bytesOf()` asks for one architecture. */
  readonly bytes?: Bytes;
}

/** Every trait. */
export const traitNames = [
  "descriptor",
  "opens",
  "creates",
  "access",
  "limited",
  "data",
  "repeatable",
  "namespace",
  "identity",
  "watches",
  "forwardable",
  "neverNotified",
] as const;

/**
 * What is special about a call:
 *
 * - `descriptor`: it returns a descriptor
 * - `opens`: open and its kin: O_PATH, terminals and FIFOs go back to the caller
 * - `creates`: the caller's umask counts
 * - `access`: access and its kin: the caller's real ids count
 * - `limited`: goes back to a caller with a limit on file sizes
 * - `data`: moves data: for regular files only, everything else goes back to the caller
 * - `repeatable`: executed twice it does no harm. Of calls that open, the flags decide: not with O_TRUNC, or with O_CREAT
 *   and O_EXCL
 * - `namespace`: may give the caller another root or other namespaces
 * - `identity`: may give the caller other users, groups or capabilities
 * - `watches`: afterwards its caller sees which process does what to files
 * - `forwardable`: another process may execute it for its caller
 * - `neverNotified`: stays in the filter: who calls it does not expect to be interrupted or to be told ENOSYS, and breaks
 */
export type Trait = typeof traitNames[number];

/** What a call is about. Each call is in one group. */
export type Group =
  | "path"
  | "fd"
  | "data"
  | "descriptors"
  | "events"
  | "memory"
  | "threads"
  | "process"
  | "signals"
  | "time"
  | "scheduling"
  | "identity"
  | "namespace"
  | "ipc"
  | "network"
  | "keys"
  | "mount"
  | "asynchronous"
  | "tracing"
  | "sandbox"
  | "system"
  | "administration"
  | "obsolete";

/** A system call. */
export interface Call {
  /** As the kernel names it: `newfstatat`, `pread64`. */
  readonly name: string;
  /** Its number; missing where the architecture has no such call. */
  readonly numbers: Readonly<Partial<Record<Architecture, number>>>;
  /** Its arguments, at most six. */
  readonly arguments: readonly Argument[];
  /** Its only group. */
  readonly group: Group;
  /** What is special about it. */
  readonly traits: readonly Trait[];
}

/** Bytes of the structures that calls read and fill, as the kernel has them for 64-bit programs. */
export const structures: Readonly<Record<string, Bytes>> = {
  int: 4,
  ints: 8, // two of them
  long: 8,
  sigset: 8,
  timezone: 8,
  epollEvent: { x86_64: 12, aarch64: 16 }, // packed on x86-64 only
  timespec: 16,
  timeval: 16,
  utimbuf: 16,
  rlimit: 16,
  cachestatRange: 16,
  timespecs: 32, // two of them
  timevals: 32, // two of them
  itimerspec: 32,
  itimerval: 32,
  tms: 32,
  ustat: 32,
  cachestat: 40,
  mqAttr: 64,
  sysinfo: 112,
  statfs: 120,
  siginfo: 128,
  stat: { x86_64: 144, aarch64: 128 },
  rusage: 144,
  statx: 256,
  utsname: 390,
};

/** Writes one row: name, numbers on x86-64 and aarch64, arguments, and traits with spaces between. */
export type RowWriter = (name: string, numbers: readonly [number?, number?], signature: string, traits?: string) => Call;

/**
 * Begins the rows of a group. In a signature, arguments have spaces between them, each `name:kind`, `name:in=structure`,
 * or `name` alone for an integer.
 *
 * @throws {TypeError} When a row is written with a kind, structure or trait that there is not.
 *
 * @example Usage
 * ```ts
 * import assert from "node:assert/strict";
 * import { callsOf } from "./row.ts";
 *
 * const call = callsOf("fd");
 * assert.deepEqual(call("fchmod", [91, 52], "fd:fd mode", "forwardable repeatable"), {
 *   name: "fchmod",
 *   numbers: { x86_64: 91, aarch64: 52 },
 *   arguments: [{ name: "fd", kind: "fd" }, { name: "mode", kind: "integer" }],
 *   group: "fd",
 *   traits: ["forwardable", "repeatable"],
 * });
 * ```
 */
export function callsOf(group: Group): RowWriter {
  return (name, [x86_64, aarch64], signature, traits = "") => ({
    name,
    numbers: { ...(x86_64 === undefined ? {} : { x86_64 }), ...(aarch64 === undefined ? {} : { aarch64 }) },
    arguments: wordsOf(signature).map((word) => argumentOf(word, name)),
    group,
    traits: wordsOf(traits).map((word) => oneOf(traitNames, word, `a trait of ${name}`)),
  });
}

function argumentOf(text: string, call: string): Argument {
  const [, name, kindName = "integer", structure] = /^(\w+)(?::(\w+)(?:=(\w+))?)?$/.exec(text) ?? [];
  if (name === undefined) throw new TypeError(`Cannot read ${JSON.stringify(text)} as an argument of ${call}`);
  const kind = oneOf(argumentKinds, kindName, `an argument of ${call}`);
  const sized = kind === "in" || kind === "out";
  if (sized !== (structure !== undefined) || sized && !Object.hasOwn(structures, structure)) {
    throw new TypeError(
      `Cannot read ${JSON.stringify(text)} as an argument of ${call}: "in" and "out" need a known structure, others none`,
    );
  }
  return sized ? { name, kind, bytes: structures[structure] } : { name, kind };
}

function oneOf<T extends string>(known: readonly T[], word: string, what: string): T {
  const found = known.find((candidate) => candidate === word);
  if (found === undefined) throw new TypeError(`Cannot take ${JSON.stringify(word)} as ${what}: there is none such`);
  return found;
}

function wordsOf(text: string): string[] {
  return text.split(" ").filter(Boolean);
}
