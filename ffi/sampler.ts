import { check } from "./errors.ts";
import { cstr, lazyLibrary } from "./library.ts";
import { driverNumber, type MsrDriver, type MsrRequest, pack } from "./msr.ts";
import { struct } from "./struct.ts";

const library = lazyLibrary({
  // int32_t nodeos_sampler_start(const char *root, const struct nodeos_sampler *sampler, const uint64_t *requests);
  nodeos_sampler_start: { parameters: ["buffer", "buffer", "buffer"], result: "i32" },
  // int32_t nodeos_sampler_fd(int32_t handle);
  nodeos_sampler_fd: { parameters: ["i32"], result: "i32" },
  // int32_t nodeos_sampler_stop_fd(int32_t handle);
  nodeos_sampler_stop_fd: { parameters: ["i32"], result: "i32" },
  // int32_t nodeos_sampler_read(int32_t handle, uint64_t sequence, uint8_t *ret_ring, uint8_t *ret_records, int32_t size);
  nodeos_sampler_read: { parameters: ["i32", "u64", "buffer", "buffer", "i32"], result: "i32" },
  // int32_t nodeos_sampler_stop(int32_t handle);
  nodeos_sampler_stop: { parameters: ["i32"], result: "i32" },
});

/** `struct nodeos_sampler`. */
export const SamplerLayout = struct({
  periodNs: "i64",
  count: "i32",
  capacity: "i32",
  driver: "i32",
  priority: "i32",
  cpu: "i32",
  reserved: "i32",
});

/** `struct nodeos_ring`: the head of the memory that a {@link Sampler} fills. */
export const RingLayout = struct({
  magic: "u32",
  version: "u32",
  count: "u32",
  capacity: "u32",
  recordBytes: "u32",
  firstOffset: "u32",
  periodNs: "i64",
  startNs: "i64",
  head: "u64",
  missed: "u64",
  failed: "u64",
  scheduling: "i32",
  placement: "i32",
});

/** What a {@link Sampler} shall do. */
export interface SamplerRequest {
  /** Registers of one sample. */
  readonly requests: readonly MsrRequest[];
  /** Time between samples, in nanoseconds; at least 10,000. */
  readonly periodNs: number;
  /** Samples that the ring keeps; 1024 by default. */
  readonly capacity?: number;
  /** Whose devices are read. */
  readonly driver?: MsrDriver;
  /** Real-time priority (SCHED_FIFO), 1 to 99; an ordinary thread by default. */
  readonly priority?: number;
  /** CPU that the thread runs on; any by default. */
  readonly cpu?: number;
}

/** Registers as the thread read them in one period. */
export interface Sample {
  /** Number of the sample, from 0. */
  readonly sequence: number;
  /** CLOCK_MONOTONIC before the first value, in nanoseconds. */
  readonly atNs: bigint;
  /** How long reading took, in nanoseconds. */
  readonly tookNs: number;
  /** Periods without a sample so far, since one before took too long. */
  readonly missedCount: number;
  /** Values in the order of the requests; `null` where one could not be read. */
  readonly values: readonly (bigint | null)[];
}

/** What a sampler did so far. */
export interface SamplerState {
  /** Samples that were written. */
  readonly sampleCount: number;
  /** Periods without a sample, since one before took too long. */
  readonly missedCount: number;
  /** Values that could not be read. */
  readonly failedCount: number;
  /** Whether real-time priority is as asked for: 0, or the negative error number. */
  readonly scheduling: number;
  /** The same, of the CPU. */
  readonly placement: number;
}

/**
 * A native thread that reads registers in every period into a ring in shared memory. JavaScript reads samples when it has time.
 * Disposing ends the thread.
 */
export class Sampler implements Disposable {
  #handle: number;
  #next = 0n;
  readonly #count: number;
  readonly #recordBytes: number;
  readonly #head = new Uint8Array(RingLayout.size);
  readonly #records: Uint8Array<ArrayBuffer>;

  /**
   * Starts the thread.
   *
   * @param base `/`, or the directory that stands for it.
   * @throws {SysError} `EINVAL` for a period, a number of registers or of samples that is out of range, `ENOENT` without devices.
   */
  constructor(base: string, request: SamplerRequest) {
    const { requests, periodNs, capacity = 1024, driver = "msr", priority = 0, cpu = -1 } = request;
    const wish = new Uint8Array(SamplerLayout.size);
    SamplerLayout.write(wish, {
      periodNs: wholeNs(periodNs),
      count: requests.length,
      capacity,
      driver: driverNumber[driver],
      priority,
      cpu,
    });
    const handle = library().nodeos_sampler_start(cstr(base), wish, pack(requests));
    this.#handle = check(handle, () => `sample ${requests.length} registers every ${periodNs} ns`);
    this.#count = requests.length;
    this.#recordBytes = 32 + 8 * (Math.ceil(this.#count / 64) + this.#count);
    this.#records = new Uint8Array(this.#recordBytes * Math.min(capacity, Math.max(1, Math.floor(2 ** 20 / this.#recordBytes))));
  }

  /** Samples since the last call, oldest first, as many as fit in a megabyte; numbers that are left out were overwritten. */
  read(): Sample[] {
    const count = check(
      library().nodeos_sampler_read(this.#handle, this.#next, this.#head, this.#records, this.#records.length),
      () => "read samples",
    );
    const samples = Array.from({ length: count }, (_, index) => this.#decode(index * this.#recordBytes));
    if (samples.length > 0) this.#next = BigInt(samples[samples.length - 1].sequence + 1);
    return samples;
  }

  #decode(offset: number): Sample {
    const words = new BigUint64Array(this.#records.buffer, offset, this.#recordBytes / 8);
    const first = 4 + Math.ceil(this.#count / 64);
    const isValid = (index: number) => (words[4 + (index >> 6)] >> BigInt(index & 63) & 1n) === 1n;
    return {
      sequence: Number(words[0]),
      atNs: words[1],
      tookNs: Number(words[2]),
      missedCount: Number(words[3]),
      values: Array.from({ length: this.#count }, (_, index) => isValid(index) ? words[first + index] : null),
    };
  }

  /** What it did so far. */
  state(): SamplerState {
    check(library().nodeos_sampler_read(this.#handle, 0n, this.#head, this.#records, 0), () => "look at a sampler");
    const { head, missed, failed, scheduling, placement } = RingLayout.read(this.#head);
    return { sampleCount: Number(head), missedCount: Number(missed), failedCount: Number(failed), scheduling, placement };
  }

  /** CLOCK_MONOTONIC of the first period, in nanoseconds. */
  get startNs(): bigint {
    check(library().nodeos_sampler_read(this.#handle, 0n, this.#head, this.#records, 0), () => "look at a sampler");
    return RingLayout.read(this.#head).startNs;
  }

  /** A descriptor of the ring for another process, to map read-only; the caller closes it. */
  ringFd(): number {
    return check(library().nodeos_sampler_fd(this.#handle), () => "share the ring of a sampler");
  }

  /** A descriptor that ends the thread when a number above 0 (8 bytes) is written to it; the caller closes it. */
  stopFd(): number {
    return check(library().nodeos_sampler_stop_fd(this.#handle), () => "share the end of a sampler");
  }

  /** Ends the thread and frees the ring; again does nothing. */
  [Symbol.dispose](): void {
    if (this.#handle >= 0) library().nodeos_sampler_stop(this.#handle);
    this.#handle = -1;
  }
}

function wholeNs(periodNs: number): bigint {
  return Number.isFinite(periodNs) ? BigInt(Math.floor(periodNs)) : -1n;
}
