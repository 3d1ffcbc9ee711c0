import { errno, SysError } from "../../ffi/errors.ts";
import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { inLargestUnit, unescapeOctal } from "../kernel/value.ts";
import { memoryOf } from "./memory_of.ts";
import type { Driver } from "./kernel.ts";

/** Options of a mount that a step speaks of, in their order. */
const options = ["mpol", "noswap", "size", "pagesize"];

/**
 * A file system whose files are memory of one sort, by its directory: `tmpfs mpol=bind:0 noswap` or
 * `hugetlbfs pagesize=2M`. `""` is a directory that nothing is mounted on, as somebody left it who was killed.
 */
export const mountDriver: Driver = {
  read: (kernel, directory) =>
    readMount(kernel, directory)?.replace(/ size=\d+/, "") ?? (kernel.memory?.isDirectory(directory) ? "" : null),
  write(kernel, directory, value) {
    const memory = memoryOf(kernel);
    const mounted = readMount(kernel, directory);
    const roomBytes = readRoom(kernel, directory);
    if (!value) {
      if (memory.isDirectory(directory)) unmount(memory, directory);
      return;
    }
    const [type, ...words] = value.split(" ");
    // Nobody but us makes files in it.
    const text = [...words, "mode=755"].join(",");
    if (mounted === null) memory.mount(directory, type, text);
    else memory.remount(directory, [text, ...roomBytes === null ? [] : [`size=${roomBytes}`]].join(","));
  },
};

/**
 * How much the files of a tmpfs may have together, by its directory; bytes, `""` is the kernel's own idea. Whoever may write
 * to a file may make it larger, but not the room that it is in. The driver of objects makes more of it where it needs more.
 */
export const roomDriver: Driver = {
  read: (kernel, directory) => readMount(kernel, directory) === null ? null : `${readRoom(kernel, directory) ?? ""}`,
  write(kernel, directory, value) {
    // It goes with the file system.
    if (value === null || readMount(kernel, directory) === null) return;
    const [, ...words] = readMount(kernel, directory)!.replace(/ size=\d+/, "").split(" ");
    memoryOf(kernel).remount(directory, [...words, `size=${value === "" ? "50%" : value}`, "mode=755"].join(","));
  },
};

/** Bytes that the files of a file system may have together; `null` when nobody limited them. */
export function readRoom(kernel: KernelFiles, directory: string): number | null {
  const [, bytes] = / size=(\d+)/.exec(readMount(kernel, directory) ?? "") ?? [];
  return bytes === undefined ? null : Number(bytes);
}

/** A file of it may be open still: its memory is free, and what is left goes with the last one who has it open. */
function unmount(memory: ReturnType<typeof memoryOf>, directory: string): void {
  try {
    memory.unmount(directory);
  } catch (error) {
    if (!(error instanceof SysError && error.errno === errno.EBUSY)) throw error;
    memory.unmount(directory, "detach");
  }
}

/** What is mounted on a directory, as the value of a step; `null` when nothing is. */
export function readMount(kernel: KernelFiles, directory: string): string | null {
  const lines = (kernel.tryRead("/proc/self/mountinfo") ?? "").split("\n").map((line) => line.split(" - "));
  const line = lines.findLast(([left, right]) => right !== undefined && unescapeOctal(left.split(" ")[4]) === directory);
  if (line === undefined) return null;
  const [type, , superOptions] = line[1].split(" ");
  // A comma before a digit is within a list of nodes.
  const given = new Map(superOptions.split(/,(?!\d)/).map((option) => [option.split("=")[0], option]));
  const words = options.flatMap((name) => given.has(name) ? [canonical(name, given.get(name)!)] : []);
  return [type, ...words].join(" ");
}

/** The kernel prints a size in KiB, and pages of 1 GiB as 1024M. */
function canonical(name: string, option: string): string {
  const [, digits, letter] = /=(\d+)([kKmMgG]?)$/.exec(option) ?? [];
  if (digits === undefined || (name !== "size" && name !== "pagesize")) return option;
  const bytes = Number(digits) * 1024 ** ["", "k", "m", "g"].indexOf(letter.toLowerCase());
  return `${name}=${name === "size" ? bytes : shortSize(bytes)}`;
}

function shortSize(bytes: number): string {
  const [count, unit] = inLargestUnit(bytes, 4);
  return `${count}${["", "K", "M", "G"][unit]}`;
}
