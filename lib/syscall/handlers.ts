/**
 * System calls that TypeScript decides: a function for each call, asked over a socket of the container's forwarder.
 *
 * @module
 */

import type { Socket } from "node:net";
import { connectHandler } from "../../ffi/keeper.ts";
import { SysError } from "../../ffi/errors.ts";
import { didYouMean, UsageError } from "../errors.ts";
import { type Architecture, hostArchitecture } from "./arch.ts";
import { callHeaderBytes, callNumberOf, decodeCall, encodeAnswer, FrameCutter, verdicts } from "./frames.ts";
import { answerOf, type HandledCall, handledCall, type Handler, type HandlerResult } from "./handling.ts";
import { type Call, callNamed, callNumbered, calls } from "./table.ts";

export type { HandledArgument, HandledCall, Handler, HandlerResult } from "./handling.ts";

/** A forwarder that died has a successor soon. */
const reconnectMs = 50;
const reconnectsMax = 100;
const answerMsMaxUsual = 30_000;
/** Timers cannot be set for longer, and fire at once. */
const timerMsMax = 2 ** 31 - 1;

/** What decides how calls are taken over. */
export interface HandlerOptions {
  /** Takes what a caller is not told: handlers that threw or answered what cannot be. Their calls fail with EIO. */
  readonly onError?: (error: unknown) => void;
  /** Whose calls they are; those of this machine by default. */
  readonly architecture?: Architecture;
  /** A call that has no answer by then fails with EIO, in milliseconds; 30 s by default, Infinity waits as long as its caller. */
  readonly answerMsMax?: number;
  /** Connects to the forwarder, and gives a descriptor of a stream socket. */
  readonly connect?: () => Promise<number>;
}

/** Handlers that are connected; their calls fail once it is disposed. */
export interface ConnectedHandlers extends AsyncDisposable {
  /** Resolves when they were disposed; rejects when the forwarder is gone for good. */
  readonly ended: Promise<void>;
}

/**
 * Takes over calls of a container: those whose policy is `handle`. Each call is handled as soon as it comes, whether or
 * not others have been answered. When the forwarder dies, they are connected to its successor. Needs root.
 *
 * @param directory Of the container's forwarder.
 * @param handlers By the names of calls, as the kernel has them.
 * @returns When the forwarder knows them.
 * @throws {UsageError} If there is no such call.
 * @throws {SysError} If there is no forwarder.
 */
export async function connectHandlers(
  directory: string,
  handlers: Readonly<Record<string, Handler>>,
  options: HandlerOptions = {},
): Promise<ConnectedHandlers> {
  const architecture = options.architecture ?? hostArchitecture() ?? "x86_64";
  const connection = new HandlerConnection(byNumber(handlers, architecture), {
    onError: console.error,
    answerMsMax: answerMsMaxUsual,
    connect: () => connectHandler(directory),
    ...options,
    architecture,
  });
  await connection.open();
  return connection;
}

function byNumber(handlers: Readonly<Record<string, Handler>>, architecture: Architecture): ReadonlyMap<number, Handler> {
  return new Map(
    Object.entries(handlers).map(([name, handler]) => {
      const number = callNamed(name)?.numbers[architecture];
      if (number !== undefined && typeof handler === "function") return [number, handler] as const;
      throw new UsageError(
        number === undefined
          ? `Cannot handle ${JSON.stringify(name)}: ${architecture} has no such call${didYouMean(name, calls.map(({ name }) => name))}`
          : `Cannot handle ${name}: its handler is no function`,
        { remedy: 'Export handlers by the names of calls, as in { openat: (call) => "forward" }' },
      );
    }),
  );
}

class HandlerConnection implements ConnectedHandlers {
  readonly ended: Promise<void>;
  #socket: Socket | undefined;
  #isDisposed = false;
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  readonly #end = Promise.withResolvers<void>();

  constructor(readonly handlers: ReadonlyMap<number, Handler>, readonly options: Required<HandlerOptions>) {
    this.ended = this.#end.promise;
    // Who does not ask how it ended need not be told.
    this.ended.catch(() => {});
  }

  /** Connects, and says which calls are handled. */
  async open(): Promise<void> {
    const { Socket } = await import("node:net");
    const socket = new Socket({ fd: await this.options.connect(), readable: true, writable: true });
    if (this.#isDisposed) return void socket.destroy();
    this.#socket = socket;
    const cutter = new FrameCutter(callHeaderBytes);
    socket.on("data", (chunk) => {
      try {
        for (const frame of cutter.take(chunk)) this.#handle(frame, socket).catch((error) => this.#spoiled(error, socket));
      } catch (error) {
        this.#spoiled(error, socket);
      }
      // Callers wait in threads of the forwarder: as many as can be answered are taken, and no more.
      if (socket.writableNeedDrain) socket.pause();
    });
    socket.on("drain", () => socket.resume());
    socket.on("error", () => socket.destroy());
    socket.on("close", () => void this.#closed());
    socket.write(registration([...this.handlers.keys()]));
  }

  async #handle(frame: Uint8Array, socket: Socket): Promise<void> {
    const number = callNumberOf(frame);
    const call = callNumbered(this.options.architecture, number);
    const handler = this.handlers.get(number);
    if (call === undefined || handler === undefined) throw new Error(`Cannot handle call ${number}: it was never registered`);
    const answer = await this.#answer(call, handler, frame);
    if (!socket.destroyed) socket.write(answer);
  }

  /** What came is none of the protocol: nobody knows where the next frame begins. */
  #spoiled(error: unknown, socket: Socket): void {
    this.options.onError(error);
    socket.destroy();
  }

  /** A handler that fails is no reason for its caller to wait. */
  async #answer(call: Call, handler: Handler, frame: Uint8Array): Promise<Uint8Array> {
    const { slot, id, ...rest } = decodeCall(call, frame);
    try {
      const handled: HandledCall = handledCall(call, { slot, id, ...rest }, this.options.architecture);
      return encodeAnswer(call, { slot, id, ...answerOf(call, handled, await this.#inTime(handler(handled))) });
    } catch (cause) {
      this.options.onError(
        new Error(`Cannot handle ${call.name} of thread ${rest.tid}: ${cause instanceof Error ? cause.message : cause}`, { cause }),
      );
      return encodeAnswer(call, { slot, id, verdict: verdicts.value, value: -ioError, data: [] });
    }
  }

  /** Its caller waits in a thread of the forwarder, and nobody can interrupt it. */
  async #inTime(result: HandlerResult | Promise<HandlerResult>): Promise<HandlerResult> {
    const { answerMsMax } = this.options;
    if (!(result instanceof Promise) || answerMsMax > timerMsMax) return await result;
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      reject(new Error(`its handler has not answered in ${answerMsMax / 1000} s`));
    }, answerMsMax);
    this.#timers.add(timer);
    try {
      return await Promise.race([result, promise]);
    } finally {
      clearTimeout(timer);
      this.#timers.delete(timer);
    }
  }

  async #closed(): Promise<void> {
    this.#socket = undefined;
    for (let tries = 0; !this.#isDisposed; tries++) {
      try {
        return await this.open();
      } catch (error) {
        const isGone = error instanceof SysError && ["ENOENT", "ECONNREFUSED"].includes(error.code);
        if (isGone || tries >= reconnectsMax) return this.#end.reject(error);
        await new Promise((resolve) => setTimeout(resolve, reconnectMs));
      }
    }
    this.#end.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    if (this.#socket === undefined) this.#end.resolve();
    this.#socket?.destroy();
    for (const timer of this.#timers) clearTimeout(timer);
    await this.ended.catch(() => {});
  }
}

const ioError = 5;

/** What a handler says first: size, count, and the numbers of the calls. */
function registration(numbers: readonly number[]): Uint8Array {
  const message = new Uint8Array(4 * (2 + numbers.length));
  const view = new DataView(message.buffer);
  [message.length, numbers.length, ...numbers].forEach((word, index) => view.setUint32(4 * index, word, true));
  return message;
}
