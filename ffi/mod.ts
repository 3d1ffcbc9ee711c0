/**
 * Facts about this process, this kernel and the library itself. The other files of this folder hold the rest, each with
 * the functions that it registers.
 *
 * @module
 */

import { lazyLibrary } from "./library.ts";

const library = lazyLibrary({
  // int32_t nodeos_layout(int32_t type, int32_t field);
  nodeos_layout: { parameters: ["i32", "i32"], result: "i32" },
  // int64_t nodeos_clock_ns(void);
  nodeos_clock_ns: { parameters: [], result: "i64" },
  // int32_t nodeos_uid(void);
  nodeos_uid: { parameters: [], result: "i32" },
  // int64_t nodeos_capabilities(void);
  nodeos_capabilities: { parameters: [], result: "i64" },
  // int32_t nodeos_syscall_probe(int32_t which);
  nodeos_syscall_probe: { parameters: ["i32"], result: "i32" },
});

/** Structures whose layout the library can tell; `layouts` in `native/abi.c`. */
export const layoutTypes = { schedAttr: 0, launch: 1, launched: 2, noise: 3, sampler: 4, ring: 5 } as const;

/** Offset of a field of a C structure as the compiler laid it out, in bytes; its size for field -1; negative when there is none. */
export function layoutOf(type: number, field: number): number {
  return library().nodeos_layout(type, field);
}

/** Nanoseconds of CLOCK_MONOTONIC. */
export function clockNs(): bigint {
  return library().nodeos_clock_ns();
}

/** Effective user id of this process; 0 is root. */
export function effectiveUid(): number {
  return library().nodeos_uid();
}

/** Effective capabilities of this process, one bit each as in capabilities(7). */
export function capabilities(): bigint {
  return library().nodeos_capabilities();
}

/** What {@link probeSyscall} can ask for; the numbers are those of `native/task.c`. */
export const syscallProbes = { userfaultfd: 0, seccompNotify: 1, clone3: 2, pidfdOpen: 3, openat2: 4, landlock: 5 } as const;

/** 1 when this process may use a system call, 0 when the kernel lacks it, a negative error number otherwise; for `landlock` its version. */
export function probeSyscall(which: keyof typeof syscallProbes): number {
  return library().nodeos_syscall_probe(syscallProbes[which]);
}
