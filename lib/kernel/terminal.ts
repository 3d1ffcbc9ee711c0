import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { readText } from "./value.ts";

/**
 * Whether a process is in the foreground of a terminal: what is typed there as Ctrl-C reaches it by itself, as it does
 * every other process of that group. A process that has ended is in none.
 */
export function isInForeground(files: KernelFiles, pid: number): boolean {
  const stat = readText(files, `/proc/${pid}/stat`);
  if (stat === null) return false;
  // Fields 5 and 8 of proc(5): its process group, and the one in the foreground of its terminal, -1 without a terminal.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[5]) > 0 && fields[2] === fields[5];
}
