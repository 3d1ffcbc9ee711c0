import { escapeControls, quote } from "../quote.ts";
import { FitsError } from "./errors.ts";
import type { Hdu } from "./hdu.ts";
import { type PixelFormat, storedBytes } from "./tile.ts";

/** An image of a FITS file: planes of rows of values, the first row at the bottom. */
export interface FitsImage extends PixelFormat {
  /** The part of the file that it is in. */
  readonly hdu: Hdu;
  /** NAXIS1: values of a row. */
  readonly width: number;
  /** NAXIS2: rows of a plane. */
  readonly height: number;
  /** NAXIS3: planes, 1 of an image with two axes. */
  readonly planes: number;
}

/**
 * Chooses an image of a file.
 *
 * @param name What messages call the file.
 * @param extension Number (0 is the primary part), EXTNAME in any case, or `NAME,VERSION`; the first image when absent.
 * @throws {FitsError} If there is none, or it is compressed, or has other than two or three axes.
 */
export function chooseImage(hdus: readonly Hdu[], name: string, extension?: string): FitsImage {
  if (extension !== undefined) return imageOf(findHdu(hdus, name, extension), name);
  const images = hdus.filter(({ kind, axes }) => kind === "image" && axes.length > 0);
  // An image that is none of ours is named, rather than passed by for a later one that nobody thinks of.
  const chosen = images.find((hdu) => hdu.axes.length > 1) ?? images[0] ?? hdus.find(({ kind }) => kind === "compressed");
  if (chosen !== undefined) return imageOf(chosen, name);
  const has = hdus.map(({ kind, number }) => number === 0 && kind === "image" ? "an empty primary part" : words[kind]).join(", ");
  throw new FitsError(`Cannot read ${escapeControls(name)}: the file holds no image, but ${has}`);
}

const words = {
  image: "an empty image",
  table: "a table",
  compressed: "a compressed image",
  groups: "random groups",
  other: "an extension of another kind",
} as const;

function findHdu(hdus: readonly Hdu[], name: string, extension: string): Hdu {
  const [, wanted, version] = /^(.*?)(?:,(\d+))?$/s.exec(extension)!;
  const found = /^\d+$/.test(extension)
    ? hdus[Number(extension)]
    : hdus.find((hdu) => hdu.name?.toLowerCase() === wanted.toLowerCase() && (version === undefined || hdu.version === Number(version)));
  if (found !== undefined) return found;
  const known = hdus.map((hdu) => hdu.name === null ? `${hdu.number}` : `${hdu.number} (${quote(hdu.name)})`).join(", ");
  throw new FitsError(`Cannot read extension ${quote(extension)} of ${escapeControls(name)}: the file has ${known}`);
}

/**
 * The image that a part of a file is.
 *
 * @throws {FitsError} If it is none, with what would help.
 */
export function imageOf(hdu: Hdu, name: string): FitsImage {
  const { header, kind, axes, bitpix } = hdu;
  const part = hdu.number === 0 ? escapeControls(name) : `extension ${hdu.number} of ${escapeControls(name)}`;
  if (kind === "compressed") {
    throw new FitsError(`Cannot read ${part}: its image is compressed (${header.text("ZCMPTYPE") ?? "ZIMAGE"})`, {
      remedy: `Uncompress it: funpack ${escapeControls(name)}`,
    });
  }
  if (kind !== "image") throw new FitsError(`Cannot read ${part}: it is no image, but ${words[kind]}`);
  // Radio images have axes of length 1 for frequency and polarisation.
  const isImage = axes.length >= 2 && axes.slice(3).every((length) => length === 1);
  if (!isImage) {
    const shape = axes.length === 0 ? "no axes" : axes.length === 1 ? "one axis" : `${axes.length} axes (${axes.join(" x ")})`;
    throw new FitsError(`Cannot read ${part}: it has ${shape}; images have two, cubes three`);
  }
  const [width, height, planes = 1] = axes;
  if (width * height * planes === 0) throw new FitsError(`Cannot read ${part}: it has no pixels (${axes.join(" x ")})`);
  const blank = bitpix < 0 ? null : header.bigInteger("BLANK");
  return { hdu, width, height, planes, bitpix, scale: header.number("BSCALE", 1), zero: header.number("BZERO", 0), blank };
}

/**
 * Turns stored values into 32-bit floats: `zero + scale * stored` in 64-bit arithmetic, then rounded once. Floats that are
 * not scaled keep their bits. What is beyond a 32-bit float becomes infinite, BLANK becomes NaN.
 *
 * @param stored As many values as `into` has, as they are in the file.
 */
export function decodeValues({ bitpix, scale, zero, blank }: PixelFormat, stored: Uint8Array, into: Float32Array): void {
  const view = new DataView(stored.buffer, stored.byteOffset, into.length * storedBytes(bitpix));
  const none = blank === null ? NaN : Number(blank);
  switch (bitpix) {
    case 8:
      for (let i = 0; i < into.length; i++) into[i] = scaled(stored[i], none, scale, zero);
      return;
    case 16:
      for (let i = 0; i < into.length; i++) into[i] = scaled(view.getInt16(i * 2), none, scale, zero);
      return;
    case 32:
      for (let i = 0; i < into.length; i++) into[i] = scaled(view.getInt32(i * 4), none, scale, zero);
      return;
    case 64:
      for (let i = 0; i < into.length; i++) {
        const value = view.getBigInt64(i * 8);
        into[i] = value === blank ? NaN : zero + scale * Number(value);
      }
      return;
    case -32:
      if (scale === 1 && zero === 0) return copySwapped(view, into);
      for (let i = 0; i < into.length; i++) into[i] = zero + scale * view.getFloat32(i * 4);
      return;
    case -64:
      for (let i = 0; i < into.length; i++) into[i] = zero + scale * view.getFloat64(i * 8);
      return;
  }
}

function scaled(stored: number, blank: number, scale: number, zero: number): number {
  return stored === blank ? NaN : zero + scale * stored;
}

/** As integers, so that every NaN keeps its bits. */
function copySwapped(view: DataView, into: Float32Array): void {
  const bits = new Uint32Array(into.buffer, into.byteOffset, into.length);
  for (let i = 0; i < bits.length; i++) bits[i] = view.getUint32(i * 4);
}
