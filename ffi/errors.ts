import { lazyLibrary } from "./library.ts";

const library = lazyLibrary({
  // int32_t nodeos_errno_text(int32_t error, uint8_t *ret_text, int32_t size);
  nodeos_errno_text: { parameters: ["i32", "buffer", "i32"], result: "i32" },
});

/** A refusal of the kernel. `errno` is positive, `code` its name (`EBUSY`). */
export class SysError extends Error {
  /** Always `SysError`. */
  override readonly name = "SysError";
  /** Symbolic name of the error, such as `EBUSY`. */
  readonly code: string;

  /**
   * A refusal of one call.
   *
   * @param action What was being done, as the words after "Cannot".
   * @param errno The kernel's error number, positive.
   * @param options `cause`, and `hint`: what would be right.
   */
  constructor(readonly action: string, readonly errno: number, options: ErrorOptions & { hint?: string } = {}) {
    const { code, words } = errnoText(errno);
    super(`Cannot ${action}: ${code} (${words.toLowerCase()})${options.hint ? `; ${options.hint}` : ""}`, options);
    this.code = code;
  }
}

/** Name and words of an error number, as the C library has them. */
export function errnoText(errno: number): { code: string; words: string } {
  const buffer = new Uint8Array(256);
  const length = library().nodeos_errno_text(errno, buffer, buffer.length);
  if (length < 0) return { code: `E${errno}`, words: "unknown error" };
  const [code, words] = new TextDecoder().decode(buffer.subarray(0, length)).split("\0");
  return { code, words };
}

/** Returns a native result that is not negative; otherwise throws the `SysError` of what `action` names. */
export function check(result: number, action: () => string): number {
  if (result < 0) throw new SysError(action(), -result);
  return result;
}

/** Error numbers that callers tell apart. */
export const errno = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  ENOTDIR: 20,
  EINVAL: 22,
  EFBIG: 27,
  ENOSPC: 28,
  EPIPE: 32,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  ENODATA: 61,
  EMSGSIZE: 90,
  EOPNOTSUPP: 95,
  ETIMEDOUT: 110,
  ECANCELED: 125,
} as const;
