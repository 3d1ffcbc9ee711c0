import { check, errno, SysError } from "./errors.ts";
import { cstr, lazyLibrary } from "./library.ts";

const library = lazyLibrary({
  // int32_t nodeos_relay_start(int32_t to_fd, const char *prefix);
  nodeos_relay_start: { parameters: ["i32", "buffer"], result: "i32" },
  // int32_t nodeos_relay_end(int32_t write_fd);
  nodeos_relay_end: { parameters: ["i32"], result: "i32", nonblocking: true },
});

/**
 * A pipe whose lines come out of another descriptor, each after a prefix and in one piece, so that several programs can
 * share it. A native thread carries them; a line of more than 64 KiB becomes several, and the last one gets its newline.
 */
export class LineRelay implements AsyncDisposable {
  /** The end to write to, for `stdio` of programs; they do not inherit it otherwise. */
  readonly fd: number;
  #isEnded = false;

  /**
   * Opens one.
   *
   * @param toFd Where the lines come out. When it takes no more, the pipe breaks.
   * @param prefix What each line begins with.
   */
  constructor(readonly toFd: number, readonly prefix: string) {
    this.fd = check(library().nodeos_relay_start(toFd, cstr(prefix)), () => `pass lines on to descriptor ${toFd}`);
  }

  /**
   * Resolves when all that was written has come out; what processes write from now on is lost to them. A second time does
   * nothing. Throws a `SysError` when it could not come out (no space, for example), but not when its reader has left.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isEnded) return;
    this.#isEnded = true;
    const result = await library().nodeos_relay_end(this.fd);
    if (result < 0 && result !== -errno.EPIPE) throw new SysError(`pass lines on to descriptor ${this.toFd}`, -result);
  }
}
