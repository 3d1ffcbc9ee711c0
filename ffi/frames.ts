import { check, errno, SysError } from "./errors.ts";
import { KernelRoot } from "./kernel_root.ts";
import { cstr, lazyLibrary } from "./library.ts";

const library = lazyLibrary({
  // int32_t nodeos_frames_process(int32_t pid, int64_t first, int64_t count, uint64_t *ret_runs);
  nodeos_frames_process: { parameters: ["i32", "i64", "i64", "buffer"], result: "i32" },
  // int32_t nodeos_frames_present(int32_t pid, uint64_t start, uint64_t end, uint64_t *ret_ranges, int32_t capacity);
  nodeos_frames_present: { parameters: ["i32", "u64", "u64", "buffer", "i32"], result: "i32" },
  // int32_t nodeos_frames_file(const char *path, int64_t first, int64_t count, uint64_t *ret_runs);
  nodeos_frames_file: { parameters: ["buffer", "i64", "i64", "buffer"], result: "i32" },
  // int32_t nodeos_frames_facts(int32_t which, int64_t first, int64_t count, uint64_t *ret_words);
  nodeos_frames_facts: { parameters: ["i32", "i64", "i64", "buffer"], result: "i32" },
  // int64_t nodeos_frames_cgroup(const char *path);
  nodeos_frames_cgroup: { parameters: ["buffer"], result: "i64" },
});

/** Page frames that follow each other; one is as large as the machine's smallest page, mostly 4 KiB. */
export interface FrameRun {
  /** Number of the first. */
  readonly frame: number;
  /** How many. */
  readonly count: number;
}

/** `enum nodeos_frames_kind`. */
const kinds = ["anonymous", "huge", "file", "shared"] as const;

/**
 * What a page is: `anonymous` memory of the process, a `huge` page out of a pool, a page of a `file` on a disk, or of one in
 * memory (`shared`).
 */
export type FrameKind = (typeof kinds)[number];

/** Page frames of a process. */
export interface ProcessRun extends FrameRun {
  /** What they are. */
  readonly kind: FrameKind;
  /** Where they begin in its address space. */
  readonly address: number;
  /** What it maps there: a path, a word in brackets as in `/proc/PID/maps`, or `""`. */
  readonly mapping: string;
}

const windowCount = 65536;
const wordsPerRun = 4;
let runs: BigUint64Array<ArrayBuffer> | undefined;

interface Window extends FrameRun {
  readonly kind: FrameKind;
  readonly page: number;
}

/** Asks for as many pages at once as there is room for, until the end or until a call finds nothing more to ask for. */
function* windows(
  first: number,
  end: number,
  ask: (first: bigint, count: bigint, runs: BigUint64Array<ArrayBuffer>) => number,
): Generator<Window> {
  runs ??= new BigUint64Array(windowCount * wordsPerRun);
  for (let at = first; at < end; at += windowCount) {
    const found = ask(BigInt(at), BigInt(Math.min(windowCount, end - at)), runs);
    for (let index = 0; index < found * wordsPerRun; index += wordsPerRun) {
      const [frame, count, kind, page] = runs.subarray(index, index + wordsPerRun);
      yield { frame: Number(frame), count: Number(count), kind: kinds[Number(kind)], page: Number(page) };
    }
  }
}

/** Bytes of the smallest page. */
export function pageBytes(): number {
  pageSize ??= Number(/^KernelPageSize:\s+(\d+) kB/m.exec(new KernelRoot().read("/proc/self/smaps"))![1]) * 1024;
  return pageSize;
}

let pageSize: number | undefined;

/**
 * Finds the page frames of a file below `/run/nodeos/memory`, merged and ascending. Nothing of it is made that is not there;
 * of a file with holes only the pages that somebody has used are found.
 *
 * @param bytes How large it is.
 * @throws {SysError} If the kernel refuses: for root only (`EPERM`), and from Linux 5.14 on (`EINVAL`).
 */
export function fileFrames(path: string, bytes: number): FrameRun[] {
  const text = cstr(path);
  const ask = (first: bigint, count: bigint, runs: BigUint64Array<ArrayBuffer>) =>
    check(library().nodeos_frames_file(text, first, count, runs), () => `find the page frames of ${path}`);
  return mergeFrames(windows(0, Math.ceil(bytes / pageBytes()), ask));
}

/** A mapping that has some memory. */
interface Mapping {
  readonly start: number;
  readonly end: number;
  readonly name: string;
}

/**
 * Finds the page frames of a process, ascending by their number; `[]` when it has ended. Pages of the kernel that it maps as
 * every process does (its clock, its page of zeroes) are none of its own.
 *
 * @throws {SysError} If the kernel refuses: for root only.
 */
export function processFrames(pid: number): ProcessRun[] {
  const mappings = readMappings(new KernelRoot().tryRead(`/proc/${pid}/smaps`) ?? "");
  const ask = (first: bigint, count: bigint, runs: BigUint64Array<ArrayBuffer>) => {
    const found = library().nodeos_frames_process(pid, first, count, runs);
    if (found === -errno.ENOENT || found === -errno.ESRCH) return 0;
    return check(found, () => `find the page frames of process ${pid}`);
  };
  const size = pageBytes();
  const found = mappings.flatMap((mapping) =>
    [...presentIn(pid, mapping)].flatMap(({ start, end, name }) =>
      [...windows(start / size, end / size, ask)].map(({ page, ...run }) => ({ ...run, address: page * size, mapping: name }))
    )
  );
  return found.sort((a, b) => a.frame - b.frame);
}

/** Mappings of terabytes exist that have a few pages only: to look at all of one takes minutes. */
const sparseBytesMin = 2 ** 28;
const rangeCount = 256;

/** Parts of a mapping that have memory; all of it where the kernel cannot tell. */
function* presentIn(pid: number, mapping: Mapping): Generator<Mapping> {
  if (mapping.end - mapping.start < sparseBytesMin) return yield mapping;
  const ranges = new BigUint64Array(rangeCount * 2);
  for (let at = mapping.start;;) {
    const found = library().nodeos_frames_present(pid, BigInt(at), BigInt(mapping.end), ranges, rangeCount);
    if (found < 0) return yield { ...mapping, start: at };
    for (let index = 0; index < found; index++) {
      const [start, end] = [Number(ranges[2 * index]), Number(ranges[2 * index + 1])];
      yield { ...mapping, start, end };
      at = end;
    }
    if (found < rangeCount) return;
  }
}

/** Those that have memory, of the process's own. */
function readMappings(smaps: string): Mapping[] {
  return smaps.split(/^(?=[\da-f]+-[\da-f]+ )/m).flatMap((text): Mapping[] => {
    const [, start, end, name] = /^([\da-f]+)-([\da-f]+) (?:\S+ ){3}\d+ *(.*)$/m.exec(text) ?? [];
    const hasMemory = /^(?:Rss|Shared_Hugetlb|Private_Hugetlb): +[1-9]/m.test(text);
    if (start === undefined || !hasMemory || /^\[(?:vdso|vvar.*|vsyscall)\]$/.test(name)) return [];
    return [{ start: Number.parseInt(start, 16), end: Number.parseInt(end, 16), name }];
  });
}

/** Joins runs that follow each other or overlap; ascending. */
export function mergeFrames(runs: Iterable<FrameRun>): FrameRun[] {
  const merged: { frame: number; count: number }[] = [];
  for (const { frame, count } of [...runs].sort((a, b) => a.frame - b.frame)) {
    const last = merged[merged.length - 1];
    if (last !== undefined && frame <= last.frame + last.count) last.count = Math.max(last.count, frame + count - last.frame);
    else merged.push({ frame, count });
  }
  return merged;
}

/** What the kernel says of each of `count` frames; fewer where the machine has no more. */
function factsOf(which: number, what: string, first: number, count: number): BigUint64Array<ArrayBuffer> {
  const words = new BigUint64Array(count);
  const found = library().nodeos_frames_facts(which, BigInt(first), BigInt(count), words);
  // Frames behind the last one.
  if (found === -errno.EINVAL || found === -errno.ENXIO) return words.subarray(0, 0);
  return words.subarray(0, check(found, () => `read ${what} of page frame ${first}`));
}

/** Flags of page frames, one bit each as in `linux/kernel-page-flags.h`. For root only. */
export function frameFlags(first: number, count: number): BigUint64Array<ArrayBuffer> {
  return factsOf(0, "the flags", first, count);
}

/** How often page frames are mapped. For root only. */
export function frameCounts(first: number, count: number): BigUint64Array<ArrayBuffer> {
  return factsOf(1, "the mappings", first, count);
}

/**
 * Inode numbers of the memory cgroups that page frames are counted for, 0 for none; `null` when the kernel does not tell.
 * Huge pages out of a pool are counted for none. For root only.
 */
export function frameOwners(first: number, count: number): BigUint64Array<ArrayBuffer> | null {
  try {
    return factsOf(2, "the owner", first, count);
  } catch (error) {
    if (error instanceof SysError && error.errno === errno.ENOENT) return null;
    throw error;
  }
}

/** The number by which {@link frameOwners} names a memory cgroup, by its directory; `null` when there is none. */
export function cgroupInode(directory: string): number | null {
  const inode = Number(library().nodeos_frames_cgroup(cstr(directory)));
  if (inode === -errno.ENOENT || inode === -errno.ENOTDIR) return null;
  return check(inode, () => `look at ${directory}`);
}
