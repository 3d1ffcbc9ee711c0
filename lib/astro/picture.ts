import { encodePng } from "./png.ts";
import { brightness, type Stretch } from "./stretch.ts";

/** An image to be shown. */
export interface Picture {
  /** Values of a row. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
  /** Row `y` of the image, of which 0 is at the bottom; used before the next call. */
  readonly row: (y: number) => Float32Array;
}

/** Red, green and blue of pixels without a value: no grey. */
const nanColour = [230, 0, 126] as const;
/** Greys from 0 to 254; the last entry of the palette is for NaN. */
const levelMax = 254;
const nanLevel = 255;

/**
 * An image in grey as PNG, piece by piece. Of 8 bits, pixels without a value are magenta; of 16 bits they are transparent.
 */
export function picturePng(picture: Picture, stretch: Stretch, bits: 8 | 16): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const { width, height } = picture;
  if (bits === 8) {
    return encodePng(
      { width, height, format: "palette8", palette: greyPalette() },
      rows(picture, (row) => levels8(row, stretch)),
    );
  }
  return encodePng({ width, height, format: "greyAlpha16" }, rows(picture, (row) => levels16(row, stretch)));
}

/** FITS begins at the bottom, PNG at the top. */
function* rows({ height, row }: Picture, code: (row: Float32Array) => Uint8Array): Generator<Uint8Array> {
  for (let y = height - 1; y >= 0; y--) yield code(row(y));
}

function greyPalette(): Uint8Array<ArrayBuffer> {
  const palette = new Uint8Array(3 * 256);
  for (let level = 0; level <= levelMax; level++) palette.fill(Math.round(level * 255 / levelMax), level * 3, level * 3 + 3);
  palette.set(nanColour, nanLevel * 3);
  return palette;
}

function levels8(row: Float32Array, stretch: Stretch): Uint8Array {
  return Uint8Array.from(row, (value) => Number.isNaN(value) ? nanLevel : Math.round(brightness(stretch, value) * levelMax));
}

function levels16(row: Float32Array, stretch: Stretch): Uint8Array {
  const bytes = new Uint8Array(row.length * 4);
  const view = new DataView(bytes.buffer);
  row.forEach((value, x) => {
    if (Number.isNaN(value)) return;
    view.setUint16(x * 4, Math.round(brightness(stretch, value) * 65535));
    view.setUint16(x * 4 + 2, 65535);
  });
  return bytes;
}
