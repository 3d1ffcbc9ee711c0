import { check, errno, SysError } from "./errors.ts";
import { cstr, lazyLibrary } from "./library.ts";
import { struct } from "./struct.ts";

const library = lazyLibrary({
  // int32_t nodeos_msr_open(const char *root, int32_t driver);
  nodeos_msr_open: { parameters: ["buffer", "i32"], result: "i32" },
  // int32_t nodeos_msr_close(int32_t handle);
  nodeos_msr_close: { parameters: ["i32"], result: "i32" },
  // int32_t nodeos_msr_read(int32_t handle, const uint64_t *requests, int32_t count, uint64_t *ret_values, int32_t *ret_errors, int64_t *ret_times);
  nodeos_msr_read: { parameters: ["i32", "buffer", "i32", "buffer", "buffer", "buffer"], result: "i32" },
  // int32_t nodeos_msr_write(int32_t handle, int32_t cpu, uint32_t address, uint64_t value, uint64_t mask);
  nodeos_msr_write: { parameters: ["i32", "i32", "u32", "u64", "u64"], result: "i32" },
  // int32_t nodeos_msr_mask(uint32_t address, uint64_t *ret_mask);
  nodeos_msr_mask: { parameters: ["u32", "buffer"], result: "i32" },
});

const samplerLibrary = lazyLibrary({
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

const deviceLibrary = lazyLibrary({
  // int32_t nodeos_perf_open(const uint64_t *events, int32_t count, int32_t pid, int32_t cpu);
  nodeos_perf_open: { parameters: ["buffer", "i32", "i32", "i32"], result: "i32" },
  // int32_t nodeos_perf_read(int32_t handle, uint64_t *ret_values, int32_t capacity, int64_t *ret_times);
  nodeos_perf_read: { parameters: ["i32", "buffer", "i32", "buffer"], result: "i32" },
  // int32_t nodeos_perf_close(int32_t handle);
  nodeos_perf_close: { parameters: ["i32"], result: "i32" },
  // int32_t nodeos_hsmp(int32_t socket, uint32_t message, const uint32_t *words, int32_t count, uint32_t *ret_words);
  nodeos_hsmp: { parameters: ["i32", "u32", "buffer", "i32", "buffer"], result: "i32" },
  // int32_t nodeos_nvml_count(void);
  nodeos_nvml_count: { parameters: [], result: "i32" },
  // int32_t nodeos_nvml_get(int32_t card, int32_t fact, int64_t *ret_value);
  nodeos_nvml_get: { parameters: ["i32", "i32", "buffer"], result: "i32" },
  // int32_t nodeos_nvml_set_limit(int32_t card, int64_t milliwatts);
  nodeos_nvml_set_limit: { parameters: ["i32", "i64"], result: "i32" },
  // int32_t nodeos_nvml_uuid(int32_t card, uint8_t *ret_text, int32_t size);
  nodeos_nvml_uuid: { parameters: ["i32", "buffer", "i32"], result: "i32" },
});

/** Whose device files are used: the kernel's `msr`, or `msr-safe`, a module for users who are not root. */
export type MsrDriver = "msr" | "msr-safe";

const driverNumber: Readonly<Record<MsrDriver, number>> = { "msr": 0, "msr-safe": 1 };

/** One register of one CPU. */
export interface MsrRequest {
  /** The kernel's number of the CPU. */
  readonly cpu: number;
  /** Number of the register. */
  readonly address: number;
}

/** Registers that were read in one call. */
export interface MsrReading {
  /** CLOCK_MONOTONIC before the first one was read, in nanoseconds. */
  readonly atNs: bigint;
  /** How long reading took, in nanoseconds. */
  readonly tookNs: number;
  /** Values in the order of the requests; 0 where there is an error. */
  readonly values: BigUint64Array<ArrayBuffer>;
  /** 0, or the negative error number of each: -5 (EIO) for a register that is not there, -6 (ENXIO) for a CPU that is off. */
  readonly errors: Int32Array<ArrayBuffer>;
}

/** Reads registers, of a machine or of what stands for one. */
export interface MsrReader {
  /** Reads all in one go. Errors of single ones are in the result. */
  read(requests: readonly MsrRequest[]): MsrReading;
}

/** Registers in the form that the library takes: the CPU in the upper, the register in the lower half. */
function pack(requests: readonly MsrRequest[]): BigUint64Array<ArrayBuffer> {
  return BigUint64Array.from(requests, ({ cpu, address }) => BigInt(cpu) << 32n | BigInt(address));
}

/**
 * The devices of model-specific registers, below `dev/cpu` of a root.
 *
 * On the running machine and on a file system in user space (FUSE) a register lies at its own number. In a directory that
 * stands for a machine the devices are plain files, and each register has eight bytes of its own, at eight times its number.
 */
export class MsrDevices implements MsrReader, Disposable {
  #handle: number;
  #packed: { readonly requests: readonly MsrRequest[]; readonly words: BigUint64Array<ArrayBuffer> } | undefined;

  /**
   * Opens the directory; devices are opened when they are first read.
   *
   * @param base `/`, or the directory that stands for it.
   * @throws {SysError} `ENOENT` when there are no such devices, `EOPNOTSUPP` when the machine is no x86.
   */
  constructor(readonly base: string, readonly driver: MsrDriver = "msr") {
    this.#handle = check(library().nodeos_msr_open(cstr(base), driverNumber[driver]), () => `open ${this.path("N")}`);
  }

  /** The device of a CPU, for messages. */
  path(cpu: number | "N"): string {
    return `${this.base === "/" ? "" : this.base}/dev/cpu/${cpu}/${this.driver === "msr" ? "msr" : "msr_safe"}`;
  }

  /** See {@link MsrReader.read}. One call of the library; the same array again is not packed again. */
  read(requests: readonly MsrRequest[]): MsrReading {
    if (this.#packed?.requests !== requests) this.#packed = { requests, words: pack(requests) };
    const values = new BigUint64Array(requests.length);
    const errors = new Int32Array(requests.length);
    const times = new BigInt64Array(2);
    const { words } = this.#packed;
    check(
      library().nodeos_msr_read(this.#handle, words, requests.length, values, errors, times),
      () => `read ${requests.length} registers`,
    );
    return { atNs: times[0], tookNs: Number(times[1] - times[0]), values, errors };
  }

  /**
   * Gives those bits of a register a value that `mask` names; the others keep theirs.
   *
   * @throws {SysError} `EACCES` when the library does not write these bits: it has a list of its own.
   */
  write({ cpu, address }: MsrRequest, value: bigint, mask: bigint): void {
    const action = () => `write 0x${value.toString(16)} to register 0x${address.toString(16)} in ${this.path(cpu)}`;
    check(library().nodeos_msr_write(this.#handle, cpu, address, value, mask), action);
  }

  /** Closes all devices; again does nothing. */
  [Symbol.dispose](): void {
    if (this.#handle >= 0) library().nodeos_msr_close(this.#handle);
    this.#handle = -1;
  }
}

/** The bits of a register that the library writes; 0 for most registers. */
export function msrWriteMask(address: number): bigint {
  const mask = new BigUint64Array(1);
  library().nodeos_msr_mask(address, mask);
  return mask[0];
}

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
    const handle = samplerLibrary().nodeos_sampler_start(cstr(base), wish, pack(requests));
    this.#handle = check(handle, () => `sample ${requests.length} registers every ${periodNs} ns`);
    this.#count = requests.length;
    this.#recordBytes = 32 + 8 * (Math.ceil(this.#count / 64) + this.#count);
    this.#records = new Uint8Array(this.#recordBytes * Math.min(capacity, Math.max(1, Math.floor(2 ** 20 / this.#recordBytes))));
  }

  /** Samples since the last call, oldest first, as many as fit in a megabyte; numbers that are left out were overwritten. */
  read(): Sample[] {
    const count = check(
      samplerLibrary().nodeos_sampler_read(this.#handle, this.#next, this.#head, this.#records, this.#records.length),
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
    check(samplerLibrary().nodeos_sampler_read(this.#handle, 0n, this.#head, this.#records, 0), () => "look at a sampler");
    const { head, missed, failed, scheduling, placement } = RingLayout.read(this.#head);
    return { sampleCount: Number(head), missedCount: Number(missed), failedCount: Number(failed), scheduling, placement };
  }

  /** A descriptor of the ring for another process, to map read-only; the caller closes it. */
  ringFd(): number {
    return check(samplerLibrary().nodeos_sampler_fd(this.#handle), () => "share the ring of a sampler");
  }

  /** A descriptor that ends the thread when a number above 0 (8 bytes) is written to it; the caller closes it. */
  stopFd(): number {
    return check(samplerLibrary().nodeos_sampler_stop_fd(this.#handle), () => "share the end of a sampler");
  }

  /** Ends the thread and frees the ring; again does nothing. */
  [Symbol.dispose](): void {
    if (this.#handle >= 0) samplerLibrary().nodeos_sampler_stop(this.#handle);
    this.#handle = -1;
  }
}

function wholeNs(periodNs: number): bigint {
  return Number.isFinite(periodNs) ? BigInt(Math.floor(periodNs)) : -1n;
}

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
    this.#handle = check(deviceLibrary().nodeos_perf_open(words, events.length, pid, cpu), () => `count ${events.length} events`);
  }

  /** All values at once, with the time that they were enabled and running, in nanoseconds. */
  read(): { atNs: bigint; tookNs: number; enabledNs: bigint; runningNs: bigint; values: bigint[] } {
    const words = new BigUint64Array(2 + this.events.length);
    const times = new BigInt64Array(2);
    check(deviceLibrary().nodeos_perf_read(this.#handle, words, words.length, times), () => `read ${this.events.length} counters`);
    const [enabledNs, runningNs, ...values] = words;
    return { atNs: times[0], tookNs: Number(times[1] - times[0]), enabledNs, runningNs, values };
  }

  /** Closes them; again does nothing. */
  [Symbol.dispose](): void {
    if (this.#handle >= 0) deviceLibrary().nodeos_perf_close(this.#handle);
    this.#handle = -1;
  }
}

/** The system management port of AMD's servers. */
export interface ManagementPort {
  /** Sends a message to a socket and returns the words that come back. Throws a `SysError`: `EACCES` for one that is not on our list. */
  call(socket: number, message: number, words?: readonly number[]): number[];
}

/** That of the running machine, `/dev/hsmp`. */
export const managementPort: ManagementPort = {
  call(socket, message, words = []) {
    const answer = new Uint32Array(8);
    const sent = Uint32Array.from(words.length > 0 ? words : [0]);
    const count = deviceLibrary().nodeos_hsmp(socket, message, sent, words.length, answer);
    check(count, () => `send message 0x${message.toString(16)} to the management port of package ${socket}`);
    return [...answer.subarray(0, count)];
  },
};

const cardFacts = {
  powerMilliwatts: 0,
  energyMillijoules: 1,
  limitMilliwatts: 2,
  limitMinMilliwatts: 3,
  limitMaxMilliwatts: 4,
  limitDefaultMilliwatts: 5,
  temperatureDegrees: 6,
  clockMegahertz: 7,
} as const;

/** What is known of a graphics card. */
export type CardFact = keyof typeof cardFacts;

/** Graphics cards that a driver's library knows. */
export interface Cards {
  /** How many there are; 0 without the library. */
  count(): number;
  /** The name that a card keeps for ever. */
  uuid(card: number): string;
  /** A fact, in the unit of its name; `null` when the card has none. */
  fact(card: number, fact: CardFact): number | null;
  /** Sets the power limit; needs root. */
  setLimit(card: number, milliwatts: number): void;
}

/** Those of the running machine, through `libnvidia-ml.so.1` when it is there. */
export const cards: Cards = {
  count() {
    const count = deviceLibrary().nodeos_nvml_count();
    if (count === -errno.ENOENT || count === -errno.ENODEV) return 0;
    return check(count, () => "count graphics cards");
  },
  uuid(card) {
    const text = new Uint8Array(96);
    const length = check(deviceLibrary().nodeos_nvml_uuid(card, text, text.length), () => `read the name of graphics card ${card}`);
    return new TextDecoder().decode(text.subarray(0, length - 1));
  },
  fact(card, fact) {
    const value = new BigInt64Array(1);
    const result = deviceLibrary().nodeos_nvml_get(card, cardFacts[fact], value);
    if (result === -errno.EOPNOTSUPP) return null;
    check(result, () => `read ${fact} of graphics card ${card}`);
    return Number(value[0]);
  },
  setLimit(card, milliwatts) {
    if (!Number.isInteger(milliwatts)) throw new SysError(`set a power limit of ${milliwatts} mW`, errno.EINVAL);
    const result = deviceLibrary().nodeos_nvml_set_limit(card, BigInt(milliwatts));
    check(result, () => `set the power limit of graphics card ${card} to ${milliwatts} mW`);
  },
};
