import { check } from "./errors.ts";
import { cstr, lazyLibrary } from "./library.ts";

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

/** Whose device files are used: the kernel's `msr`, or `msr-safe`, a module for users who are not root. */
export type MsrDriver = "msr" | "msr-safe";

/** The number by which the library knows the driver. */
export const driverNumber: Readonly<Record<MsrDriver, number>> = { "msr": 0, "msr-safe": 1 };

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
export function pack(requests: readonly MsrRequest[]): BigUint64Array<ArrayBuffer> {
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
