import type { KernelFiles } from "../../ffi/kernel_root.ts";
import type { Ledger } from "./ledger.ts";

/**
 * The machine with the settings that it had before our containers changed them: what a plan may start from that is made
 * while others hold theirs. Everything else, their cgroups among it, is as it is now.
 */
export function asBefore(files: KernelFiles, { holdings }: Ledger): KernelFiles {
  const former = new Map<string, string>();
  for (const { steps } of holdings) {
    for (const { kind, what, shared, from } of steps) if (kind === "file" && shared && from !== null) former.set(what, `${from}\n`);
  }
  if (former.size === 0) return files;
  return {
    base: files.base,
    read: (path) => former.get(path) ?? files.read(path),
    tryRead: (path) => former.get(path) ?? files.tryRead(path),
    list: (path) => files.list(path),
    link: (path) => files.link(path),
    exists: (path, access) => files.exists(path, access),
    memory: files.memory,
  };
}
