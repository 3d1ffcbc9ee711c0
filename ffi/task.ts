import { check } from "./errors.ts";
import { lazyLibrary } from "./library.ts";
import { struct } from "./struct.ts";

const library = lazyLibrary({
  // int32_t nodeos_sched_get(int32_t tid, struct nodeos_sched_attr *ret_attr);
  nodeos_sched_get: { parameters: ["i32", "buffer"], result: "i32" },
  // int32_t nodeos_sched_set(int32_t tid, const struct nodeos_sched_attr *attr);
  nodeos_sched_set: { parameters: ["i32", "buffer"], result: "i32" },
  // int32_t nodeos_affinity_get(int32_t tid, uint64_t *ret_mask);
  nodeos_affinity_get: { parameters: ["i32", "buffer"], result: "i32" },
  // int32_t nodeos_affinity_set(int32_t tid, const uint64_t *mask);
  nodeos_affinity_set: { parameters: ["i32", "buffer"], result: "i32" },
  // int32_t nodeos_mempolicy_get(int32_t *ret_mode, uint64_t *ret_mask);
  nodeos_mempolicy_get: { parameters: ["buffer", "buffer"], result: "i32" },
  // int32_t nodeos_mempolicy_set(int32_t mode, const uint64_t *mask);
  nodeos_mempolicy_set: { parameters: ["i32", "buffer"], result: "i32" },
  // int32_t nodeos_signal(int32_t pid, uint64_t start_ticks, int32_t signal);
  nodeos_signal: { parameters: ["i32", "u64", "i32"], result: "i32" },
  // int32_t nodeos_signal_ignore(int32_t signal);
  nodeos_signal_ignore: { parameters: ["i32"], result: "i32" },
});

/** `struct nodeos_sched_attr`: the kernel's `sched_attr` with the utilization clamps. */
export const SchedAttrLayout = struct({
  size: "u32",
  policy: "u32",
  flags: "u64",
  nice: "i32",
  priority: "u32",
  runtimeNs: "u64",
  deadlineNs: "u64",
  periodNs: "u64",
  utilMin: "u32",
  utilMax: "u32",
});

/** Words of a CPU mask and of a node mask (64 bits each); `NODEOS_CPU_WORDS`, `NODEOS_NODE_WORDS`. */
export const cpuWords = 64;
/** See {@link cpuWords}. */
export const nodeWords = 16;

/** Scheduling policies of sched(7). */
export const policies = { other: 0, fifo: 1, rr: 2, batch: 3, idle: 5, deadline: 6 } as const;
/** Memory policies of set_mempolicy(2). */
export const memoryModes = { default: 0, preferred: 1, bind: 2, interleave: 3 } as const;
/** `SCHED_FLAG_RESET_ON_FORK`: children start under the default policy. */
export const resetOnFork = 1n;

/** How a thread is scheduled; fields that do not belong to the policy are 0. */
export interface Scheduling {
  /** One of {@link policies}. */
  readonly policy: number;
  /** `SCHED_FLAG_*` bits. */
  readonly flags?: bigint;
  /** Nice value, -20 to 19, of `other` and `batch`. */
  readonly nice?: number;
  /** Priority 1 to 99 of `fifo` and `rr`. */
  readonly priority?: number;
  /** Budget of `deadline` in each period, in nanoseconds. */
  readonly runtimeNs?: bigint;
  /** Relative deadline of `deadline`, in nanoseconds. */
  readonly deadlineNs?: bigint;
  /** Period of `deadline`, in nanoseconds. */
  readonly periodNs?: bigint;
}

/** Encodes scheduling as `struct sched_attr`. */
export function encodeScheduling(scheduling: Scheduling): Uint8Array<ArrayBuffer> {
  const buffer = new Uint8Array(SchedAttrLayout.size);
  SchedAttrLayout.write(buffer, { size: SchedAttrLayout.size, ...scheduling });
  return buffer;
}

/** Reads how a thread is scheduled; `tid` 0 is the calling thread. Throws a `SysError` (`ESRCH` when it is gone). */
export function getScheduling(tid: number): Required<Scheduling> {
  const buffer = new Uint8Array(SchedAttrLayout.size);
  check(library().nodeos_sched_get(tid, buffer), () => `read the scheduling of thread ${tid}`);
  const { policy, flags, nice, priority, runtimeNs, deadlineNs, periodNs } = SchedAttrLayout.read(buffer);
  return { policy, flags, nice, priority, runtimeNs, deadlineNs, periodNs };
}

/** Gives a thread another scheduling. Only `lib/plan/` may: everything else makes steps. */
export function setScheduling(tid: number, scheduling: Scheduling): void {
  check(library().nodeos_sched_set(tid, encodeScheduling(scheduling)), () => `set the scheduling of thread ${tid}`);
}

/** Gives a thread other CPUs. Only `lib/plan/` may: everything else makes steps. */
export function setAffinity(tid: number, cpus: Iterable<number>): void {
  check(library().nodeos_affinity_set(tid, maskOf(cpus, cpuWords)), () => `set the affinity of thread ${tid}`);
}

/** Memory policy of the calling thread: one of {@link memoryModes} and the NUMA nodes it is about. */
export function getMemoryPolicy(): { mode: number; nodes: number[] } {
  const mode = new Int32Array(1);
  const mask = new BigUint64Array(nodeWords);
  check(library().nodeos_mempolicy_get(mode, mask), () => "read the memory policy");
  return { mode: mode[0], nodes: numbersOf(mask) };
}

/** Sets the memory policy of the calling thread. */
export function setMemoryPolicy(mode: number, nodes: Iterable<number>): void {
  check(library().nodeos_mempolicy_set(mode, maskOf(nodes, nodeWords)), () => "set the memory policy");
}

/** CPUs that a thread may run on, ascending; `tid` 0 is the calling thread. */
export function getAffinity(tid: number): number[] {
  const mask = new BigUint64Array(cpuWords);
  check(library().nodeos_affinity_get(tid, mask), () => `read the affinity of thread ${tid}`);
  return numbersOf(mask);
}

function numbersOf(mask: BigUint64Array): number[] {
  const numbers: number[] = [];
  mask.forEach((word, index) => {
    for (let bit = 0; word !== 0n; bit++, word >>= 1n) if (word & 1n) numbers.push(index * 64 + bit);
  });
  return numbers;
}

/** A CPU or node mask of `words` 64-bit words. Throws a `RangeError` for a number that does not fit. */
export function maskOf(numbers: Iterable<number>, words: number): BigUint64Array<ArrayBuffer> {
  const mask = new BigUint64Array(words);
  for (const number of numbers) {
    if (!(Number.isInteger(number) && number >= 0 && number < words * 64)) {
      throw new RangeError(`Cannot put ${number} into a mask of ${words * 64} bits`);
    }
    mask[number >> 6] |= 1n << BigInt(number & 63);
  }
  return mask;
}

/** Sends a signal to exactly the process that started at `startTicks` (field 22 of its stat); false when it is gone. */
export function sendSignal(pid: number, startTicks: bigint, signal: number): boolean {
  const result = library().nodeos_signal(pid, startTicks, signal);
  if (result === -3) return false;
  check(result, () => `send signal ${signal} to process ${pid}`);
  return true;
}

/** Ignores a signal, by its number, which the programs that we start then do as well. */
export function ignoreSignal(signal: number): void {
  check(library().nodeos_signal_ignore(signal), () => `ignore signal ${signal}`);
}
