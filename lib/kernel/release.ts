import type { KernelFiles } from "../../ffi/kernel_root.ts";

/** Whether the kernel is older than a version such as 6.9; `false` when it does not say what it is. */
export function isKernelBefore(files: KernelFiles, major: number, minor: number): boolean {
  const match = /^(\d+)\.(\d+)/.exec(files.tryRead("/proc/sys/kernel/osrelease") ?? "");
  if (match === null) return false;
  const [ownMajor, ownMinor] = [Number(match[1]), Number(match[2])];
  return ownMajor < major || (ownMajor === major && ownMinor < minor);
}
