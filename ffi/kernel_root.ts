import { errno, SysError } from "./errors.ts";
import { byValue, coreLibrary, cstr } from "./library.ts";
import { type MemoryFiles, type MemoryWriter, runningMemory } from "./memory.ts";

/** `enum nodeos_file_action`. */
const action = { read: 0, write: 1, link: 2, exists: 3, writable: 4, list: 5, make: 6, remove: 7 } as const;

function call(what: keyof typeof action, path: string, data: Uint8Array<ArrayBuffer>, size: number = data.length): number {
  return coreLibrary().nodeos_file(byValue(action[what], size), cstr(path), data);
}

/** One name in a directory of the kernel. */
export interface KernelEntry {
  /** The name, without its directory. */
  readonly name: string;
  /** `file` stands for everything that is neither a directory nor a symbolic link. */
  readonly kind: "directory" | "link" | "file";
}

/**
 * Reads the kernel's files, whichever machine they come from. Paths are absolute, as on the machine (`/sys/...`).
 *
 * A path that does not exist makes `tryRead` return `null` and the others throw a `SysError` (`ENOENT`).
 */
export interface KernelFiles {
  /** The directory that stands for `/`; `/` itself on the running machine. */
  readonly base: string;
  /** The whole text of a file, with its final newline. */
  read(path: string): string;
  /** The same, or `null` when the file, its device or its process is not there (any more), or has no value. */
  tryRead(path: string): string | null;
  /** Names in a directory, in ascending order of their characters; `[]` when it does not exist. */
  list(path: string): KernelEntry[];
  /** The text of a symbolic link, or `null`. */
  link(path: string): string | null;
  /** Whether a path exists (and, with `write`, may be written by this process). */
  exists(path: string, access?: "write"): boolean;
  /** Memory that was handed out with a name; a captured machine has none. */
  readonly memory?: MemoryFiles;
}

/** Changes the kernel's files. Only `lib/plan/` may call these: everything else makes steps. */
export interface KernelWriter {
  /** Writes a value to a file that exists, in one call. */
  write(path: string, text: string): void;
  /** Makes a directory (in cgroupfs: a cgroup). */
  makeDirectory(path: string): void;
  /** Removes an empty directory. */
  removeDirectory(path: string): void;
  /** Memory that is handed out with a name. */
  readonly memory?: MemoryFiles & MemoryWriter;
}

const decoder = new TextDecoder();
const absent: readonly number[] = [errno.ENOENT, errno.ENODEV, errno.ESRCH, errno.ENXIO, errno.ENOTDIR, errno.ENODATA, errno.EOPNOTSUPP];
const scratchBytesMax = 64 * 1024 * 1024;
let scratch = new Uint8Array(64 * 1024);

/** Runs a native call that fills a buffer, with a larger one as long as it asks for that. */
function fill(call: (buffer: Uint8Array<ArrayBuffer>) => number): number {
  for (;;) {
    const length = call(scratch);
    if (length !== -errno.EFBIG || scratch.length >= scratchBytesMax) return length;
    scratch = new Uint8Array(scratch.length * 4);
  }
}

/**
 * The running machine, reached through the library's allow-list of roots (`/proc`, `/sys`, `/dev/cpu`, ...).
 *
 * Needs `--allow-ffi` of the library, and no other permission.
 */
export class KernelRoot implements KernelFiles, KernelWriter {
  /** Always `/`: another machine is a `CapturedRoot`. */
  readonly base = "/";
  /** See {@link KernelWriter.memory}. */
  readonly memory: MemoryFiles & MemoryWriter = runningMemory;

  /** See {@link KernelFiles.read}. */
  read(path: string): string {
    const length = this.#read(path);
    if (length < 0) throw new SysError(`read ${path}`, -length);
    return decoder.decode(scratch.subarray(0, length));
  }

  /** See {@link KernelFiles.tryRead}. */
  tryRead(path: string): string | null {
    const length = this.#read(path);
    if (length >= 0) return decoder.decode(scratch.subarray(0, length));
    if (absent.includes(-length)) return null;
    throw new SysError(`read ${path}`, -length);
  }

  #read(path: string): number {
    return fill((buffer) => call("read", path, buffer));
  }

  /** See {@link KernelFiles.list}. */
  list(path: string): KernelEntry[] {
    const length = fill((buffer) => call("list", path, buffer));
    if (length < 0) {
      if (absent.includes(-length)) return [];
      throw new SysError(`list ${path}`, -length);
    }
    if (length === 0) return [];
    const names = decoder.decode(scratch.subarray(0, length - 1)).split("\0").map((text) => entry(text[0], text.slice(1)));
    return names.sort(byName);
  }

  /** See {@link KernelFiles.link}. */
  link(path: string): string | null {
    const length = call("link", path, scratch);
    if (length >= 0) return decoder.decode(scratch.subarray(0, length));
    if (-length === errno.EINVAL || absent.includes(-length)) return null;
    throw new SysError(`read the link ${path}`, -length);
  }

  /** See {@link KernelFiles.exists}. */
  exists(path: string, access?: "write"): boolean {
    return call(access === "write" ? "writable" : "exists", path, scratch) === 0;
  }

  /** See {@link KernelWriter.write}. */
  write(path: string, text: string): void {
    const data = cstr(text);
    const result = call("write", path, data, data.length - 1);
    if (result < 0) throw new SysError(`write ${JSON.stringify(text)} to ${path}`, -result);
  }

  /** See {@link KernelWriter.makeDirectory}. */
  makeDirectory(path: string): void {
    const result = call("make", path, scratch);
    if (result < 0) throw new SysError(`make ${path}`, -result);
  }

  /** See {@link KernelWriter.removeDirectory}. */
  removeDirectory(path: string): void {
    const result = call("remove", path, scratch);
    if (result < 0) throw new SysError(`remove ${path}`, -result);
  }
}

function entry(letter: string, name: string): KernelEntry {
  return { name, kind: letter === "d" ? "directory" : letter === "l" ? "link" : "file" };
}

function byName(a: KernelEntry, b: KernelEntry): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
