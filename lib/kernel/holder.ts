import { SysError } from "../../ffi/errors.ts";
import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { listNumbered } from "./value.ts";

/** A process that has a file. */
export interface Holder {
  /** Its id. */
  readonly pid: number;
  /** What it calls itself. */
  readonly name: string;
  /** Whether it maps the file, or has only opened it. */
  readonly maps: boolean;
}

/**
 * Finds the processes that map a file or have it open, ascending by id. Those of others are looked at by root only.
 *
 * @param path The file, as the kernel writes it: absolute, and without links.
 */
export function readHolders(files: KernelFiles, path: string): Holder[] {
  return listNumbered(files, "/proc", "").flatMap((pid): Holder[] => {
    const maps = (readOf(() => files.tryRead(`/proc/${pid}/maps`)) ?? "").split("\n").some((line) => isPath(mappedFile(line), path));
    const holds = maps || listOf(files, pid).some((link) => isPath(link, path));
    return holds ? [{ pid, name: files.tryRead(`/proc/${pid}/comm`)?.trim() ?? "", maps }] : [];
  });
}

/** `ADDRESSES RIGHTS OFFSET DEVICE INODE    PATH`. */
function mappedFile(line: string): string {
  return /^(?:\S+ ){4}\d+ +(.*)$/.exec(line)?.[1] ?? "";
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
