import { libraryPath } from "../../ffi/library.ts";
import { scratch } from "./programs.ts";
import { sanitizer } from "./sanitizer.ts";

/** The library that shows the board of power to PAPI, beside the one that is tested. */
export const papiLibrary = libraryPath().replace(/[^/]*$/, "libnodeos-papi.so");

/** What loads it into a program, behind a sanitizer that it needs. */
export const papiPreload: string = [sanitizer.LD_PRELOAD, papiLibrary].filter(Boolean).join(":");

/** Tools of PAPI that are not there, as the end of a test's name; empty when nothing is missing. */
export function missingTools(...tools: readonly string[]): string {
  const directories = (Deno.env.get("PATH") ?? "").split(":");
  const lacking = tools.find((tool) => !directories.some((directory) => isFile(`${directory}/${tool}`)));
  return lacking === undefined ? "" : ` [needs ${lacking}]`;
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** A slot of a board as bytes. */
export interface RawSlot {
  readonly name: string;
  readonly text: string;
  /** 0 is a counter, 1 a gauge. */
  readonly kind: number;
}

/** Sizes of `ffi/papi/board.h`, which `tests/ffi/papi_board_test.ts` compares. */
export const headBytes = 56, slotBytes = 256, kindAt = 248;
const magic = 0x3144524252575050n;

/** A board as bytes, so that it can be wrong; sequence 1, written by process 1. */
export function rawBoard(slots: readonly RawSlot[], values: readonly bigint[], atNs = 0n): Uint8Array<ArrayBuffer> {
  const slotsEnd = headBytes + slots.length * slotBytes, copyBytes = 8 * (1 + slots.length);
  const bytes = new Uint8Array(slotsEnd + 2 * copyBytes), view = new DataView(bytes.buffer);
  view.setBigUint64(0, magic, true);
  view.setUint32(8, 1, true);
  view.setUint32(12, slots.length, true);
  view.setBigUint64(16, 1n, true);
  view.setUint32(24, 1, true);
  view.setBigUint64(40, BigInt(slotsEnd), true);
  view.setBigUint64(48, BigInt(slotsEnd + copyBytes), true);
  for (const [index, { name, text, kind }] of slots.entries()) {
    const at = headBytes + index * slotBytes;
    new TextEncoder().encodeInto(name, bytes.subarray(at, at + 96));
    new TextEncoder().encodeInto(text, bytes.subarray(at + 96, at + kindAt));
    view.setUint32(at + kindAt, kind, true);
  }
  for (const copy of [slotsEnd, slotsEnd + copyBytes]) {
    view.setBigInt64(copy, atNs, true);
    for (const [index, value] of values.entries()) view.setBigInt64(copy + 8 * (1 + index), value, true);
  }
  return bytes;
}

/** A program that runs with a board, and answers each line. */
export class BoardReader implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #error: Promise<string>;

  /** Starts it. */
  constructor(program: string, board: string, args: readonly string[] = []) {
    this.#child = new Deno.Command(program, {
      args: [papiLibrary, ...args],
      env: { ...sanitizer, PATH: Deno.env.get("PATH") ?? "", NODEOS_POWER_BOARD: board },
      clearEnv: true,
      cwd: scratch,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#lines = lines(this.#child.stdout);
    this.#writer = this.#child.stdin.getWriter();
    this.#error = new Response(this.#child.stderr).text();
  }

  /** What it registered, line by line. */
  async registered(): Promise<string[]> {
    const all: string[] = [];
    for (let { value, done } = await this.#lines.next(); !done && value !== "ready"; { value, done } = await this.#lines.next()) {
      all.push(value);
    }
    return all;
  }

  /** The values by name, now; or, with `storm`, all that the first event has within two million reads. */
  async values(line: "" | "storm" = ""): Promise<Record<string, bigint>> {
    await this.#writer.write(new TextEncoder().encode(`${line}\n`));
    const { value } = await this.#lines.next();
    return Object.fromEntries((value as string).split(" ").map((part) => part.split("=")).map(([name, text]) => [name, BigInt(text)]));
  }

  /** Ends it; how it ended, and what it said. */
  async end(): Promise<{ code: number; err: string }> {
    await this.#writer.close().catch(() => {});
    while (!(await this.#lines.next()).done);
    const { code } = await this.#child.status;
    return { code, err: await this.#error };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}

async function* lines(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let text = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    const found = (text + chunk).split("\n");
    text = found.pop()!;
    yield* found;
  }
}
