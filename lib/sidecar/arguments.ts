import { didYouMean } from "../errors.ts";
import type { Architecture } from "../syscall/arch.ts";
import type { Data } from "../syscall/frames.ts";
import { type Argument, bytesOf, type Call } from "../syscall/table.ts";
import { parseInteger } from "./constants.ts";

/** An integer that an earlier call of the batch will have returned. */
export interface Reference {
  /** The `as` of that call. */
  readonly name: string;
}

/** The arguments of one call, as far as they are known before the batch runs. */
export interface Arguments {
  /** By position; of buffers that are there 1, and 0 of NULL. */
  readonly values: readonly (number | bigint | Reference)[];
  /** What the call reads, by position. */
  readonly data: readonly (Data | undefined)[];
}

/** Room to fill where nobody says how much. */
const roomBytesDefault = 4096;
const encoder = new TextEncoder();

/** What is wrong with one argument: a clause, after the name of the argument. */
class ArgumentFault extends Error {}

/**
 * Reads the arguments of a call from JSON.
 *
 * By position they are complete, in the order of C; or without what follows from the rest: buffers that the kernel fills,
 * and the byte count after data to read. Missing integers at the end are 0, and missing room is 4096 bytes. By name,
 * everything may be missing that has such a default; a missing directory is AT_FDCWD.
 *
 * @param given What the client wrote: an array, an object, or nothing.
 * @param names Names that `$name` may refer to.
 * @throws {RangeError} If an argument is wrong: `the call`, its argument, what is the case.
 */
export function readArguments(call: Call, given: unknown, architecture: Architecture, names: ReadonlySet<string>): Arguments {
  const byPosition = given === undefined ? [] : Array.isArray(given) ? positioned(call, given) : named(call, given);
  const values: (number | bigint | Reference)[] = [];
  const data: (Data | undefined)[] = [];
  for (let index = 0; index < call.arguments.length; index++) {
    const argument = call.arguments[index];
    try {
      readOne(argument, call.arguments[index - 1], byPosition[index], { index, values, data, architecture, names });
    } catch (error) {
      if (!(error instanceof ArgumentFault) && !(error instanceof RangeError)) throw error;
      throw new RangeError(`${call.name}: ${argument.name}: ${error.message}`);
    }
  }
  return { values, data };
}

/** Positions of the arguments that the short form has. */
export function shortForm(call: Call): readonly number[] {
  const short = shortForms.get(call);
  if (short !== undefined) return short;
  const positions = call.arguments.flatMap(({ kind }, index) =>
    kind === "out" || kind === "outSized" || call.arguments[index - 1]?.kind === "inSized" ? [] : [index]
  );
  shortForms.set(call, positions);
  return positions;
}

const shortForms = new WeakMap<Call, readonly number[]>();

function positioned(call: Call, given: readonly unknown[]): readonly unknown[] {
  const count = call.arguments.length;
  if (given.length === count) return given;
  const short = shortForm(call);
  if (given.length > short.length) {
    throw new RangeError(
      `${call.name}: ${given.length} arguments are given, and it has ${count}${
        short.length < count ? `, or ${short.length} without ${leftOut(call)}` : ""
      }`,
    );
  }
  const all: unknown[] = new Array(count);
  given.forEach((value, index) => all[short[index]] = value);
  return all;
}

function leftOut(call: Call): string {
  const short = new Set(shortForm(call));
  return call.arguments.filter((_, index) => !short.has(index)).map(({ name }) => name).join(" and ");
}

function named(call: Call, given: unknown): readonly unknown[] {
  if (typeof given !== "object" || given === null) {
    throw new RangeError(`${call.name}: its arguments are neither a list nor an object`);
  }
  const known = call.arguments.map(({ name }) => name);
  const all: unknown[] = new Array(known.length);
  for (const [name, value] of Object.entries(given)) {
    const index = known.indexOf(name);
    if (index < 0) {
      throw new RangeError(
        `${call.name}: it has no argument ${JSON.stringify(name.slice(0, 64))}${didYouMean(name.slice(0, 64), known)}; it has ${
          known.length > 0 ? known.join(", ") : "none"
        }`,
      );
    }
    all[index] = value;
  }
  return all;
}

interface Place {
  readonly index: number;
  readonly values: (number | bigint | Reference)[];
  readonly data: (Data | undefined)[];
  readonly architecture: Architecture;
  readonly names: ReadonlySet<string>;
}

function readOne(argument: Argument, before: Argument | undefined, given: unknown, place: Place): void {
  const { index, values, data, architecture } = place;
  switch (argument.kind) {
    case "path":
    case "text":
      data[index] = readText(given);
      break;
    case "in":
      data[index] = readStructure(given, bytesOf(argument, architecture));
      break;
    case "inSized":
      data[index] = readData(given);
      break;
    case "out":
    case "outSized":
      // A number or null there is the C programmer's address: the room is ours.
      values[index] = 1;
      return;
    case "pointer":
      throw new ArgumentFault("nobody but the program itself can use its pointers");
    default:
      if (before?.kind === "inSized") readByteCount(given, place);
      else values[index] = given === undefined ? missingInteger(argument, before) : readInteger(given, place);
      return;
  }
  values[index] = data[index] === null ? 0 : 1;
}

function missingInteger(argument: Argument, before: Argument | undefined): number {
  if (argument.kind === "dirfd") return -100;
  if (argument.kind === "fd") throw new ArgumentFault("it is missing");
  return before?.kind === "outSized" ? roomBytesDefault : 0;
}

/** The byte count of data: that of what was given, or fewer. */
function readByteCount(given: unknown, place: Place): void {
  const { index, values, data } = place;
  const available = data[index - 1]?.length ?? 0;
  const count = given === undefined || given === null ? available : readInteger(given, place);
  if (typeof count !== "number" || count < 0 || count > available) {
    throw new ArgumentFault(`it is not a number from 0 to ${available}, the bytes that are given`);
  }
  values[index] = count;
  data[index - 1] = data[index - 1]?.subarray(0, count) ?? null;
}

function readInteger(given: unknown, { architecture, names }: Place): number | bigint | Reference {
  if (typeof given === "number") {
    if (Number.isSafeInteger(given)) return given;
    throw new ArgumentFault(`${given} is no whole number up to 2^53; write larger ones as text`);
  }
  if (typeof given !== "string") throw new ArgumentFault("it is neither a number nor the text of one");
  if (!given.startsWith("$")) return parseInteger(given, architecture);
  const name = given.slice(1);
  if (names.has(name)) return { name };
  throw new ArgumentFault(`no earlier call is named ${JSON.stringify(name.slice(0, 64))} by "as"${didYouMean(name.slice(0, 64), names)}`);
}

function readText(given: unknown): Data {
  if (given === undefined) throw new ArgumentFault("it is missing");
  const bytes = readData(given);
  if (bytes?.includes(0)) throw new ArgumentFault("it contains a NUL byte");
  return bytes;
}

function readData(given: unknown): Data {
  if (given === null || given === undefined) return null;
  if (typeof given === "string") return readWellFormed(given);
  const [key, value, ...more] = typeof given === "object" ? Object.entries(given).flat() : [];
  if (key === "base64" && typeof value === "string" && more.length === 0) return readBase64(value);
  if (key === "words" && Array.isArray(value) && more.length === 0) return readWords(value);
  throw new ArgumentFault('it is neither text, nor { "base64": TEXT }, nor { "words": [64-bit integers] }, nor null');
}

/** Half a letter has no bytes: the encoder would write another one. */
function readWellFormed(text: string): Uint8Array {
  if (text.isWellFormed()) return encoder.encode(text);
  throw new ArgumentFault('it has half a surrogate pair; write its bytes as { "base64": TEXT }');
}

function readBase64(text: string): Uint8Array {
  try {
    return Uint8Array.fromBase64(text);
  } catch {
    throw new ArgumentFault("its base64 is none");
  }
}

/** A structure of 64-bit words, such as times: [seconds, nanoseconds, ...]. */
function readWords(given: readonly unknown[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(8 * given.length));
  given.forEach((word, index) => {
    if (!Number.isSafeInteger(word)) throw new ArgumentFault(`word ${index} is no whole number`);
    view.setBigInt64(8 * index, BigInt(word as number), true);
  });
  return new Uint8Array(view.buffer);
}

function readStructure(given: unknown, bytes: number): Data {
  const data = readData(given);
  if (data === null || data.length === bytes) return data;
  throw new ArgumentFault(`it has ${data.length} bytes, and the structure has ${bytes}`);
}
