import { check } from "./errors.ts";
import { lazyLibrary } from "./library.ts";

const library = lazyLibrary({
  // int32_t nodeos_perf_open(const uint64_t *events, int32_t count, int32_t pid, int32_t cpu);
  nodeos_perf_open: { parameters: ["buffer", "i32", "i32", "i32"], result: "i32" },
  // int32_t nodeos_perf_read(int32_t handle, uint64_t *ret_values, int32_t capacity, int64_t *ret_times);
  nodeos_perf_read: { parameters: ["i32", "buffer", "i32", "buffer"], result: "i32" },
  // int32_t nodeos_perf_close(int32_t handle);
  nodeos_perf_close: { parameters: ["i32"], result: "i32" },
});

/** An event of the kernel's counters. */
export interface PerfEvent {
  /** `type` of its source, as in sysfs. */
  readonly type: number;
  /** Its number there. */
  readonly config: bigint;
}

/** Counters of the kernel that are read together. They only count. */
export class PerfGroup implements Disposable {
  #handle: number;

  /**
   * Opens counters for a CPU, or for a process on any CPU.
   *
   * @throws {SysError} `EACCES` when `kernel.perf_event_paranoid` forbids it, `ENODEV` or `ENOENT` when there is no such event.
   */
  constructor(readonly events: readonly PerfEvent[], place: { readonly cpu: number } | { readonly pid: number }) {
    const [pid, cpu] = "cpu" in place ? [-1, place.cpu] : [place.pid, -1];
    const words = BigUint64Array.from(events.flatMap(({ type, config }) => [BigInt(type), config]));
    this.#handle = check(library().nodeos_perf_open(words, events.length, pid, cpu), () => `count ${events.length} events`);
  }

  /** All values at once, with the time that they were enabled and running, in nanoseconds. */
  read(): { atNs: bigint; tookNs: number; enabledNs: bigint; runningNs: bigint; values: bigint[] } {
    const words = new BigUint64Array(2 + this.events.length);
    const times = new BigInt64Array(2);
    check(library().nodeos_perf_read(this.#handle, words, words.length, times), () => `read ${this.events.length} counters`);
    const [enabledNs, runningNs, ...values] = words;
    return { atNs: times[0], tookNs: Number(times[1] - times[0]), enabledNs, runningNs, values };
  }

  /** Closes them; again does nothing. */
  [Symbol.dispose](): void {
    if (this.#handle >= 0) library().nodeos_perf_close(this.#handle);
    this.#handle = -1;
  }
}
