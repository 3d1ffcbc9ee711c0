import { blockBytes } from "./header.ts";
import { cardLength } from "./card.ts";
import { type Bitpix, type PixelFormat, storedBytes } from "./tile.ts";

/** A card to be written; without a value it is a comment, cut into as many cards as it needs. */
export interface CardToWrite {
  /** At most 8 of `A`-`Z`, `0`-`9`, `-`, `_`. */
  readonly keyword: string;
  /** What it says. */
  readonly value?: boolean | number | bigint | string;
  /** Words behind the value, where there is room. */
  readonly comment?: string;
}

/** An image to be written. */
export interface ImageToWrite extends Partial<Omit<PixelFormat, "bitpix">> {
  /** How values are stored. */
  readonly bitpix: Bitpix;
  /** Lengths of the axes, that of rows first. */
  readonly axes: readonly number[];
  /** Makes it an extension of this name; `""` has none. Otherwise it is the primary part of a file. */
  readonly extension?: string;
  /** More cards. */
  readonly cards?: readonly CardToWrite[];
}

const integerRange: Readonly<Partial<Record<Bitpix, readonly [number, number]>>> = {
  8: [0, 255],
  16: [-(2 ** 15), 2 ** 15 - 1],
  32: [-(2 ** 31), 2 ** 31 - 1],
  // The largest double below 2^63.
  64: [-(2 ** 63), 2 ** 63 - 1024],
};

/**
 * An image as bytes of a FITS file: header, values, and what fills the last block.
 *
 * @param values As many as the axes have; NaN is stored as `blank`.
 * @throws {RangeError} If a value cannot be stored, or their number is wrong.
 *
 * @example Usage
 * ```ts
 * import assert from "node:assert/strict";
 * import { fitsImage } from "./write.ts";
 *
 * assert.equal(fitsImage({ bitpix: -32, axes: [2, 2] }, [1, 2, 3, NaN]).length, 2 * 2880);
 * ```
 */
export function fitsImage(image: ImageToWrite, values: ArrayLike<number>): Uint8Array<ArrayBuffer> {
  return assemble(image, encodeValues(image, values));
}

/** The same of values as they are stored, of which BSCALE and BZERO make others. */
export function fitsStored(image: ImageToWrite, stored: ArrayLike<number | bigint>): Uint8Array<ArrayBuffer> {
  return assemble(image, encodeStored(image.bitpix, stored));
}

function assemble(image: ImageToWrite, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const wanted = valueCount(image) * storedBytes(image.bitpix);
  if (data.length !== wanted) {
    throw new RangeError(`Cannot write an image of ${image.axes.join(" x ")}: ${data.length} bytes are not ${wanted}`);
  }
  const header = imageHeader(image);
  const result = new Uint8Array(header.length + data.length + paddingBytes(data.length));
  result.set(header);
  result.set(data, header.length);
  return result;
}

function valueCount({ axes }: ImageToWrite): number {
  return axes.length === 0 ? 0 : axes.reduce((product, length) => product * length, 1);
}

/** How many zeroes fill the last block behind so many bytes. */
export function paddingBytes(bytes: number): number {
  return (blockBytes - bytes % blockBytes) % blockBytes;
}

/** The header of an image, blocks filled up. */
export function imageHeader(
  { bitpix, axes, scale = 1, zero = 0, blank = null, extension, cards = [] }: ImageToWrite,
): Uint8Array<ArrayBuffer> {
  const all: CardToWrite[] = [
    extension === undefined
      ? { keyword: "SIMPLE", value: true, comment: "conforms to the FITS standard" }
      : { keyword: "XTENSION", value: "IMAGE", comment: "image extension" },
    { keyword: "BITPIX", value: bitpix, comment: bitpix < 0 ? `floats of ${-bitpix} bits` : `integers of ${bitpix} bits` },
    { keyword: "NAXIS", value: axes.length },
    ...axes.map((length, index) => ({ keyword: `NAXIS${index + 1}`, value: length })),
  ];
  if (extension === undefined) all.push({ keyword: "EXTEND", value: true });
  else all.push({ keyword: "PCOUNT", value: 0 }, { keyword: "GCOUNT", value: 1 });
  if (extension) all.push({ keyword: "EXTNAME", value: extension });
  if (scale !== 1 || zero !== 0) all.push({ keyword: "BSCALE", value: scale }, { keyword: "BZERO", value: zero });
  if (blank !== null) all.push({ keyword: "BLANK", value: blank, comment: "stored where there is no value" });
  const text = [...all, ...cards].map(formatCard).join("") + "END".padEnd(cardLength);
  return new TextEncoder().encode(text.padEnd(Math.ceil(text.length / blockBytes) * blockBytes));
}

/**
 * Values as bytes of a FITS file, without what fills the last block: `(value - zero) / scale`, for integers rounded half
 * away from zero; NaN becomes `blank`.
 *
 * @throws {RangeError} If a value does not fit, or is NaN where nothing is blank.
 */
export function encodeValues(image: ImageToWrite, values: ArrayLike<number>): Uint8Array<ArrayBuffer> {
  const { bitpix, scale = 1, zero = 0, blank = null } = image;
  const range = integerRange[bitpix];
  const stored = Array.from(values, (value): number | bigint => {
    const raw = scale === 1 && zero === 0 ? value : (value - zero) / scale;
    if (range === undefined) return raw;
    if (Number.isNaN(raw) && blank !== null) return blank;
    const rounded = Math.sign(raw) * Math.round(Math.abs(raw));
    if (rounded >= range[0] && rounded <= range[1]) return rounded;
    throw new RangeError(`Cannot store ${value} as an integer of ${bitpix} bits`);
  });
  return encodeStored(bitpix, stored);
}

/** Stored values as bytes, the highest first. */
export function encodeStored(bitpix: Bitpix, stored: ArrayLike<number | bigint>): Uint8Array<ArrayBuffer> {
  const size = storedBytes(bitpix);
  const bytes = new Uint8Array(stored.length * size);
  const view = new DataView(bytes.buffer);
  const set = {
    "8": (at: number, value: number | bigint) => view.setUint8(at, Number(value)),
    "16": (at: number, value: number | bigint) => view.setInt16(at, Number(value)),
    "32": (at: number, value: number | bigint) => view.setInt32(at, Number(value)),
    "64": (at: number, value: number | bigint) => view.setBigInt64(at, BigInt(value)),
    "-32": (at: number, value: number | bigint) => view.setFloat32(at, Number(value)),
    "-64": (at: number, value: number | bigint) => view.setFloat64(at, Number(value)),
  }[bitpix];
  for (let index = 0; index < stored.length; index++) set(index * size, stored[index]);
  return bytes;
}

/** One card, or several for a long string or comment: a multiple of 80 characters. */
export function formatCard({ keyword, value, comment = "" }: CardToWrite): string {
  if (!/^[A-Z0-9_-]{0,8}$/.test(keyword)) throw new RangeError(`Cannot write the keyword ${JSON.stringify(keyword)} into a FITS header`);
  const words = printable(comment);
  if (value === undefined) return chunks(words, 72).map((part) => `${keyword.padEnd(8)}${part}`.padEnd(cardLength)).join("");
  const start = `${keyword.padEnd(8)}= `;
  if (typeof value !== "string") return withComment(start + formatNumber(value).padStart(20), words);
  const units = [...printable(value)].map((character) => character === "'" ? "''" : character);
  const whole = units.join("");
  if (whole.length <= 68) return withComment(`${start}${`'${whole.padEnd(8)}'`.padEnd(20)}`, words);
  return longString(start, units);
}

/** A string over several cards, all but the last with `&` at the end. A doubled quote is not cut in two. */
function longString(start: string, units: readonly string[]): string {
  const parts: string[] = [""];
  for (const unit of units) {
    if (parts[parts.length - 1].length + unit.length > 67) parts.push("");
    parts[parts.length - 1] += unit;
  }
  const last = parts.length - 1;
  return parts.map((part, index) => `${index === 0 ? start : "CONTINUE  "}'${part}${index < last ? "&" : ""}'`.padEnd(cardLength)).join("");
}

function withComment(text: string, comment: string): string {
  const room = cardLength - text.length - 3;
  return (comment === "" || room < comment.length ? text : `${text} / ${comment}`).padEnd(cardLength);
}

function formatNumber(value: boolean | number | bigint): string {
  if (typeof value === "boolean") return value ? "T" : "F";
  if (typeof value === "number" && !Number.isFinite(value)) throw new RangeError(`Cannot write ${value} into a FITS header`);
  const text = String(value);
  return /e/.test(text) ? text.replace("e", "E").replace(/^(-?\d+)E/, "$1.0E") : text;
}

function chunks(text: string, length: number): string[] {
  const parts = Array.from({ length: Math.ceil(text.length / length) }, (_, index) => text.slice(index * length, (index + 1) * length));
  return parts.length === 0 ? [""] : parts;
}

/** Headers hold ASCII only. */
function printable(text: string): string {
  return text.replace(/[^ -~]/gu, "?");
}
