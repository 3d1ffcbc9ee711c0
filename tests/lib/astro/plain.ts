/** Everything about cubes a second time, as plainly as can be, for tests to compare with. */
import assert from "node:assert/strict";
import type { Bitpix } from "../../../lib/fits/tile.ts";
import { concat, imageCards, rawCard, rawData, rawHeader } from "../fits/raw_file.ts";

/** A median by sorting: NaN left out, zeroes ordered by their sign. */
export function plainMedian(values: Iterable<number>, empty: number): number {
  const order = (a: number, b: number) => a < b ? -1 : a > b ? 1 : Number(Object.is(b, -0)) - Number(Object.is(a, -0));
  const sorted = [...values].filter((value) => !Number.isNaN(value)).sort(order);
  if (sorted.length === 0) return empty;
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle];
  return Math.fround(Math.fround(sorted[middle - 1] + sorted[middle]) / 2);
}

/** The bits of a 32-bit float; all NaN are one. */
export function bitsOf(value: number): number {
  return Number.isNaN(value) ? -1 : new Uint32Array(Float32Array.of(value).buffer)[0];
}

/** Fails at the first value that is not the same bit for bit; all NaN are one. */
export function assertSameBits(found: ArrayLike<number>, wanted: ArrayLike<number>, what: string): void {
  assert.equal(found.length, wanted.length, what);
  for (let i = 0; i < found.length; i++) {
    if (!Object.is(found[i], wanted[i])) assert.fail(`${what}, value ${i}: ${found[i]}, not ${wanted[i]}`);
  }
}

/** A number from 0 to below 2^32 that depends on all of its arguments. */
export function hash(...numbers: readonly number[]): number {
  let state = 2166136261;
  for (const number of numbers) {
    state = Math.imul(state ^ number, 0x85ebca6b);
    state ^= state >>> 13;
    state = Math.imul(state, 0xc2b2ae35);
    state ^= state >>> 16;
  }
  return state >>> 0;
}

/** What a generated cube is. */
export interface MadeCube {
  readonly width: number;
  readonly height: number;
  /** How each file is stored; `null` is a missing epoch. */
  readonly files: readonly (MadeFile | null)[];
}

/** One file of it. */
export interface MadeFile {
  readonly bitpix: Bitpix;
  readonly planes?: number;
  readonly scale?: number;
  readonly zero?: number;
  readonly blank?: number;
  readonly mjd?: number;
  /** Cards that push the data behind further blocks. */
  readonly fillerCards?: number;
  /** The image is in an extension of this name. */
  readonly extension?: string;
}

/** A generated cube on a disk, and what its values are. */
export interface WrittenCube {
  /** `null` where an epoch is missing. */
  readonly paths: (string | null)[];
  /** Values of each layer, computed from what was stored and not from the files. */
  readonly layers: number[][];
}

/** Writes a cube into a directory, as `cube1.fits` and so on. */
export function writeCube(directory: string, { width, height, files }: MadeCube): WrittenCube {
  const paths: (string | null)[] = [];
  const layers: number[][] = [];
  files.forEach((file, index) => {
    if (file === null) {
      paths.push(null);
      layers.push(Array(width * height).fill(NaN));
      return;
    }
    const { bitpix, planes = 1, blank } = file;
    const stored = Array.from({ length: width * height * planes }, (_, at) => storedValue(bitpix, hash(index, at), blank));
    for (let plane = 0; plane < planes; plane++) {
      const part = stored.slice(plane * width * height, (plane + 1) * width * height);
      layers.push(part.map((one) => valueOf(one, file)));
    }
    const path = `${directory}/cube${index + 1}.fits`;
    Deno.writeFileSync(path, fileBytes(file, planes === 1 ? [width, height] : [width, height, planes], stored));
    paths.push(path);
  });
  return { paths, layers };
}

function valueOf(stored: number | bigint, { bitpix, scale = 1, zero = 0, blank }: MadeFile): number {
  if (bitpix === -32 && scale === 1 && zero === 0) return Number(stored);
  return bitpix > 0 && Number(stored) === blank ? NaN : Math.fround(zero + scale * Number(stored));
}

function fileBytes(file: MadeFile, axes: number[], stored: (number | bigint)[]): Uint8Array {
  const { bitpix, scale, zero, blank, mjd, fillerCards = 0, extension } = file;
  const more = [
    ...scale === undefined ? [] : [rawCard("BSCALE", scale)],
    ...zero === undefined ? [] : [rawCard("BZERO", zero)],
    ...blank === undefined ? [] : [rawCard("BLANK", blank)],
    ...mjd === undefined ? [] : [rawCard("MJD-OBS", mjd)],
    ...Array.from({ length: fillerCards }, (_, index) => `COMMENT card ${index}`),
  ];
  const data = rawData(bitpix, stored);
  if (extension === undefined) return concat(rawHeader(...imageCards(bitpix, ...axes), ...more), data);
  const cards = ["XTENSION= 'IMAGE   '", ...imageCards(bitpix, ...axes).slice(1), rawCard("PCOUNT", 0), rawCard("GCOUNT", 1)];
  return concat(rawHeader(...imageCards(8)), rawHeader(...cards, `EXTNAME = '${extension}'`, ...more), data);
}

/** Now and then NaN, infinite, near the largest float, a zero with a sign, or blank; otherwise any number. */
function storedValue(bitpix: Bitpix, random: number, blank: number | undefined): number | bigint {
  const kind = random % 29;
  const value = Math.floor(random / 29);
  if (bitpix < 0) {
    if (kind === 0) return NaN;
    if (kind === 1) return Math.fround(3e38) * (value % 2 === 0 ? 1 : -1);
    if (kind === 2) return -0;
    if (kind === 3) return [Infinity, -Infinity, 3.4028234663852886e38][value % 3];
    const number = (value % 200_000) / 7 - 5000;
    return bitpix === -32 ? Math.fround(number) : number;
  }
  // A blank that cannot be stored looks, without its upper bits, like a value that can.
  if (kind === 0 && blank !== undefined) return bitpix === 16 ? blank << 16 >> 16 : blank;
  if (bitpix === 8) return value % 256;
  if (bitpix === 16) return value % 65536 - 32768;
  if (bitpix === 32) return (value * 37) | 0;
  return BigInt.asIntN(64, BigInt(value) * 0x9e3779b97f4a7c15n);
}

/** Runs with a directory of its own. */
export async function inDirectory(use: (directory: string) => Promise<void> | void): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "nodeos-astro-" });
  try {
    await use(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Cubes that between them have everything that is hard: odd sizes, all kinds of values, pages that lie over two layers. */
export const hardCubes: Readonly<Record<string, MadeCube>> = {
  "32-bit floats of 37 x 29": { width: 37, height: 29, files: Array.from({ length: 9 }, () => ({ bitpix: -32 as const })) },
  "64-bit floats with a scale": {
    width: 31,
    height: 17,
    files: Array.from({ length: 6 }, () => ({ bitpix: -64 as const, scale: 1e-3, zero: -7.5 })),
  },
  "bytes with BLANK": { width: 50, height: 3, files: Array.from({ length: 8 }, () => ({ bitpix: 8 as const, blank: 255 })) },
  "unsigned 16-bit integers with BLANK": {
    width: 129,
    height: 7,
    files: Array.from({ length: 7 }, () => ({ bitpix: 16 as const, zero: 32768, blank: -32768 })),
  },
  "32-bit integers with a scale": {
    width: 65,
    height: 33,
    files: Array.from({ length: 5 }, () => ({ bitpix: 32 as const, scale: 0.25, zero: -500, blank: 0 })),
  },
  "16-bit integers with a BLANK that none of them can be": {
    width: 19,
    height: 23,
    files: Array.from({ length: 3 }, () => ({ bitpix: 16 as const, blank: 65536 + 3 })),
  },
  "64-bit integers": { width: 41, height: 13, files: Array.from({ length: 4 }, () => ({ bitpix: 64 as const, zero: 2 ** 63 })) },
  "one pixel": { width: 1, height: 1, files: Array.from({ length: 3 }, () => ({ bitpix: -32 as const })) },
  "missing epochs between files of all kinds": {
    width: 33,
    height: 41,
    files: [
      null,
      { bitpix: -32, fillerCards: 40 },
      { bitpix: 16, scale: 0.5, blank: 3 },
      null,
      { bitpix: -64 },
      { bitpix: 8, zero: -100 },
      { bitpix: 64, scale: 1e-15 },
      { bitpix: 32, scale: 1e-5, fillerCards: 100 },
      null,
    ],
  },
  "files of several planes": {
    width: 23,
    height: 19,
    files: [{ bitpix: -32, planes: 3 }, { bitpix: 16, planes: 1 }, null, { bitpix: -64, planes: 2 }, { bitpix: -32, planes: 1 }],
  },
  "pages that begin in one layer and end in the next": {
    width: 1021,
    height: 5,
    files: Array.from({ length: 7 }, (_, index) => ({ bitpix: -32 as const, fillerCards: index * 11 })),
  },
};
