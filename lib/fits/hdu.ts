import { escapeControls, quote } from "../quote.ts";
import { FitsError } from "./errors.ts";
import { blockBytes, type FitsSource, Header, readHeader } from "./header.ts";
import { type Bitpix, bitpixes } from "./tile.ts";

/** What a part of a FITS file is: `compressed` is an image inside a table, `groups` are the random groups of old radio data. */
export type HduKind = "image" | "table" | "compressed" | "groups" | "other";

/** One part of a FITS file: a header and its data. */
export interface Hdu {
  /** Its number; 0 is the primary one. */
  readonly number: number;
  /** What it is. */
  readonly kind: HduKind;
  /** EXTNAME. */
  readonly name: string | null;
  /** EXTVER, 1 when the header does not say. */
  readonly version: number;
  /** Its header. */
  readonly header: Header;
  /** BITPIX. */
  readonly bitpix: Bitpix;
  /** NAXIS1, NAXIS2, ... */
  readonly axes: readonly number[];
  /** Where the data begin. */
  readonly dataOffsetBytes: number;
  /** Length of the data, without what fills the last block. */
  readonly dataBytes: number;
}

/** What compressed files of other programs begin with, and what undoes it. */
const compressors: readonly { readonly name: string; readonly undo: string; readonly magic: readonly number[] }[] = [
  { name: "gzip", undo: "gunzip", magic: [0x1f, 0x8b] },
  { name: "compress", undo: "uncompress", magic: [0x1f, 0x9d] },
  { name: "bzip2", undo: "bunzip2", magic: [0x42, 0x5a, 0x68] },
  { name: "xz", undo: "unxz", magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a] },
  { name: "zstd", undo: "unzstd", magic: [0x28, 0xb5, 0x2f, 0xfd] },
];

/**
 * Reads the headers of all parts of a FITS file. What follows the last part without being one is left out, as the standard
 * allows it.
 *
 * @throws {FitsError} If the file is no FITS file, or its headers or lengths are broken.
 */
export function readHdus(source: FitsSource): Hdu[] {
  checkBeginning(source);
  const hdus: Hdu[] = [];
  for (let offset = 0; offset < source.bytes;) {
    if (hdus.length > 0 && !isExtension(source, offset)) break;
    const hdu = readHdu(source, offset, hdus.length);
    hdus.push(hdu);
    offset = hdu.dataOffsetBytes + Math.ceil(hdu.dataBytes / blockBytes) * blockBytes;
  }
  return hdus;
}

function checkBeginning(source: FitsSource): void {
  const name = escapeControls(source.name);
  if (source.bytes === 0) throw new FitsError(`Cannot read ${name}: the file is empty`);
  const beginning = source.read(0, 80).slice();
  for (const { name: compressor, undo, magic } of compressors) {
    if (magic.every((byte, index) => beginning[index] === byte)) {
      throw new FitsError(`Cannot read ${name}: the file is compressed by ${compressor}`, { remedy: `Decompress it: ${undo} ${name}` });
    }
  }
  const text = String.fromCharCode(...beginning);
  if (text.slice(0, 8) !== "SIMPLE  ") {
    throw new FitsError(`Cannot read ${name}: card 1 is not SIMPLE, with which FITS files begin, but ${quote(text.slice(0, 8))}`);
  }
  const value = /^=\s*([TF])(?=[\s/]|$)/.exec(text.slice(8))?.[1];
  if (value === "F") throw new FitsError(`Cannot read ${name}: card 1 (SIMPLE) says F: the file does not keep to the standard`);
  if (value !== "T") throw new FitsError(`Cannot read ${name}: card 1 (SIMPLE) says neither T nor F`);
}

function isExtension(source: FitsSource, offset: number): boolean {
  return String.fromCharCode(...source.read(offset, 8)) === "XTENSION";
}

function readHdu(source: FitsSource, offset: number, number: number): Hdu {
  const header = readHeader(source, offset, number);
  const bitpix = readBitpix(header);
  const axes = readAxes(header);
  const isGroups = number === 0 && axes.length > 0 && axes[0] === 0 && header.flag("GROUPS");
  const dataOffsetBytes = offset + header.bytes;
  const dataBytes = readDataBytes(header, bitpix, axes, isGroups);
  if (dataOffsetBytes + dataBytes > source.bytes) {
    const missing = Math.min(dataBytes, dataOffsetBytes + dataBytes - source.bytes);
    throw new FitsError(
      `Cannot read ${
        escapeControls(source.name)
      }: ${header.place}the file is truncated: ${missing} of ${dataBytes} bytes of data are missing`,
      { remedy: "Copy or download the file again" },
    );
  }
  const version = header.card("EXTVER")?.value;
  return {
    number,
    kind: isGroups ? "groups" : kindOf(header, number),
    name: header.text("EXTNAME"),
    version: typeof version === "number" ? version : 1,
    header,
    bitpix,
    axes,
    dataOffsetBytes,
    dataBytes,
  };
}

function readBitpix(header: Header): Bitpix {
  const value = header.integer("BITPIX", { min: -2048, max: 2048 });
  const bitpix = bitpixes.find((one) => one === value);
  if (bitpix === undefined) throw header.fail(header.card("BITPIX")!, `says ${value}; it may be ${bitpixes.join(", ")}`);
  return bitpix;
}

function readAxes(header: Header): number[] {
  const count = header.integer("NAXIS", { min: 0, max: 999 });
  return Array.from({ length: count }, (_, index) => header.integer(`NAXIS${index + 1}`, { min: 0, max: Number.MAX_SAFE_INTEGER }));
}

function readDataBytes(header: Header, bitpix: Bitpix, axes: readonly number[], isGroups: boolean): number {
  if (axes.length === 0) return 0;
  const lengths = isGroups ? axes.slice(1) : axes;
  const isPrimaryImage = header.hdu === 0 && !isGroups;
  const range = { min: 0, max: Number.MAX_SAFE_INTEGER };
  const parameters = isPrimaryImage ? 0 : header.integer("PCOUNT", range, 0);
  const groups = isPrimaryImage ? 1 : header.integer("GCOUNT", range, 1);
  const values = lengths.reduce((product, length) => product * BigInt(length), 1n);
  const bytes = BigInt(Math.abs(bitpix) / 8) * BigInt(groups) * (BigInt(parameters) + values);
  if (bytes > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw header.fail(header.card("NAXIS")!, `and its axes ${axes.join(" x ")} make ${bytes} bytes, more than a file can have`);
  }
  return Number(bytes);
}

function kindOf(header: Header, number: number): HduKind {
  const type = number === 0 ? "IMAGE" : header.text("XTENSION");
  if (type === "IMAGE" || type === "IUEIMAGE") return "image";
  if (type === "BINTABLE" && header.flag("ZIMAGE")) return "compressed";
  return type === "BINTABLE" || type === "TABLE" || type === "A3DTABLE" ? "table" : "other";
}
