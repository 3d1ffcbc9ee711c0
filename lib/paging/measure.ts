import { RefusedError } from "../errors.ts";
import { PageBuffer } from "./buffer.ts";
import { Region } from "./region.ts";
import { fileStore } from "./stores.ts";

/** What is measured. */
export interface MeasureRequest {
  /** The file; patterns that write put back what is there. */
  readonly path: string;
  /** How long it is. */
  readonly fileBytes: number;
  /** Limit of the page buffer. */
  readonly bufferBytes: number;
  /** Granule of faults; 4096 when absent. */
  readonly pageBytes?: number;
  /** The most pages that are read at once; 256 when absent. */
  readonly windowPages?: number;
  /** Past the page cache of the kernel. */
  readonly direct: boolean;
  /** Who answers faults; `plain` is the kernel, without a buffer. */
  readonly mode: "signal" | "thread" | "plain";
  /** Random or sequential (first letter); read, write, or read with a write behind it. */
  readonly pattern: "rr" | "sr" | "rw" | "sw" | "rmw";
  /** How many pages are touched. */
  readonly touchCount: number;
  /** Another one is another order. */
  readonly seed: number;
}

/** What one run took. */
export interface Measurement {
  /** Time of the run by its touches. */
  readonly usPerPage: number;
  /** Half of the touches took no longer. */
  readonly p50Us: number;
  /** 99 % of the touches took no longer. */
  readonly p99Us: number;
  /** The longest one. */
  readonly maxUs: number;
  /** CPU time of all threads by touches. */
  readonly cpuUsPerPage: number;
  /** Voluntary context switches of all threads by touches. */
  readonly switchesPerPage: number;
  /** Faults that were answered meanwhile. */
  readonly faults: number;
  /** Pages that were read meanwhile. */
  readonly readPages: number;
  /** Pages that were written meanwhile. */
  readonly writtenPages: number;
}

const smallBytes = 4096;
const wordBytes = 8;

/**
 * Touches pages of a file through a region, in a loop in C, after the buffer was filled so that every miss evicts.
 *
 * @throws {RefusedError} If a page held something else than the file, before or after.
 */
export function measure(request: MeasureRequest): Measurement {
  const { path, mode, bufferBytes, pageBytes, windowPages, direct, fileBytes, touchCount, pattern } = request;
  const how = pattern === "rmw" ? "readWrite" : pattern.endsWith("w") ? "write" : "read";
  const pages = orderOf(request);
  const offsets = BigUint64Array.from(pages, (page) => BigInt(page * smallBytes + page * 521 % (smallBytes / wordBytes) * wordBytes));
  const expected = wordsOf(path, offsets);
  const pagesBefore = how === "read" ? null : hashesOf(path, pages);
  using buffer = new PageBuffer(bufferBytes);
  {
    using region = Region.mapSync(
      fileStore(path, { write: how !== "read", direct }),
      // What is put back is what was there: by its content nothing would have to be written.
      mode === "plain" ? { mode } : { mode, buffer, pageBytes, windowPages, tracking: how === "readWrite" ? "fault" : "auto" },
    );
    warmUp(region, request);
    const before = region.statistics();
    const words = how === "write" ? expected.slice() : new BigUint64Array(offsets.length);
    const { timesNs, totalNs, userUs, systemUs, voluntarySwitches } = region.touch(how, offsets, words);
    const after = region.statistics();
    compare(path, offsets, words, expected, "in the region");
    const sorted = timesNs.sort();
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] / 1e3;
    const result = {
      usPerPage: totalNs / 1e3 / touchCount,
      p50Us: at(0.5),
      p99Us: at(0.99),
      maxUs: at(1),
      cpuUsPerPage: (userUs + systemUs) / touchCount,
      switchesPerPage: voluntarySwitches / touchCount,
      faults: after.faults - before.faults,
      readPages: after.readPages - before.readPages,
      writtenPages: after.writtenPages - before.writtenPages,
    };
    if (how === "read") return result;
    region.flush();
    compare(path, offsets, wordsOf(path, offsets), expected, "in the file afterwards");
    const changed = hashesOf(path, pages).findIndex((hash, index) => hash !== pagesBefore?.[index]);
    if (changed >= 0) throw new RefusedError(`Cannot measure ${path}: its page at ${pages[changed] * smallBytes} has changed meanwhile`);
    if (Deno.statSync(path).size !== fileBytes) throw new RefusedError(`Cannot measure ${path}: its size has changed meanwhile`);
    return result;
  }
}

/** Pages in the order in which they are touched. */
function orderOf({ fileBytes, touchCount, pattern, seed }: MeasureRequest): Uint32Array {
  const pageCount = Math.floor(fileBytes / smallBytes);
  const all = new Uint32Array(pageCount).map((_, index) => index);
  if (pattern.startsWith("s")) {
    // Every run begins where another one ended, as far as the file goes.
    const from = (seed - 1) * touchCount % (pageCount - touchCount + 1);
    return all.subarray(from, from + touchCount);
  }
  let state = seed;
  for (let index = 0; index < touchCount; index++) {
    state = Math.imul(state ^ state >>> 15, 0x2c1b3c6d) + 0x9e3779b9 >>> 0;
    const other = index + state % (pageCount - index);
    [all[index], all[other]] = [all[other], all[index]];
  }
  return all.subarray(0, touchCount);
}

/** Touches other pages until the buffer is full, with writes where the run writes. */
function warmUp(region: Region, { mode, bufferBytes, fileBytes, pattern, seed, touchCount }: MeasureRequest): void {
  if (mode === "plain") return;
  const pageCount = Math.floor(fileBytes / smallBytes);
  const count = Math.min(pageCount, Math.ceil(bufferBytes / smallBytes));
  const order = orderOf({ fileBytes, pattern: "rr", touchCount: count, seed: seed + 1000 } as MeasureRequest);
  // A stream that begins where it is read already would be no stream of misses.
  const from = pattern.startsWith("s") ? ((seed - 1) * touchCount % (pageCount - touchCount + 1) + touchCount) % pageCount : -1;
  const pages = from < 0 ? order : order.map((_, index) => (from + index) % pageCount);
  const offsets = BigUint64Array.from(pages, (page) => BigInt(page * smallBytes));
  region.touch(pattern.endsWith("r") ? "read" : "readWrite", offsets, new BigUint64Array(offsets.length));
}

/** Words of the file as read(2) gives them. */
function wordsOf(path: string, offsets: BigUint64Array<ArrayBuffer>): BigUint64Array<ArrayBuffer> {
  using file = Deno.openSync(path);
  const words = new BigUint64Array(offsets.length);
  const bytes = new Uint8Array(words.buffer);
  offsets.forEach((offset, index) => {
    file.seekSync(offset, Deno.SeekMode.Start);
    file.readSync(bytes.subarray(index * wordBytes, (index + 1) * wordBytes));
  });
  return words;
}

/** A hash of each page as read(2) gives it. */
function hashesOf(path: string, pages: Uint32Array): Uint32Array {
  using file = Deno.openSync(path);
  const words = new Uint32Array(smallBytes / 4);
  const bytes = new Uint8Array(words.buffer);
  return pages.map((page) => {
    file.seekSync(page * smallBytes, Deno.SeekMode.Start);
    file.readSync(bytes);
    return words.reduce((hash, word) => Math.imul(hash ^ word, 0x01000193), 0x811c9dc5) >>> 0;
  });
}

function compare(
  path: string,
  offsets: BigUint64Array<ArrayBuffer>,
  found: BigUint64Array<ArrayBuffer>,
  expected: BigUint64Array<ArrayBuffer>,
  where: string,
): void {
  const wrong = found.findIndex((word, index) => word !== expected[index]);
  if (wrong < 0) return;
  throw new RefusedError(
    `Cannot measure ${path}: at ${offsets[wrong]} there is 0x${found[wrong].toString(16)} ${where} instead of 0x${
      expected[wrong].toString(16)
    }`,
    { remedy: "Measure a file that nobody writes meanwhile; if nobody does, this is a defect of ours" },
  );
}
