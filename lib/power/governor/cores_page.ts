import type { KernelFiles } from "../../../ffi/kernel_root.ts";
import { startTicksOf } from "../../plan/store.ts";
import type { CoreRequest } from "./runtime.ts";

/** Where what lies in the page that a governor and a program have together; `ffi/runtime/cores.h` is the other side. */
export const coresLayout = {
  bytes: 8192,
  magic: "nodeosC1",
  coresMaxAt: 8,
  wishAt: 64,
  leaseAt: 72,
  beatsAt: 128,
  slotsAt: 192,
  slotCount: 64,
  slotBytes: 64,
  answerAt: 8,
  beatTimesAt: 4288,
  beatCount: 256,
} as const;

/** Requests are numbered from 1 to 65535, again and again. */
const requestCount = 65535n;
/** After so long without its governor, a program uses all of its cores again. */
const leaseNs = 5_000_000_000n;
/** Heartbeats that are older are of no use. */
const beatNsMax = 60_000_000_000n;

/** A number that may be seen while it changes: request and cores, and in the upper half their complement. */
export function encodeCores(request: number, cores: number): bigint {
  const low = BigInt(request) << 16n | BigInt(cores);
  return (~low & 0xffffffffn) << 32n | low;
}

/** Request and cores; `null` for what is none. */
export function decodeCores(word: bigint): { readonly request: number; readonly cores: number } | null {
  const low = word & 0xffffffffn;
  if (word >> 32n !== (~low & 0xffffffffn)) return null;
  return { request: Number(low >> 16n), cores: Number(low & 0xffffn) };
}

/** What the processes of a program say. */
export interface CoresReading {
  /** What each process that lives has answered, by its process id; `null` for no answer, or one that is none. */
  readonly answers: ReadonlyMap<number, { readonly request: number; readonly cores: number } | null>;
  /** When heartbeats came since the reading before, in nanoseconds of CLOCK_MONOTONIC, ascending. */
  readonly beatsNs: readonly bigint[];
}

/** What names of pages begin with. */
const pagePrefix = "nodeos-cores-";

/** What the names of this process's pages begin with: they tell whose they are. */
export function ownPagePrefix(kernel: KernelFiles): string {
  return `${pagePrefix}${Deno.pid}-${startTicksOf(kernel, Deno.pid)}-`;
}

/** Removes pages that processes left in a directory which ended without their leave, as by `kill -9`. Others stay. */
export function removeDeadPages(kernel: KernelFiles, directory: string): void {
  for (const name of namesIn(directory)) {
    const [, pid, startTicks] = /^nodeos-cores-(\d+)-(\d+)-/.exec(name) ?? [];
    if (pid !== undefined && startTicksOf(kernel, Number(pid)) !== startTicks) removeFile(`${directory}/${name}`);
  }
}

function namesIn(directory: string): string[] {
  try {
    return [...Deno.readDirSync(directory)].map(({ name }) => name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return [];
  }
}

/** Somebody else may have removed it. */
function removeFile(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/**
 * The page of shared memory that a program follows, as a file of its user. Nothing in it is believed, nor that it is whole: the
 * program may write anything to it, and cut it off.
 */
export class CoresPage implements Disposable {
  /** The file; `NODEOS_CORES` of the program. */
  readonly path: string;
  readonly #file: Deno.FsFile;
  readonly #view = new DataView(new ArrayBuffer(coresLayout.bytes));
  #beats = 0n;
  #isOver = false;

  /**
   * Makes the page.
   *
   * @param directory Where, which the program's user can reach; in memory.
   * @param owner The program's user and group; our own when left out.
   * @param prefix What its name begins with; {@link ownPagePrefix} lets {@link removeDeadPages} find it.
   */
  constructor(directory: string, coresMax: number, owner?: { readonly uid: number; readonly gid: number }, prefix: string = pagePrefix) {
    this.path = Deno.makeTempFileSync({ dir: directory, prefix });
    try {
      this.#file = Deno.openSync(this.path, { read: true, write: true });
      const page = new DataView(new ArrayBuffer(coresLayout.bytes));
      new TextEncoder().encodeInto(coresLayout.magic, new Uint8Array(page.buffer));
      page.setUint32(coresLayout.coresMaxAt, coresMax, true);
      this.#write(0, new Uint8Array(page.buffer));
      if (owner !== undefined) Deno.chownSync(this.path, owner.uid, owner.gid);
    } catch (error) {
      Deno.removeSync(this.path);
      throw error;
    }
  }

  /** Puts a wish into the page. */
  ask({ request, wantedCores }: CoreRequest): void {
    this.#writeWord(coresLayout.wishAt, encodeCores(numberOf(request), Math.min(wantedCores, 0xffff)));
  }

  /** Lets wishes count for some more time. */
  renew(nowNs: bigint): void {
    this.#writeWord(coresLayout.leaseAt, nowNs + leaseNs);
  }

  /** Reads what has come from the program. */
  read(nowNs: bigint, isAlive: (pid: number) => boolean): CoresReading {
    const bytes = new Uint8Array(this.#view.buffer);
    bytes.fill(0);
    this.#file.seekSync(0, Deno.SeekMode.Start);
    let at = 0;
    // A file that was cut off ends early; what is not there says nothing.
    for (let count: number | null; at < bytes.length && (count = this.#file.readSync(bytes.subarray(at))) !== null;) at += count;
    return { answers: this.#answers(isAlive), beatsNs: this.#takeBeats(nowNs) };
  }

  #answers(isAlive: (pid: number) => boolean): Map<number, { readonly request: number; readonly cores: number } | null> {
    const { slotsAt, slotBytes, slotCount, answerAt } = coresLayout;
    const answers = new Map<number, { readonly request: number; readonly cores: number } | null>();
    for (let at = slotsAt; at < slotsAt + slotCount * slotBytes; at += slotBytes) {
      const owner = this.#view.getBigUint64(at, true);
      if (owner === 0n) continue;
      // The cores of a process that was killed are for the others.
      if (owner > 0x7fffffffn || !isAlive(Number(owner))) this.#writeWord(at, 0n);
      else answers.set(Number(owner), decodeCores(this.#view.getBigUint64(at + answerAt, true)));
    }
    return answers;
  }

  #takeBeats(nowNs: bigint): bigint[] {
    const { beatsAt, beatTimesAt, beatCount } = coresLayout;
    const beats = this.#view.getBigUint64(beatsAt, true);
    const fresh = BigInt.asUintN(64, beats - this.#beats);
    this.#beats = beats;
    const times: bigint[] = [];
    for (let back = fresh > BigInt(beatCount) ? BigInt(beatCount) : fresh; back > 0n; back--) {
      const time = this.#view.getBigUint64(beatTimesAt + Number((beats - back) & BigInt(beatCount - 1)) * 8, true);
      if (time <= nowNs && time + beatNsMax > nowNs) times.push(time);
    }
    return times.sort((a, b) => a < b ? -1 : a > b ? 1 : 0);
  }

  #writeWord(at: number, word: bigint): void {
    this.#write(at, new Uint8Array(BigUint64Array.of(word).buffer));
  }

  #write(at: number, bytes: Uint8Array): void {
    this.#file.seekSync(at, Deno.SeekMode.Start);
    for (let done = 0; done < bytes.length;) done += this.#file.writeSync(bytes.subarray(done));
  }

  /** Removes the page; what a program has of it is its own, and asks nothing any more soon. Again does nothing. */
  [Symbol.dispose](): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#writeWord(coresLayout.wishAt, 0n);
    this.#file.close();
    removeFile(this.path);
  }
}

/** The number of a request in the page. */
export function numberOf(request: number): number {
  return Number((BigInt(request) - 1n) % requestCount + 1n);
}
