import { check, errno } from "./errors.ts";
import { cstr, lazyLibrary } from "./library.ts";

const library = lazyLibrary({
  // int32_t nodeos_papi_version(void);
  nodeos_papi_version: { parameters: [], result: "i32" },
  // int32_t nodeos_papi_describe(const char *name, int32_t *ret_types, uint8_t *ret_text, int32_t size);
  nodeos_papi_describe: { parameters: ["buffer", "buffer", "buffer", "i32"], result: "i32" },
  // int32_t nodeos_papi_open(const char *names, int32_t size, int32_t count, int32_t pid, int32_t *ret_errors);
  nodeos_papi_open: { parameters: ["buffer", "i32", "i32", "i32", "buffer"], result: "i32" },
  // int32_t nodeos_papi_read(int32_t handle, int64_t *ret_values, int32_t *ret_errors, int32_t capacity, int64_t *ret_times);
  nodeos_papi_read: { parameters: ["i32", "buffer", "buffer", "i32", "buffer"], result: "i32" },
  // int32_t nodeos_papi_close(int32_t handle);
  nodeos_papi_close: { parameters: ["i32"], result: "i32" },
});

/** What PAPI says of an event. */
export interface PapiDescription {
  /** In words; may be empty. */
  readonly doc: string;
  /** Its unit as the component of PAPI writes it, such as `nJ`; often empty. */
  readonly unit: string;
  /** Whether the 64 bits of its values are a double; otherwise they are a whole number. */
  readonly isDouble: boolean;
  /** Whether it is the value of a moment, and not something that grows. */
  readonly isMoment: boolean;
}

/** Values of events that were read together. */
export interface PapiReading {
  /** CLOCK_MONOTONIC before the first one was read, in nanoseconds. */
  readonly atNs: bigint;
  /** How long reading took, in nanoseconds. */
  readonly tookNs: number;
  /** The 64 bits of each, in the order of the events; 0 where there is an error. */
  readonly values: BigInt64Array<ArrayBuffer>;
  /** 0, or the negative error number of each. */
  readonly errors: Int32Array<ArrayBuffer>;
}

const doubleType = 2;
const momentScope = 3;

/** Version of PAPI's library, such as `7.0`; `null` when there is none that we can use. */
export function papiVersion(): string | null {
  const version = library().nodeos_papi_version();
  return version < 0 ? null : `${version >> 8}.${version & 0xff}`;
}

/**
 * What PAPI says of an event; `null` when it knows none of that name. An event of software that nobody registered yet exists, and
 * has no description.
 *
 * @throws {SysError} `ENOENT` without the library, another one when the event's component is not there.
 */
export function describePapiEvent(name: string): PapiDescription | null {
  check(library().nodeos_papi_version(), () => "load libpapi.so.7");
  const types = new Int32Array(2);
  const text = new Uint8Array(2048);
  const length = library().nodeos_papi_describe(cstr(name), types, text, text.length);
  if (length === -errno.ENOENT) return null;
  check(length, () => `find the event ${name} of PAPI`);
  const [doc, unit] = new TextDecoder().decode(text.subarray(0, length)).split("\0");
  return { doc, unit, isDouble: types[0] === doubleType, isMoment: types[1] === momentScope };
}

/** Events of PAPI that are counted and read together, from when it is made until it is disposed. */
export class PapiEvents implements Disposable {
  /** 0, or the negative error number of each event that could not be counted. */
  readonly errors: Int32Array<ArrayBuffer>;
  #handle: number;

  /**
   * Starts to count, in the thread that calls.
   *
   * @param names As `papi_native_avail` and `papi_avail` list them.
   * @param pid Whose events, if they are those of a process: its first thread, and what that starts later; this process by default.
   * @throws {SysError} `ENOENT` without the library, `EINVAL` for a wrong number of events. Errors of single ones are in `errors`.
   */
  constructor(readonly names: readonly string[], { pid = 0 }: { readonly pid?: number } = {}) {
    this.errors = new Int32Array(Math.max(names.length, 1));
    const all = names.map((name) => cstr(name));
    const bytes = new Uint8Array(all.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const name of all) {
      bytes.set(name, at);
      at += name.length;
    }
    this.#handle = check(
      library().nodeos_papi_open(bytes, bytes.length, names.length, pid, this.errors),
      () => `count ${names.length} events of PAPI`,
    );
  }

  /** All values since the start, or now, as is the event's manner. */
  read(): PapiReading {
    const values = new BigInt64Array(this.names.length);
    const errors = new Int32Array(this.names.length);
    const times = new BigInt64Array(2);
    check(
      library().nodeos_papi_read(this.#handle, values, errors, values.length, times),
      () => `read ${this.names.length} events of PAPI`,
    );
    return { atNs: times[0], tookNs: Number(times[1] - times[0]), values, errors };
  }

  /** Stops counting; again does nothing. */
  [Symbol.dispose](): void {
    if (this.#handle >= 0) library().nodeos_papi_close(this.#handle);
    this.#handle = -1;
  }
}
