import { type KernelFiles, KernelRoot } from "../../../ffi/kernel_root.ts";
import { struct } from "../../../ffi/struct.ts";
import { RefusedError, UsageError } from "../../errors.ts";
import { isAlive, ownerSelf } from "../../plan/store.ts";
import { Accumulator } from "../accumulator.ts";
import type { Meter } from "../meter.ts";
import type { Snapshot } from "../snapshot.ts";
import { eventOf, type PowerEvent } from "../papi_events.ts";

/** Where `libnodeos-papi.so` looks unless `NODEOS_POWER_BOARD` names another file. */
export const boardPath = "/run/nodeos/power/board";

/** `struct nodeos_power_board` of `ffi/papi/board.h`. */
export const BoardLayout = struct({
  magic: "u64",
  version: "u32",
  slotCount: "u32",
  sequence: "u64",
  writerPid: "u32",
  reserved: "u32",
  writerStartTicks: "u64",
  valuesAt: "u64[2]",
});

const magic = 0x3144524252575050n;
const version = 1;
const slotBytes = 256, nameBytes = 96, textBytes = 152, kindAt = nameBytes + textBytes;
const slotCountMax = 65536;
/** What a gauge without a value is. */
const none = -(2n ** 63n);

/** A place on the board: what is shown there, and how it comes from a snapshot. */
interface Slot {
  readonly event: PowerEvent;
  /** Its value in the meter's unit; `null` when there is none. */
  readonly take: (atNs: bigint, values: readonly (number | null)[]) => number | null;
}

/**
 * Values of meters in a file that other processes map: what `libnodeos-papi.so` shows to tools of PAPI. Counters begin at 0 with
 * the board and never wrap. A counter of joules is shown as power, too, unless its domain has a meter of that.
 *
 * Everybody may read it, only its writer may write it, and there is one writer at a time. Disposing removes the file; whoever has
 * mapped it sees gauges without a value, and counters that stand still.
 */
export class PowerBoard implements Disposable {
  /** What is on it, as tools of PAPI name it. */
  readonly events: readonly PowerEvent[];
  readonly #slots: readonly Slot[];
  readonly #file: Deno.FsFile;
  readonly #inode: number | null;
  readonly #valuesAt: readonly number[];
  #sequence = 0n;
  #isOpen = true;

  private constructor(readonly path: string, slots: readonly Slot[], file: Deno.FsFile, valuesAt: readonly number[]) {
    this.#slots = slots;
    this.#file = file;
    this.#valuesAt = valuesAt;
    this.#inode = file.statSync().ino;
    this.events = slots.map(({ event }) => event);
  }

  /**
   * Makes the file and its directory, in place of one whose writer died. Needs `--allow-read` and `--allow-write` of both.
   *
   * @param meters What is shown, in the order of the snapshots to come.
   * @throws {RefusedError} If another process writes there, or the file cannot be made.
   * @throws {UsageError} If a meter cannot be an event.
   */
  static create(meters: readonly Meter[], path: string = boardPath, kernel: KernelFiles = new KernelRoot()): PowerBoard {
    const slots = slotsOf(meters);
    if (slots.length === 0 || slots.length > slotCountMax) {
      throw new UsageError(`Cannot show ${slots.length} events to PAPI: there have to be 1 to ${slotCountMax}`);
    }
    const { bytes, valuesAt } = image(slots, kernel);
    refuseWriter(path, kernel);
    return new PowerBoard(path, slots, makeFile(path, bytes), valuesAt);
  }

  /** Shows the values of a snapshot of the meters that the board was made with. */
  publish({ atNs, values }: Pick<Snapshot, "atNs" | "values">): void {
    const words = new BigInt64Array(1 + this.#slots.length);
    words[0] = atNs;
    for (const [index, { event, take }] of this.#slots.entries()) {
      const value = take(atNs, values);
      words[1 + index] = value === null || !Number.isFinite(value) ? none : BigInt(Math.round(value * event.scale));
    }
    this.#sequence++;
    // First the copy that nobody looks at, then which one counts.
    this.#write(this.#valuesAt[Number(this.#sequence & 1n)], words);
    this.#write(BoardLayout.offsets.sequence, BigUint64Array.of(this.#sequence));
  }

  #write(at: number, words: BigInt64Array<ArrayBuffer> | BigUint64Array<ArrayBuffer> | Uint32Array<ArrayBuffer>): void {
    const bytes = new Uint8Array(words.buffer);
    this.#file.seekSync(at, Deno.SeekMode.Start);
    if (this.#file.writeSync(bytes) < bytes.length) throw new RefusedError(`Cannot write to ${this.path}: there is no room`);
  }

  /** Removes the file, if it is still ours; again does nothing. */
  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#write(BoardLayout.offsets.writerPid, Uint32Array.of(0));
    this.#file.close();
    try {
      if (Deno.lstatSync(this.path).ino === this.#inode) Deno.removeSync(this.path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

function slotsOf(meters: readonly Meter[]): Slot[] {
  const slots = meters.map((meter, index) => slotOf(meter, index));
  const names = new Set(slots.map(({ event }) => event.name));
  for (const [index, meter] of meters.entries()) {
    if (meter.kind !== "counter" || meter.unit !== "J") continue;
    const name = meter.name.replace("energy", "power");
    const provenance = `mean power since it was read before, from ${meter.provenance}`;
    const event = eventOf({ name, unit: "W", kind: "gauge", provenance });
    if (!names.has(event.name)) slots.push({ event, take: powerFrom(meter, index) });
  }
  const seen = new Set<string>();
  for (const { event: { name } } of slots) {
    if (seen.has(name)) throw new UsageError(`Cannot show two meters to PAPI as ${name}: give each one once`);
    seen.add(name);
  }
  return slots;
}

function slotOf(meter: Meter, index: number): Slot {
  const event = eventOf(meter);
  if (meter.kind === "gauge") return { event, take: (_, values) => values[index] };
  const sum = new Accumulator(meter);
  // One that is missing for a while goes on where it was.
  const take = (atNs: bigint, values: readonly (number | null)[]) => {
    const value = values[index];
    if (value !== null) sum.add(atNs, value);
    return sum.total;
  };
  return { event, take };
}

function powerFrom(meter: Meter, index: number): Slot["take"] {
  const sum = new Accumulator(meter);
  return (atNs, values) => {
    const value = values[index];
    if (value === null) return null;
    const { delta, seconds } = sum.add(atNs, value);
    return seconds > 0 ? delta / seconds : null;
  };
}

/** The whole file, without values. */
function image(slots: readonly Slot[], kernel: KernelFiles): { bytes: Uint8Array<ArrayBuffer>; valuesAt: number[] } {
  const slotsEnd = BoardLayout.size + slots.length * slotBytes, copyBytes = 8 * (1 + slots.length);
  const valuesAt = [slotsEnd, slotsEnd + copyBytes];
  const bytes = new Uint8Array(slotsEnd + 2 * copyBytes);
  const view = new DataView(bytes.buffer), encoder = new TextEncoder();
  const { pid, startTicks } = ownerSelf(kernel);
  BoardLayout.write(bytes, {
    magic,
    version,
    slotCount: slots.length,
    writerPid: pid,
    writerStartTicks: BigInt(startTicks),
    valuesAt: valuesAt.map(BigInt),
  });
  for (const [index, { event }] of slots.entries()) {
    const at = BoardLayout.size + index * slotBytes;
    // A NUL stays behind both.
    encoder.encodeInto(event.name.slice(event.name.lastIndexOf(":") + 1), bytes.subarray(at, at + nameBytes - 1));
    encoder.encodeInto(event.doc || event.name, bytes.subarray(at + nameBytes, at + kindAt - 1));
    view.setUint32(at + kindAt, event.kind === "counter" ? 0 : 1, true);
  }
  return { bytes, valuesAt };
}

function refuseWriter(path: string, kernel: KernelFiles): void {
  const bytes = readHead(path);
  if (bytes === null) return;
  const { magic: found, writerPid, writerStartTicks } = BoardLayout.read(bytes);
  if (found !== magic) {
    throw new RefusedError(`Cannot make ${path}: a file of that name is there, and is not a board of power`, {
      remedy: "Remove it, or name another path",
    });
  }
  if (writerPid !== 0 && isAlive(kernel, { pid: writerPid, startTicks: `${writerStartTicks}` })) {
    throw new RefusedError(`Cannot make ${path}: process ${writerPid} writes there, and only one may`, {
      remedy: "Wait until it ends, or name another path and set NODEOS_POWER_BOARD to it for programs that read",
    });
  }
  Deno.removeSync(path);
}

/** The first bytes of a file, padded; `null` when it is not there. */
function readHead(path: string): Uint8Array<ArrayBuffer> | null {
  try {
    const { isFile } = Deno.lstatSync(path);
    const head = new Uint8Array(BoardLayout.size);
    if (!isFile) return head;
    using file = Deno.openSync(path);
    file.readSync(head);
    return head;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw cannotMake(path, error);
  }
}

function cannotMake(path: string, error: unknown): unknown {
  if (error instanceof Deno.errors.NotCapable || !(error instanceof Error)) return error;
  if (error instanceof Deno.errors.AlreadyExists) return new RefusedError(`Cannot make ${path}: another process made it just now`);
  return new RefusedError(`Cannot make ${path}: ${error.message}`, { remedy: "Run as root, or name a path of your own", cause: error });
}

/** Whoever reads has to come through, whatever our umask is. */
function makeDirectory(path: string): void {
  try {
    Deno.mkdirSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return;
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    makeDirectory(path.slice(0, path.lastIndexOf("/")));
    Deno.mkdirSync(path);
  }
  Deno.chmodSync(path, 0o755);
}

/** Makes a file that is whole from the moment that it has its name, and opens it. */
function makeFile(path: string, bytes: Uint8Array<ArrayBuffer>): Deno.FsFile {
  const made = `${path}.${Deno.pid}`;
  let file: Deno.FsFile | undefined;
  try {
    makeDirectory(path.slice(0, path.lastIndexOf("/")));
    file = Deno.openSync(made, { write: true, createNew: true, mode: 0o444 });
    // Whatever our umask is.
    Deno.chmodSync(made, 0o444);
    if (file.writeSync(bytes) < bytes.length) throw new Error("there is no room");
    Deno.linkSync(made, path);
    Deno.removeSync(made);
    return file;
  } catch (error) {
    file?.close();
    if (file !== undefined) Deno.removeSync(made);
    throw cannotMake(path, error);
  }
}
