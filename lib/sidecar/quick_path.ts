import type { Socket } from "node:net";
import type { Connection } from "./connection.ts";
import { answerMsMax, headersMsMax, idleMsMax, requestMsMax } from "./limits.ts";
import { problemOf, problemType } from "./problem.ts";
import { QuickRequest } from "./quick_request.ts";
import type { SyscallService } from "./service.ts";

/** Where a connection goes whose requests are not plain, with what came so far; for good. */
export type HandOver = (socket: Socket, bytes: Uint8Array) => void;

/** What a quick path needs. */
export interface QuickParts {
  /** Executes requests. */
  readonly service: SyscallService;
  /** Takes over connections. */
  readonly handOver: HandOver;
  /** Sends the first bytes of a room on a connection without waiting, and says how many: quicker than a stream. */
  readonly send?: (socketFd: number, room: Uint8Array<ArrayBuffer>, byteCount: number) => number;
  /** Takes what the client is not told. */
  readonly log: (error: unknown) => void;
  /** What time it is, within a second: asking the clock for each request costs as much as reading one. */
  readonly clock: { readonly date: string };
}

const encoder = new TextEncoder();
/** Where an answer lies while it is sent. */
const room = new Uint8Array(16 * 1024);

/**
 * Answers plain requests for calls on a connection without any server in between: that halves their latency. The first
 * request that is another one hands the connection over.
 */
export class QuickPath {
  readonly #request = new QuickRequest();
  readonly #backlog: Uint8Array[] = [];
  #isBusy = false;
  #isEnded = false;
  #isHandedOver = false;
  /** Looks since something happened, and since a request began of which a part is here. */
  #quietLooks = 0;
  #partialLooks = 0;

  /** Serves a connection from now on. */
  constructor(readonly socket: Socket, readonly connection: Connection, readonly parts: QuickParts) {
    socket.on("data", this.#onData);
    socket.on("end", this.#onEnd);
    socket.on("error", this.#onError);
    socket.on("drain", this.#onDrain);
  }

  /** Whether another server serves the connection now. */
  get isHandedOver(): boolean {
    return this.#isHandedOver;
  }

  /** Closes the connection if its client is too slow, or has left it alone. Called every `lookMs`. */
  look(lookMs: number): void {
    if (this.#isHandedOver || this.#isBusy) return;
    this.#partialLooks = this.#request.isPartial ? this.#partialLooks + 1 : 0;
    const quietMs = this.#quietLooks++ * lookMs;
    const isSlow = this.#request.isPartial
      ? this.#partialLooks * lookMs > requestMsMax || quietMs > headersMsMax
      : this.socket.writableLength > 0
      ? quietMs > answerMsMax
      : !this.connection.hasAgent && quietMs > idleMsMax;
    if (isSlow) this.socket.destroy();
  }

  readonly #onData = (chunk: Uint8Array): void => {
    this.#quietLooks = 0;
    if (this.#isBusy) {
      // One that sends the next request early may do so, but not without end.
      this.#backlog.push(chunk);
      this.socket.pause();
      return;
    }
    const taken = this.#request.take(chunk);
    if (taken === "more") return;
    if ("body" in taken) void this.#answer(taken.body);
    else this.#handOver(taken.others);
  };

  readonly #onEnd = (): void => {
    this.#isEnded = true;
    if (!this.#isBusy) this.socket.end();
  };

  readonly #onError = (): void => {
    this.socket.destroy();
  };

  readonly #onDrain = (): void => {
    this.#quietLooks = 0;
    if (!this.#isBusy) this.socket.resume();
  };

  async #answer(body: Uint8Array): Promise<void> {
    this.#isBusy = true;
    try {
      this.#write(200, "application/json", await this.parts.service.answer(body, this.connection));
    } catch (error) {
      const problem = problemOf(error);
      if (problem.status === 500 && !this.socket.destroyed) this.parts.log(error);
      this.#write(problem.status, problemType, problem.details(), problem.endsConnection ? "connection: close\r\n" : "");
      if (problem.endsConnection) this.socket.end();
    }
    this.#isBusy = false;
    this.#quietLooks = 0;
    if (this.#backlog.length > 0) this.#goOn();
    if (this.#isEnded && !this.#isBusy) this.socket.end();
  }

  #goOn(): void {
    const chunks = this.#backlog.splice(0);
    if (!this.socket.writableNeedDrain) this.socket.resume();
    for (const chunk of chunks) {
      if (this.#isHandedOver) this.socket.emit("data", chunk);
      else this.#onData(chunk);
    }
  }

  #write(status: number, type: string, answer: unknown, more = ""): void {
    if (this.socket.destroyed) return;
    const body = `${JSON.stringify(answer)}\n`;
    const isAscii = !/[^\0-\x7f]/.test(body);
    const bytes = isAscii ? null : encoder.encode(body);
    const head =
      `HTTP/1.1 ${status} ${
        words[status] ?? "Error"
      }\r\ncontent-type: ${type}\r\ncache-control: no-store\r\n${more}date: ${this.parts.clock.date}\r\n` +
      `content-length: ${bytes?.length ?? body.length}\r\n\r\n`;
    const isTaken = bytes === null ? this.#writeText(head + body) : (this.socket.write(head, "latin1"), this.socket.write(bytes));
    if (!isTaken) this.socket.pause();
  }

  /** Sends ASCII, as far as the socket takes it at once without its stream. Says whether it takes more. */
  #writeText(text: string): boolean {
    const { send } = this.parts;
    if (send === undefined || text.length > room.length || this.socket.writableLength > 0) return this.socket.write(text, "latin1");
    encoder.encodeInto(text, room);
    const sent = send(this.connection.socketFd, room, text.length);
    return sent === text.length || this.socket.write(room.slice(sent, text.length));
  }

  #handOver(bytes: Uint8Array): void {
    this.#isHandedOver = true;
    this.socket.off("data", this.#onData);
    this.socket.off("end", this.#onEnd);
    this.socket.off("error", this.#onError);
    this.socket.off("drain", this.#onDrain);
    this.parts.handOver(this.socket, bytes);
  }
}

const words: Readonly<Record<number, string>> = {
  200: "OK",
  400: "Bad Request",
  403: "Forbidden",
  413: "Content Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
};
