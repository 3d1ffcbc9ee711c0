/** How a picture is coded: 8 bits a pixel of a palette, 16 bits of grey with 16 bits of how opaque it is, or 8 bits each of red, green, blue. */
export type PngFormat = "palette8" | "greyAlpha16" | "rgb8";

/** What a picture is, but for its rows. */
export interface PngShape {
  /** Pixels of a row. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
  /** How pixels are coded. */
  readonly format: PngFormat;
  /** Red, green and blue of each entry of `palette8`. */
  readonly palette?: Uint8Array<ArrayBuffer>;
}

const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
/** Bits of a sample, and the number of the format in the file. */
const codes: Readonly<Record<PngFormat, readonly [bits: number, type: number]>> = { palette8: [8, 3], greyAlpha16: [16, 4], rgb8: [8, 2] };

/** Bytes of a pixel. */
export const pngPixelBytes: Readonly<Record<PngFormat, number>> = { palette8: 1, greyAlpha16: 4, rgb8: 3 };

/**
 * Codes a picture as PNG, piece by piece, so that it is never in memory as a whole.
 *
 * @param rows From the top, each of `width` pixels; 16 bits are with the higher byte first.
 */
export async function* encodePng(shape: PngShape, rows: Iterable<Uint8Array>): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  yield signature;
  yield chunk("IHDR", beginning(shape));
  if (shape.palette !== undefined) yield chunk("PLTE", shape.palette);
  const compressed = ReadableStream.from(filtered(shape, rows)).pipeThrough(new CompressionStream("deflate"));
  for await (const part of compressed) yield chunk("IDAT", part);
  yield chunk("IEND", new Uint8Array(0));
}

function beginning({ width, height, format }: PngShape): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(13);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  bytes.set(codes[format], 8);
  return bytes;
}

/** Rows, each behind a byte that says that it is not filtered. */
function* filtered({ width, format }: PngShape, rows: Iterable<Uint8Array>): Generator<Uint8Array<ArrayBuffer>> {
  for (const row of rows) {
    const line = new Uint8Array(1 + width * pngPixelBytes[format]);
    line.set(row, 1);
    yield line;
  }
}

function chunk(type: string, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(data, 8);
  view.setUint32(8 + data.length, crc32(bytes.subarray(4, 8 + data.length)));
  return bytes;
}

const crcTable = Uint32Array.from({ length: 256 }, (_, index) => {
  let crc = index;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
  return crc;
});

/** The check sum of PNG and gzip. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = crcTable[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
