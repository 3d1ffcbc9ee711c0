import { errno, errnoText, SysError } from "../../ffi/errors.ts";
import type { KernelEntry, KernelFiles } from "../../ffi/kernel_root.ts";

// The library, which names errors, opens on first use and stays open: within a test that would count as a leak.
errnoText(errno.ENOENT);

/** What a path of a {@link MemoryRoot} holds: its text, where a link leads, or the error of the kernel's refusal. */
export type MemoryFile = string | { readonly link: string } | { readonly errno: number };

/** A machine of a few files, for what no machine here has. Links can be read, and do not lead anywhere. */
export class MemoryRoot implements KernelFiles {
  readonly base = "(a test)";

  constructor(readonly files: Readonly<Record<string, MemoryFile>>) {}

  read(path: string): string {
    const text = this.tryRead(path);
    if (text === null) throw new SysError(`read ${path}`, errno.ENOENT);
    return text;
  }

  tryRead(path: string): string | null {
    const file = this.files[path];
    if (typeof file === "string") return file;
    if (file !== undefined && "errno" in file) throw new SysError(`read ${path}`, file.errno);
    return null;
  }

  list(path: string): KernelEntry[] {
    const entries = new Map<string, KernelEntry>();
    for (const [name, file] of Object.entries(this.files)) {
      if (!name.startsWith(`${path}/`)) continue;
      const [first, ...rest] = name.slice(path.length + 1).split("/");
      const kind = rest.length > 0 ? "directory" : typeof file === "object" && "link" in file ? "link" : "file";
      entries.set(first, { name: first, kind });
    }
    return [...entries.values()].sort((a, b) => a.name < b.name ? -1 : 1);
  }

  link(path: string): string | null {
    const file = this.files[path];
    return typeof file === "object" && "link" in file ? file.link : null;
  }

  exists(path: string): boolean {
    return path in this.files || this.list(path).length > 0;
  }
}
