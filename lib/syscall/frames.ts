/**
 * System calls with their data as frames on a stream: to an agent that executes them, and to a handler that decides them.
 * The layout is that of `struct nodeos_call_frame` and `struct nodeos_answer_frame` in `ffi/native/board.h`.
 *
 * @module
 */

import type { ArgumentKind, Call } from "./table.ts";

/** Largest frame, in bytes; its header counts. */
export const frameBytesMax = 1 << 20;
/** Bytes before the data of a call. */
export const callHeaderBytes = 80;
/** Bytes before the data of an answer. */
export const answerHeaderBytes = 32;
/** Byte count of a data block that stands for NULL, and in an answer for data that is left alone. */
const absent = 0xffffffff;

/** What an answer says: `enum nodeos_verdict`. */
export const verdicts = { value: 0, forward: 1, allow: 2, content: 3 } as const;

/** A data block: bytes, or `null` for NULL. */
export type Data = Uint8Array | null;

/** A call on its way. */
export interface CallFrame {
  /** Of the journal; the answer repeats it. */
  readonly slot: number;
  /** Of the call; the answer repeats it. */
  readonly id: bigint;
  /** The call's number. */
  readonly number: number;
  /** The thread that calls; 0 to an agent. */
  readonly tid: number;
  /** Its file-system user. */
  readonly uid: number;
  /** Its file-system group. */
  readonly gid: number;
  /** The six arguments as they were. */
  readonly arguments: readonly (number | bigint)[];
  /** The data of what the call reads, at the position of its argument. */
  readonly data: readonly (Data | undefined)[];
}

/** An answer on its way. */
export interface AnswerFrame {
  /** Of the call. */
  readonly slot: number;
  /** Of the call. */
  readonly id: bigint;
  /** One of {@link verdicts}. */
  readonly verdict: number;
  /** The result, or a negative error number; a number where that is exact. */
  readonly value: number | bigint;
  /** What the call filled, at the position of its argument; of `content` the only block, at 0. */
  readonly data: readonly (Data | undefined)[];
}

/** A frame that breaks the layout; the connection that it came from is of no use any more. */
export class FrameError extends Error {
  /** Always `FrameError`. */
  override readonly name = "FrameError";
}

/** Whether a call frame has a data block for an argument. */
export function isRead(kind: ArgumentKind): boolean {
  return kind === "path" || kind === "text" || kind === "in" || kind === "inSized";
}

/** Whether an answer frame has a data block for an argument. */
export function isFilled(kind: ArgumentKind): boolean {
  return kind === "out" || kind === "outSized";
}

/**
 * Encodes a call for an agent.
 *
 * @param id What the answer repeats.
 * @param number The call's number.
 * @param values The arguments; of buffers nothing but 0 for NULL counts.
 * @param data What the call reads, at the position of its argument; `null` is NULL.
 * @throws {RangeError} If the frame would be larger than {@link frameBytesMax}.
 */
export function encodeCall(
  call: Call,
  id: number,
  number: number,
  values: readonly (number | bigint)[],
  data: readonly (Data | undefined)[],
): Uint8Array<ArrayBuffer> {
  let size = callHeaderBytes;
  for (let i = 0; i < call.arguments.length; i++) if (isRead(call.arguments[i].kind)) size += 4 + (data[i]?.length ?? 0);
  if (size > frameBytesMax) {
    throw new RangeError(`Cannot make ${call.name} with ${size} bytes of arguments: a call takes ${frameBytesMax} bytes at most`);
  }
  const frame = new Uint8Array(size);
  const view = new DataView(frame.buffer);
  view.setUint32(0, size, true);
  putInteger(view, 8, id);
  view.setUint32(16, number, true);
  for (let i = 0; i < values.length; i++) putInteger(view, 32 + 8 * i, values[i]);
  putBlocks(frame, view, callHeaderBytes, call, isRead, data);
  return frame;
}

/**
 * Decodes a call that somebody made. The data are views of `frame`.
 *
 * @throws {FrameError} If the frame is not as the call's arguments say.
 */
export function decodeCall(call: Call, frame: Uint8Array): CallFrame {
  const view = viewOf(frame, callHeaderBytes);
  return {
    slot: view.getUint32(4, true),
    id: view.getBigUint64(8, true),
    number: view.getUint32(16, true),
    tid: view.getUint32(20, true),
    uid: view.getUint32(24, true),
    gid: view.getUint32(28, true),
    arguments: Array.from({ length: 6 }, (_, index) => integerAt(view, 32 + 8 * index)),
    data: blocksOf(frame, view, callHeaderBytes, call, isRead),
  };
}

/** The number of the call in a frame. */
export function callNumberOf(frame: Uint8Array): number {
  return viewOf(frame, callHeaderBytes).getUint32(16, true);
}

/**
 * Encodes an answer.
 *
 * @param call What was called.
 * @param answer Slot and id of the call, and what became of it.
 * @throws {RangeError} If the frame would be larger than {@link frameBytesMax}.
 */
export function encodeAnswer(call: Call, { slot, id, verdict, value, data }: AnswerFrame): Uint8Array<ArrayBuffer> {
  const isContent = verdict === verdicts.content;
  const filled = isContent ? [data[0]] : call.arguments.map(({ kind }, index) => isFilled(kind) ? data[index] : undefined);
  const count = isContent ? 1 : call.arguments.filter(({ kind }) => isFilled(kind)).length;
  const size = answerHeaderBytes + 4 * count + filled.reduce((sum, block) => sum + (block?.length ?? 0), 0);
  if (size > frameBytesMax) {
    throw new RangeError(`Cannot answer ${call.name} with ${size} bytes: an answer takes ${frameBytesMax} bytes at most`);
  }
  const frame = new Uint8Array(size);
  const view = new DataView(frame.buffer);
  view.setUint32(0, size, true);
  view.setUint32(4, slot, true);
  view.setBigUint64(8, id, true);
  view.setUint32(16, verdict, true);
  putInteger(view, 24, value);
  if (isContent) putBlock(frame, view, answerHeaderBytes, data[0]);
  else putBlocks(frame, view, answerHeaderBytes, call, isFilled, data);
  return frame;
}

/**
 * Decodes an answer. The data are views of `frame`.
 *
 * @throws {FrameError} If the frame is not as the call's arguments say.
 */
export function decodeAnswer(call: Call, frame: Uint8Array): AnswerFrame {
  const view = viewOf(frame, answerHeaderBytes);
  const verdict = view.getUint32(16, true);
  const data = verdict === verdicts.content
    ? [blockAt(frame, view, answerHeaderBytes)]
    : verdict === verdicts.value
    ? blocksOf(frame, view, answerHeaderBytes, call, isFilled)
    : [];
  return {
    slot: view.getUint32(4, true),
    id: view.getBigUint64(8, true),
    verdict,
    value: integerAt(view, 24),
    data,
  };
}

/** Cuts a stream of bytes into frames, each of which begins with its size. */
export class FrameCutter {
  #rest = new Uint8Array(0);

  /** A cutter of frames that are at least `sizeBytesMin` long. */
  constructor(readonly sizeBytesMin: number) {}

  /**
   * Takes what came, and gives the frames that are complete now.
   *
   * @throws {FrameError} If a frame says that it is shorter or longer than frames are.
   */
  take(bytes: Uint8Array): Uint8Array[] {
    const all = new Uint8Array(this.#rest.length + bytes.length);
    all.set(this.#rest);
    all.set(bytes, this.#rest.length);
    const view = new DataView(all.buffer);
    const frames: Uint8Array[] = [];
    let at = 0;
    while (all.length - at >= 4) {
      const size = view.getUint32(at, true);
      if (size < this.sizeBytesMin || size > frameBytesMax) throw new FrameError(`Cannot read a frame: it says to have ${size} bytes`);
      if (all.length - at < size) break;
      frames.push(all.subarray(at, at + size));
      at += size;
    }
    this.#rest = all.slice(at);
    return frames;
  }
}

function viewOf(frame: Uint8Array, headerBytes: number): DataView {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (frame.length >= headerBytes && view.getUint32(0, true) === frame.length) return view;
  throw new FrameError(`Cannot read a frame of ${frame.length} bytes: its header is cut off, or names another size`);
}

/** Two words instead of a bigint: most values are small, and a bigint is an object. */
function putInteger(view: DataView, at: number, value: number | bigint): void {
  if (typeof value === "bigint") return view.setBigInt64(at, BigInt.asIntN(64, value), true);
  view.setUint32(at, value >>> 0, true);
  view.setInt32(at + 4, Math.floor(value / 2 ** 32), true);
}

function integerAt(view: DataView, at: number): number | bigint {
  const value = view.getInt32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
  return Number.isSafeInteger(value) ? value : view.getBigInt64(at, true);
}

function putBlocks(
  frame: Uint8Array,
  view: DataView,
  start: number,
  call: Call,
  has: (kind: ArgumentKind) => boolean,
  data: readonly (Data | undefined)[],
): void {
  let at = start;
  for (let i = 0; i < call.arguments.length; i++) if (has(call.arguments[i].kind)) at = putBlock(frame, view, at, data[i]);
}

function putBlock(frame: Uint8Array, view: DataView, at: number, block: Data | undefined): number {
  view.setUint32(at, block?.length ?? absent, true);
  if (block) frame.set(block, at + 4);
  return at + 4 + (block?.length ?? 0);
}

function blocksOf(
  frame: Uint8Array,
  view: DataView,
  start: number,
  call: Call,
  has: (kind: ArgumentKind) => boolean,
): (Data | undefined)[] {
  const data: (Data | undefined)[] = [];
  let at = start;
  for (let i = 0; i < call.arguments.length; i++) {
    if (!has(call.arguments[i].kind)) continue;
    const block = blockAt(frame, view, at);
    data[i] = block;
    at += 4 + (block?.length ?? 0);
  }
  if (at !== frame.length) throw new FrameError(`Cannot read a frame of ${call.name}: ${frame.length - at} bytes are left over`);
  return data;
}

function blockAt(frame: Uint8Array, view: DataView, at: number): Data {
  const size = at + 4 <= frame.length ? view.getUint32(at, true) : 0;
  if (size === absent) return null;
  if (at + 4 + size > frame.length) throw new FrameError(`Cannot read a frame of ${frame.length} bytes: its data are cut off`);
  return frame.subarray(at + 4, at + 4 + size);
}
