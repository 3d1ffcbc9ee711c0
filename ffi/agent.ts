import { check, errno, SysError } from "./errors.ts";
import { controlKeeper } from "./keeper.ts";
import { lazyLibrary } from "./library.ts";

const library = lazyLibrary({
  // int32_t nodeos_agent_call(int32_t fd, const uint8_t *frame, int32_t frame_size, uint8_t *ret_answer, int32_t answer_size, int32_t timeout_us);
  nodeos_agent_call: { parameters: ["i32", "buffer", "i32", "buffer", "i32", "i32"], result: "i32" },
  // int32_t nodeos_agent_wait(int32_t fd, uint8_t *ret_answer, int32_t answer_size);
  nodeos_agent_wait: { parameters: ["i32", "buffer", "i32"], result: "i32", nonblocking: true },
  // int32_t nodeos_shutdown(int32_t fd);
  nodeos_shutdown: { parameters: ["i32"], result: "i32" },
  // int32_t nodeos_close(int32_t fd);
  nodeos_close: { parameters: ["i32"], result: "i32" },
});

/** Largest frame, in bytes: `NODEOS_FRAME_MAX`. */
const frameBytesMax = 1 << 20;
/** Most calls are done by then; for a longer one a thread of Deno's waits, which costs some 20 us. */
const spinUs = 500;

/** For answers that come at once, of all agents: copied out before anything else happens. */
let answerRoom: Uint8Array<ArrayBuffer> | undefined;

/** A process that executes system calls with the rights of one peer of the sidecar. It ends when it is disposed. */
export class Agent implements Disposable {
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #isEnded = false;

  private constructor(
    /** Its socket. */
    readonly fd: number,
  ) {}

  /**
   * Starts one.
   *
   * @param directory The keeper's.
   * @param socketFd The connection that was accepted from the peer, on the sidecar's socket; it stays ours.
   * @throws {SysError} If the peer is gone, is not any more what it was when it connected, or lives in another root
   *   directory or namespace (`EPERM`), or if there are too many (`ENOSPC`).
   */
  static async start(directory: string, socketFd: number): Promise<Agent> {
    return new Agent(await controlKeeper(directory, "peer", socketFd));
  }

  /**
   * Has a call executed. Calls of one agent are executed one after the other, in the order in which they were made.
   *
   * @param frame A whole `struct nodeos_call_frame` with its data.
   * @returns The whole `struct nodeos_answer_frame` with its data.
   * @throws {SysError} If the agent is gone (`EPIPE`), or the frame is larger than 1 MiB or not as large as it says (`EMSGSIZE`).
   */
  async call(frame: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    const answered = this.#waiting === 0 ? this.#begin(frame) : null;
    if (answered !== null) return answered;
    const answer = this.#waiting === 0 ? this.#end() : this.#last.then(() => this.#begin(frame) ?? this.#end());
    this.#waiting++;
    this.#last = answer.then(() => this.#done(), () => this.#done());
    return await answer;
  }

  /** Gives the answer if it comes at once. */
  #begin(frame: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> | null {
    if (this.#isEnded) throw new SysError("have a call executed", errno.EPIPE);
    answerRoom ??= new Uint8Array(frameBytesMax);
    const bytes = library().nodeos_agent_call(this.fd, frame, frame.length, answerRoom, answerRoom.length, spinUs);
    return bytes === -errno.EAGAIN ? null : answerRoom.slice(0, check(bytes, () => "have a call executed"));
  }

  async #end(): Promise<Uint8Array<ArrayBuffer>> {
    const room = new Uint8Array(frameBytesMax);
    return room.subarray(0, check(await library().nodeos_agent_wait(this.fd, room, room.length), () => "have a call executed"));
  }

  #done(): void {
    this.#waiting--;
    if (this.#isEnded && this.#waiting === 0) library().nodeos_close(this.fd);
  }

  /** Ends it, also in the middle of a call, which then fails with `EPIPE`. */
  [Symbol.dispose](): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    library().nodeos_shutdown(this.fd);
    // A thread may still wait at the descriptor: its number must not become another one's before.
    if (this.#waiting === 0) library().nodeos_close(this.fd);
  }
}
