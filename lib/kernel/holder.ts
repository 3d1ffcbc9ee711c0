import { SysError } from "../../ffi/errors.ts";
import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { listNumbered, readText } from "./value.ts";

/** A process that maps a file. */
export interface Mapper {
  /** Its id. */
  readonly pid: number;
  /** What it calls itself. */
  readonly name: string;
  /** Where its last mapping of the file ends, counted in the file. */
  readonly endBytes: number;
}

/**
 * Finds the processes that map a file, ascending by id. Those of others are looked at by root only.
 *
 * @param path The file, as the kernel writes it: absolute, and without links.
 */
export function readMappers(files: KernelFiles, path: string): Mapper[] {
  return listNumbered(files, "/proc", "").flatMap((pid): Mapper[] => {
    const endBytes = mappedEnd(files, pid, path);
    return endBytes === 0 ? [] : [{ pid, name: nameOf(files, pid), endBytes }];
  });
}

/** Finds the processes that map a file, or only have it open (`endBytes` is 0); otherwise like {@link readMappers}. */
export function readHolders(files: KernelFiles, path: string): Mapper[] {
  return listNumbered(files, "/proc", "").flatMap((pid): Mapper[] => {
    const endBytes = mappedEnd(files, pid, path);
    const holds = endBytes > 0 || listOf(files, pid).some((link) => isPath(link, path));
    return holds ? [{ pid, name: nameOf(files, pid), endBytes }] : [];
  });
}

/** `FROM-TO RIGHTS OFFSET DEVICE INODE    PATH`, all but the inode in hexadecimal. */
function mappedEnd(files: KernelFiles, pid: number, path: string): number {
  let endBytes = 0;
  for (const line of (readText(files, `/proc/${pid}/maps`) ?? "").split("\n")) {
    if (!line.includes(path)) continue;
    const [, from, to, offset, file] = /^([0-9a-f]+)-([0-9a-f]+) \S+ ([0-9a-f]+) \S+ \d+ +(.*)$/.exec(line) ?? [];
    if (file === undefined || !isPath(file, path)) continue;
    endBytes = Math.max(endBytes, Number.parseInt(to, 16) - Number.parseInt(from, 16) + Number.parseInt(offset, 16));
  }
  return endBytes;
}

function nameOf(files: KernelFiles, pid: number): string {
  return readText(files, `/proc/${pid}/comm`) ?? "";
}

/** A file that was removed has a word more. */
function isPath(text: string, path: string): boolean {
  return text === path || text === `${path} (deleted)`;
}

function listOf(files: KernelFiles, pid: number): string[] {
  const entries = readOf(() => files.list(`/proc/${pid}/fd`)) ?? [];
  return entries.flatMap(({ name }) => readOf(() => files.link(`/proc/${pid}/fd/${name}`)) ?? []);
}

/** What a process does not let us see, it has not. */
function readOf<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof SysError) return null;
    throw error;
  }
}
