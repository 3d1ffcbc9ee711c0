import { errnoText } from "../../ffi/errors.ts";
import { didYouMean } from "../errors.ts";
import type { Architecture } from "../syscall/arch.ts";
import { errnoName } from "../syscall/errno.ts";
import { type AnswerFrame, decodeAnswer, encodeCall, frameBytesMax } from "../syscall/frames.ts";
import { type Call, callNamed, callsByNumber } from "../syscall/table.ts";
import { type Arguments, readArguments } from "./arguments.ts";
import { Problem } from "./problem.ts";
import { type Decoded, decodeStructure } from "./structures.ts";

/** Calls of one request. */
export const batchCallsMax = 1000;
/** After so much data nothing more of a request is executed: its answer is held in memory as a whole. */
const answerBytesMax = 8 << 20;
/** A request gives way to others after so long. */
const turnMsMax = 2;
/** `ECANCELED`: the kernel was not asked. */
const canceled = 125;
/** Room for the header and the sizes of a frame. */
const frameOverheadBytes = 256;

/** What executes call frames; the answers come in the order of the calls. */
export interface Executor {
  /** Executes one call frame and gives the answer frame. */
  call(frame: Uint8Array<ArrayBuffer>): Promise<Uint8Array>;
}

/** One call of a batch, checked. */
interface PreparedCall extends Arguments {
  readonly call: Call;
  readonly number: number;
  /** The name that later calls refer to its result by. */
  readonly as?: string;
}

/** Calls that are executed one after the other. */
export interface Batch {
  /** In their order. */
  readonly calls: readonly PreparedCall[];
  /** Whether nothing is executed after a call that fails. */
  readonly stopOnError: boolean;
  /** How data come back: as base64, or as text where they are UTF-8. */
  readonly encoding: "base64" | "text";
}

/** What the kernel filled. */
export interface Filled {
  /** The bytes. */
  readonly base64?: string;
  /** The bytes as text, where the client asked for it and they are UTF-8. */
  readonly text?: string;
  /** The structure, where we know it. */
  readonly decoded?: Decoded;
}

/** A call that was executed. */
export interface CallSuccess {
  /** The result; text where a number is not exact. */
  readonly value: number | string;
  /** What was filled, by the name of the argument. */
  readonly out?: Readonly<Record<string, Filled>>;
}

/** A call that failed, or was not executed. */
export interface CallFailure {
  /** Name of the error, such as `ENOENT`. */
  readonly errno: string;
  /** Its number on this machine. */
  readonly number: number;
  /** The error in words. */
  readonly message: string;
}

/** What became of one call. */
export type CallResult = CallSuccess | CallFailure;

/** The answer to a batch. */
export interface BatchAnswer {
  /** One for each call, in their order. */
  readonly results: readonly CallResult[];
  /** Position of the first call that failed. */
  readonly failed?: number;
}

/**
 * Reads a batch of calls from JSON.
 *
 * @throws {Problem} If it is none (400), or too large (413); nothing is executed then.
 */
export function readBatch(body: unknown, architecture: Architecture): Batch {
  const { calls, stopOnError = true, encoding = "base64", ...rest } = objectOf(body, "Cannot read the request");
  refuseOthers(rest, ["calls", "stopOnError", "encoding"], "Cannot read the request");
  if (!Array.isArray(calls)) throw new Problem(400, 'Cannot read the request: "calls" is not a list', example);
  if (calls.length > batchCallsMax) {
    throw new Problem(413, `Cannot make ${calls.length} calls in one request: the most is ${batchCallsMax}`);
  }
  if (typeof stopOnError !== "boolean") throw new Problem(400, 'Cannot read the request: "stopOnError" is neither true nor false');
  if (encoding !== "base64" && encoding !== "text") {
    throw new Problem(400, 'Cannot read the request: "encoding" is neither "base64" nor "text"');
  }
  const names = new Set<string>();
  return { calls: calls.map((call, index) => readCall(call, index, architecture, names)), stopOnError, encoding };
}

const example = 'As in { "calls": [{ "call": "getpid" }] }';

function readCall(given: unknown, index: number, architecture: Architecture, names: Set<string>): PreparedCall {
  const what = `Cannot make call ${index}`;
  const { call: name, args, as, ...rest } = objectOf(given, what);
  refuseOthers(rest, ["call", "args", "as"], what);
  if (typeof name !== "string") throw new Problem(400, `${what}: "call" is not the name of a system call`, example);
  const call = callNamed(name);
  const number = call?.numbers[architecture];
  if (call === undefined || number === undefined) throw unknownCall(what, name, call, architecture);
  if (as !== undefined && (typeof as !== "string" || !/^[A-Za-z_]\w{0,63}$/.test(as))) {
    throw new Problem(400, `${what}: "as" is no name`, "Write letters, digits and _, as in file");
  }
  try {
    const read = readArguments(call, args, architecture, names);
    const dataBytes = read.data.reduce((sum, data) => sum + (data?.length ?? 0), 0);
    if (dataBytes > frameBytesMax - frameOverheadBytes) throw new Problem(413, `${what}: it has ${dataBytes} bytes of data`);
    if (as !== undefined) {
      if (names.has(as)) throw new RangeError(`an earlier call is named ${JSON.stringify(as)} already`);
      names.add(as);
    }
    return { call, number, as, ...read };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new Problem(400, `${what}: ${error.message}`);
  }
}

function unknownCall(what: string, name: string, call: Call | undefined, architecture: Architecture): Problem {
  if (call !== undefined) return new Problem(400, `${what}: ${architecture} has no ${name}`);
  const known = [...callsByNumber(architecture).values()].map(({ name }) => name);
  const shown = name.slice(0, 64);
  // The kernel numbers what C programs call pread as pread64, and stat as newfstatat.
  const longer = known.find((other) => other === `${shown}64` || other === `new${shown}`);
  return new Problem(
    400,
    `${what}: there is no system call ${JSON.stringify(shown)}${
      longer === undefined ? didYouMean(shown, known) : `; did you mean ${JSON.stringify(longer)}?`
    }`,
    "Write it as the kernel names it; GET /v1/policy has them all",
  );
}

function objectOf(given: unknown, what: string): Record<string, unknown> {
  if (typeof given === "object" && given !== null && !Array.isArray(given)) return given as Record<string, unknown>;
  throw new Problem(400, `${what}: it is no object`, example);
}

function refuseOthers(rest: Record<string, unknown>, known: readonly string[], what: string): void {
  for (const key in rest) {
    const shown = key.slice(0, 64);
    throw new Problem(400, `${what}: there is no ${JSON.stringify(shown)}${didYouMean(shown, known)}`, `There is ${known.join(", ")}`);
  }
}

/**
 * Executes a batch. A call whose reference has no value, because the call that it names failed, fails with ECANCELED; so
 * does everything after the first failure where the batch says so.
 *
 * @throws Whatever the executor throws; calls before that were executed.
 */
export async function executeBatch(batch: Batch, executor: Executor, architecture: Architecture): Promise<BatchAnswer> {
  const results: CallResult[] = [];
  const named = new Map<string, number | bigint>();
  let failed: number | undefined;
  let answerBytes = 0;
  let turnStartMs = batch.calls.length > 1 ? performance.now() : 0;
  for (let index = 0; index < batch.calls.length; index++) {
    const { call, number, values, data, as } = batch.calls[index];
    const reason = failed !== undefined && batch.stopOnError
      ? `call ${failed} failed`
      : answerBytes > answerBytesMax
      ? `the answer has more than ${answerBytesMax} bytes of data already`
      : unknownReference(values, named);
    if (reason !== null) {
      results.push({ errno: "ECANCELED", number: canceled, message: `Not executed: ${reason}` });
      failed ??= index;
      continue;
    }
    const frame = encodeCall(call, index, number, resolved(values, named), data);
    const answer = decodeAnswer(call, await executor.call(frame));
    if (isFailure(answer.value)) {
      results.push(failure(-Number(answer.value)));
      failed ??= index;
    } else {
      if (as !== undefined) named.set(as, answer.value);
      for (const block of answer.data) answerBytes += block?.length ?? 0;
      results.push(success(call, answer, batch.encoding, architecture));
    }
    if (index + 1 < batch.calls.length && performance.now() - turnStartMs > turnMsMax) {
      await new Promise((resolve) => setImmediate(resolve));
      turnStartMs = performance.now();
    }
  }
  return failed === undefined ? { results } : { results, failed };
}

function unknownReference(values: Arguments["values"], named: ReadonlyMap<string, unknown>): string | null {
  for (const value of values) if (typeof value === "object" && !named.has(value.name)) return `"${value.name}" has no value`;
  return null;
}

function resolved(values: Arguments["values"], named: ReadonlyMap<string, number | bigint>): readonly (number | bigint)[] {
  return values.map((value) => typeof value === "object" ? named.get(value.name)! : value);
}

function isFailure(value: number | bigint): boolean {
  return value < 0 && value >= -4095;
}

const failures = new Map<number, CallResult>();

function failure(errno: number): CallResult {
  let known = failures.get(errno);
  if (known === undefined) failures.set(errno, known = { errno: errnoName(errno), number: errno, message: errnoText(errno).words });
  return known;
}

function success(call: Call, { value, data }: AnswerFrame, encoding: Batch["encoding"], architecture: Architecture): CallResult {
  const shown = typeof value === "bigint" ? `${value}` : value;
  let out: Record<string, Filled> | undefined;
  for (let index = 0; index < data.length; index++) {
    const block = data[index];
    if (!block) continue;
    const { name, kind } = call.arguments[index];
    // What counts bytes tells how much of the room was filled.
    const bytes = kind === "outSized" && value < block.length ? block.subarray(0, Number(value)) : block;
    out ??= {};
    out[name] = shownBytes(call, bytes, encoding, architecture);
  }
  return out === undefined ? { value: shown } : { value: shown, out };
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function shownBytes(call: Call, bytes: Uint8Array, encoding: Batch["encoding"], architecture: Architecture): Filled {
  const decoded = decodeStructure(call.name, bytes, architecture);
  const data = encoding === "text" ? textOrBase64(bytes) : { base64: bytes.toBase64() };
  return decoded === undefined ? data : { ...data, decoded };
}

function textOrBase64(bytes: Uint8Array): Filled {
  try {
    return { text: strict.decode(bytes) };
  } catch {
    return { base64: bytes.toBase64() };
  }
}
