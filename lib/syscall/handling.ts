/** What a handler of a system call sees and says. */

import type { Architecture } from "./arch.ts";
import { errnoNumber } from "./errno.ts";
import { type AnswerFrame, type CallFrame, type Data, frameBytesMax, isFilled, verdicts } from "./frames.ts";
import { bytesOf, type Call } from "./table.ts";

/**
 * An argument as a handler sees it: integers and descriptors as numbers (as bigints where a number is not exact), paths and
 * other names as text, what is read as bytes; `null` is NULL. What is filled is in `roomBytes` instead.
 */
export type HandledArgument = number | bigint | string | Uint8Array | null;

/** A call that a program of the container makes, and waits for. */
export interface HandledCall {
  /** As the kernel names it. */
  readonly name: string;
  /** Its number. */
  readonly number: number;
  /** The thread that calls. */
  readonly tid: number;
  /** Its file-system user. */
  readonly uid: number;
  /** Its file-system group. */
  readonly gid: number;
  /** By the names that `GET /v1/calls/NAME` has. */
  readonly arguments: Readonly<Record<string, HandledArgument>>;
  /** Paths and other names as bytes, since a name need not be UTF-8. */
  readonly bytes: Readonly<Record<string, Uint8Array>>;
  /** How much a handler may fill, by the name of the argument; NULL has none. */
  readonly roomBytes: Readonly<Record<string, number>>;
}

/** What becomes of a call. */
export type HandlerResult =
  /** The result. */
  | number
  | bigint
  /** As if the policy were `forward`, or `allow`. */
  | "forward"
  | "allow"
  /** The result, and what is filled, by the name of the argument. */
  | { readonly value: number | bigint; readonly out?: Readonly<Record<string, Uint8Array | string>> }
  /** An error, such as `ENOENT`. */
  | { readonly errno: string }
  /** A new descriptor of the caller's, of a file that holds this; close-on-exec if the caller asked for that. */
  | { readonly content: Uint8Array | string; readonly closeOnExec?: boolean };

/** Decides a call. What it throws is reported, and the call fails with EIO; so it does when no answer comes in time. */
export type Handler = (call: HandledCall) => HandlerResult | Promise<HandlerResult>;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const openCloseOnExec = 0o2000000;
const errnoMax = 4095;
/** The largest room: a frame has a header and sizes as well. */
const roomBytesMax = frameBytesMax - 4096;

/** The call of a frame, as its handler sees it. */
export function handledCall(call: Call, frame: CallFrame, architecture: Architecture): HandledCall {
  const args: Record<string, HandledArgument> = {};
  const bytes: Record<string, Uint8Array> = {};
  const roomBytes: Record<string, number> = {};
  call.arguments.forEach((argument, index) => {
    const { name, kind } = argument;
    const value = frame.arguments[index];
    if (isFilled(kind)) {
      if (value !== 0) roomBytes[name] = kind === "out" ? bytesOf(argument, architecture) : sizedRoom(frame.arguments[index + 1]);
    } else if (kind === "path" || kind === "text") {
      const data = frame.data[index] ?? null;
      args[name] = data === null ? null : decoder.decode(data);
      if (data !== null) bytes[name] = data;
    } else if (kind === "in" || kind === "inSized") {
      args[name] = frame.data[index] ?? null;
    } else {
      // Only the lower half of a register counts where the kernel takes an int.
      args[name] = kind === "fd" || kind === "dirfd" || kind === "openFlags" ? Number(BigInt.asIntN(32, BigInt(value))) : value;
    }
  });
  const { number, tid, uid, gid } = frame;
  return { name: call.name, number, tid, uid, gid, arguments: args, bytes, roomBytes };
}

/** Whoever asks for more than fits into an answer gets less, as calls that move data may do. */
function sizedRoom(count: number | bigint): number {
  return Math.min(Number(BigInt.asUintN(64, BigInt(count))), roomBytesMax);
}

/**
 * What a handler's result is in an answer.
 *
 * @throws {TypeError} If it is none, or does not fit the call.
 */
export function answerOf(call: Call, handled: HandledCall, result: HandlerResult): Pick<AnswerFrame, "verdict" | "value" | "data"> {
  if (result === "forward" || result === "allow") return { verdict: verdicts[result], value: 0, data: [] };
  if (typeof result === "number" || typeof result === "bigint") return { verdict: verdicts.value, value: integer(result), data: [] };
  if (typeof result !== "object" || result === null) throw new TypeError("its handler returned no result");
  if ("errno" in result) return { verdict: verdicts.value, value: -errnoOf(result.errno), data: [] };
  if ("content" in result) return content(call, handled, result);
  return { verdict: verdicts.value, value: integer(result.value), data: filled(call, handled, result.out ?? {}) };
}

function integer(value: unknown): number | bigint {
  if (typeof value === "bigint" || Number.isSafeInteger(value)) return value as number | bigint;
  throw new TypeError(`its handler returned ${value}, which is no whole number`);
}

function errnoOf(name: string): number {
  const number = errnoNumber(name);
  if (number !== undefined && number <= errnoMax) return number;
  throw new TypeError(`its handler returned the error ${JSON.stringify(name)}, which Linux does not have`);
}

function content(
  call: Call,
  handled: HandledCall,
  result: HandlerResult & { content: unknown },
): Pick<AnswerFrame, "verdict" | "value" | "data"> {
  if (!call.traits.includes("descriptor")) throw new TypeError("its handler returned content, and it returns no descriptor");
  const { content, closeOnExec } = result as { content: Uint8Array | string; closeOnExec?: boolean };
  const { flags } = handled.arguments;
  const isClosed = closeOnExec ?? (typeof flags === "number" && (flags & openCloseOnExec) !== 0);
  return { verdict: verdicts.content, value: isClosed ? openCloseOnExec : 0, data: [bytesFrom(content)] };
}

function filled(call: Call, { roomBytes }: HandledCall, out: Readonly<Record<string, Uint8Array | string>>): readonly (Data | undefined)[] {
  const data: (Data | undefined)[] = [];
  for (const [name, given] of Object.entries(out)) {
    const index = call.arguments.findIndex((argument) => argument.name === name && isFilled(argument.kind));
    if (index < 0) throw new TypeError(`its handler filled ${JSON.stringify(name)}, which it does not have`);
    const bytes = bytesFrom(given);
    const room = roomBytes[name] ?? 0;
    if (bytes.length > room) throw new TypeError(`its handler filled ${name} with ${bytes.length} bytes, and there is room for ${room}`);
    data[index] = bytes;
  }
  return data;
}

function bytesFrom(given: Uint8Array | string): Uint8Array {
  if (given instanceof Uint8Array) return given;
  if (typeof given === "string") return encoder.encode(given);
  throw new TypeError("its handler returned data that are neither bytes nor text");
}
