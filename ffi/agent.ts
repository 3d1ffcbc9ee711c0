import type { Socket } from "node:net";
import { joined } from "./bytes.ts";
import { errno, SysError } from "./errors.ts";
import { controlKeeper, sendNow } from "./keeper.ts";

/** Bytes before the data of a frame: `struct nodeos_call_frame` and `struct nodeos_answer_frame`. */
const callBytes = 80, answerBytes = 32;
/** Largest frame, in bytes: `NODEOS_FRAME_MAX`. */
const frameBytesMax = 1 << 20;
/** What an agent finds on a connection may be a little larger: a whole body, or all that it has read. */
const foundBytesMax = frameBytesMax + (1 << 17);
/** What an agent is told besides calls: see `agent.h`. */
const agentNames = 0xa0000000, agentAttend = 0xa0000001;
const foundRequest = 1;

/** A request on its peer's connection that an agent does not answer by itself. */
export interface Found {
  /** `request`: one for calls, whose head is as usual; the next one comes later. `other`: whatever it is. */
  readonly kind: "request" | "other";
  /** The body of a request; of others everything that was read and not answered. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A process that executes system calls with the rights of one peer of the sidecar. It ends when it is disposed. */
export class Agent implements Disposable {
  readonly #waiting: PromiseWithResolvers<Uint8Array<ArrayBuffer>>[] = [];
  /** What came of the next answer, and how many bytes are needed to go on. */
  #parts: Uint8Array<ArrayBuffer>[] = [];
  #partBytes = 0;
  #wantedBytes = answerBytes;
  #isEnded = false;

  private constructor(
    /** The descriptor of its socket. */
    readonly fd: number,
    /** Its socket. */
    readonly socket: Socket,
  ) {
    socket.on("data", (chunk: Uint8Array) => this.#take(chunk));
    for (const event of ["end", "error", "close"] as const) socket.on(event, () => this[Symbol.dispose]());
  }

  /**
   * Starts one.
   *
   * @param directory The keeper's.
   * @param socketFd The connection that was accepted from the peer, on the sidecar's socket; it stays ours.
   * @throws {SysError} If the peer is gone, is not any more what it was when it connected, or lives in another root
   *   directory or namespace (`EPERM`), or if there are too many (`ENOSPC`).
   */
  static async start(directory: string, socketFd: number): Promise<Agent> {
    const { Socket } = await import("node:net");
    const fd = await controlKeeper(directory, "peer", socketFd);
    return new Agent(fd, new Socket({ fd, readable: true, writable: true }));
  }

  /**
   * Has a call executed. Calls of one agent are executed one after the other, in the order in which they were made.
   *
   * @param frame A whole `struct nodeos_call_frame` with its data.
   * @returns The whole `struct nodeos_answer_frame` with its data.
   * @throws {SysError} If the agent is gone (`EPIPE`), or the frame is larger than 1 MiB or not as large as it says (`EMSGSIZE`).
   */
  async call(frame: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    const isWhole = frame.length >= callBytes && frame.length <= frameBytesMax && sizeOf(frame) === frame.length;
    if (!isWhole) throw new SysError("have a call executed", errno.EMSGSIZE);
    return await this.#ask(frame);
  }

  /**
   * Tells it the names that requests use.
   *
   * @param names Each a `struct agent_name`, one after the other.
   * @throws {SysError} If the agent is gone (`EPIPE`).
   */
  teach(names: Uint8Array): void {
    this.#send(frameOf(agentNames, [], names));
  }

  /**
   * Has it attend to its peer's connection: it answers plain requests there by itself. Nobody else may read or write there
   * meanwhile, nor have calls executed.
   *
   * @param rest What the peer gets first.
   * @param unread What the peer has sent already, at most 64 KiB: only at the first time.
   * @returns The first request that is not plain.
   * @throws {SysError} If the agent is gone (`EPIPE`), as it is at the end of the connection.
   */
  async attend(rest: Uint8Array, unread: Uint8Array): Promise<Found> {
    const frame = frameOf(agentAttend, [rest.length, unread.length]);
    const answer = await this.#ask(joined([frame, rest, unread]));
    const value = new DataView(answer.buffer, answer.byteOffset).getUint32(24, true);
    return { kind: value === foundRequest ? "request" : "other", bytes: answer.subarray(answerBytes) };
  }

  #ask(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    const answered = Promise.withResolvers<Uint8Array<ArrayBuffer>>();
    this.#send(bytes);
    this.#waiting.push(answered);
    return answered.promise;
  }

  /** What the socket takes at once goes without the machinery of a stream. */
  #send(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#isEnded || this.socket.destroyed) throw gone();
    const sent = this.socket.writableLength > 0 ? 0 : sendNow(this.fd, bytes, bytes.length);
    if (sent < bytes.length) this.socket.write(bytes.subarray(sent));
  }

  #take(chunk: Uint8Array): void {
    // A copy: what is cut off a Buffer of Node's is not.
    this.#parts.push(new Uint8Array(chunk));
    this.#partBytes += chunk.length;
    if (this.#partBytes < this.#wantedBytes) return;
    let rest = joined(this.#parts);
    this.#wantedBytes = answerBytes;
    while (rest.length >= answerBytes) {
      const size = sizeOf(rest);
      // It is its peer's: what it says is looked at first.
      if (size < answerBytes || size > foundBytesMax || this.#waiting.length === 0) return this[Symbol.dispose]();
      if (size > rest.length) {
        this.#wantedBytes = size;
        break;
      }
      this.#waiting.shift()!.resolve(rest.subarray(0, size));
      rest = rest.subarray(size);
    }
    this.#parts = rest.length > 0 ? [rest] : [];
    this.#partBytes = rest.length;
  }

  /** Ends it, also in the middle of a call, which then fails with `EPIPE`. */
  [Symbol.dispose](): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.socket.destroy();
    for (const { reject } of this.#waiting.splice(0)) reject(gone());
  }
}

function gone(): SysError {
  return new SysError("have a call executed", errno.EPIPE);
}

function sizeOf(frame: Uint8Array): number {
  return new DataView(frame.buffer, frame.byteOffset).getUint32(0, true);
}

function frameOf(call: number, values: readonly number[], data: Uint8Array = new Uint8Array(0)): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(callBytes + data.length);
  const view = new DataView(frame.buffer);
  view.setUint32(0, frame.length, true);
  view.setUint32(16, call, true);
  values.forEach((value, index) => view.setUint32(32 + 8 * index, value, true));
  frame.set(data, callBytes);
  return frame;
}
