import type { KernelEntry, KernelFiles } from "./kernel_root.ts";
import { errno, SysError } from "./errors.ts";

/**
 * A machine captured into a directory by `nodeos topo --capture`, or composed by hand: read with Deno's own file
 * functions, so it needs `--allow-read` of that directory and can never reach the running machine.
 */
export class CapturedRoot implements KernelFiles {
  /**
   * A machine in a directory.
   *
   * @param base The directory that stands for `/`.
   */
  constructor(readonly base: string) {}

  /** See {@link KernelFiles.read}. */
  read(path: string): string {
    const text = this.tryRead(path);
    if (text === null) throw new SysError(`read ${path} of the machine captured in ${this.base}`, errno.ENOENT);
    return text;
  }

  /** See {@link KernelFiles.tryRead}. */
  tryRead(path: string): string | null {
    return orNull(() => Deno.readTextFileSync(this.base + path));
  }

  /** See {@link KernelFiles.list}. */
  list(path: string): KernelEntry[] {
    const entries = orNull(() => [...Deno.readDirSync(this.base + path)]) ?? [];
    return entries
      .map(({ name, isDirectory, isSymlink }) => ({ name, kind: isSymlink ? "link" : isDirectory ? "directory" : "file" } as const))
      .sort((a, b) => a.name < b.name ? -1 : 1);
  }

  /** See {@link KernelFiles.link}. */
  link(path: string): string | null {
    return orNull(() => Deno.readLinkSync(this.base + path));
  }

  /** See {@link KernelFiles.exists}; a captured machine is never writable. */
  exists(path: string, access?: "write"): boolean {
    return access === undefined && orNull(() => Deno.statSync(this.base + path)) !== null;
  }
}

function orNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory || error instanceof TypeError) return null;
    if (error instanceof Deno.errors.IsADirectory) return null;
    throw error;
  }
}
