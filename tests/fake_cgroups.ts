import { errno, SysError } from "../ffi/errors.ts";
import { formatCpuList, parseCpuList } from "../lib/kernel/cpulist.ts";
import type { FakeKernel } from "./fake_kernel.ts";

/** One mounted hierarchy of a {@link FakeKernel}. */
export interface FakeHierarchy {
  /** Path of its root. */
  readonly mount: string;
  /** Type, source and options, as mountinfo has them. */
  readonly type: string;
  /** Makes a cgroup with its files, at their defaults. */
  make(path: string): void;
  /** Removes a cgroup that is empty. */
  remove(path: string): void;
  /**
   * Writes to a file of a cgroup that exists.
   *
   * @param value What is written, without space around it.
   * @param text The same, with it.
   */
  write(path: string, value: string, text: string): void;
}

const erange = 34;
/** Where a fake machine has its cgroups. */
export const root = "/sys/fs/cgroup";

/** Directories directly below one. */
export function childrenOf(kernel: FakeKernel, path: string): string[] {
  return [...kernel.directories].filter((directory) => directory.slice(0, directory.lastIndexOf("/")) === path).sort();
}

/** The kernel's refusal of a write. */
export function refuse(path: string, error: number): never {
  throw new SysError(`write ${path}`, error);
}

/** A list as the kernel prints it; numbers that this machine cannot have are refused. */
export function list(path: string, value: string, count: number): string {
  let numbers: number[];
  try {
    numbers = parseCpuList(value);
  } catch {
    refuse(path, errno.EINVAL);
  }
  if (numbers.some((number) => number >= count)) refuse(path, erange);
  return formatCpuList(numbers);
}

/** Whether two lists share a number. */
export function overlap(a: string, b: string): boolean {
  const numbers = new Set(parseCpuList(a));
  return parseCpuList(b).some((number) => numbers.has(number));
}

/** A limit as the kernel prints it: rounded down to its grain. */
export function amount(path: string, value: string, grain: number): string {
  if (value === "max") return value;
  if (!/^\d+$/.test(value)) refuse(path, errno.EINVAL);
  // More than a number holds exactly: no limit at all on version 1.
  return `${BigInt(value) / BigInt(grain) * BigInt(grain)}`;
}

/** Splits a path into its cgroup and the name of the file. */
export function split(path: string): { directory: string; name: string } {
  const at = path.lastIndexOf("/");
  return { directory: path.slice(0, at), name: path.slice(at + 1) };
}
