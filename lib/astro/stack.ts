import type { CubeReader } from "./cube_reader.ts";
import { isNaNBits, medianOfKeys, orderedKey } from "./median.ts";

/** Size of a cube. */
export interface CubeShape {
  /** Values of a row. */
  readonly width: number;
  /** Rows of a layer. */
  readonly height: number;
  /** How many layers. */
  readonly layerCount: number;
}

/** How medians of a cube are computed. */
export interface StackOptions {
  /** Most bytes of values that are held at once; at least one value of each layer is. */
  readonly blockBytes: number;
  /** The median of a pixel that no layer has a value for. UMap's Astro handler says 0. */
  readonly empty: number;
}

/** Medians of pixels that lie one behind the other. */
export interface MedianBlock {
  /** The first of them: `x + y * width`. */
  readonly firstPixel: number;
  /** A median for each. Belongs to the caller until the next block. */
  readonly medians: Float32Array<ArrayBuffer>;
  /** How many layers had a value. Belongs to the caller until the next block. */
  readonly counts: Int32Array<ArrayBuffer>;
}

/** Pixels whose values are gathered at once: a cache line of each layer. */
const gatherPixels = 16;
/** Blocks begin where pages of 4 KiB do, as seen from the beginning of a layer. */
const pagePixels = 1024;

/**
 * Computes the median of each pixel over all layers, see {@link medianOf}, block by block in ascending order. Reads each
 * layer of a block once, and nothing twice.
 */
export function* medianBlocks(
  reader: Pick<CubeReader, "read">,
  shape: CubeShape,
  { blockBytes, empty }: StackOptions,
): Generator<MedianBlock> {
  const pixelCount = shape.width * shape.height;
  const blockPixels = blockPixelsOf(shape, blockBytes);
  const values = new Float32Array(blockPixels * shape.layerCount);
  const medians = new Float32Array(blockPixels);
  const counts = new Int32Array(blockPixels);
  const keys = new Int32Array(gatherPixels * shape.layerCount);
  for (let firstPixel = 0; firstPixel < pixelCount; firstPixel += blockPixels) {
    const count = Math.min(blockPixels, pixelCount - firstPixel);
    for (let layer = 0; layer < shape.layerCount; layer++) {
      reader.read((layer * pixelCount + firstPixel) * 4, values.subarray(layer * count, (layer + 1) * count));
    }
    const block = { firstPixel, medians: medians.subarray(0, count), counts: counts.subarray(0, count) };
    medianOfColumns(new Int32Array(values.buffer, 0, count * shape.layerCount), shape.layerCount, keys, block, empty);
    yield block;
  }
}

/** Pixels of a block: as many as there is room for. */
export function blockPixelsOf({ width, height, layerCount }: CubeShape, blockBytes: number): number {
  const room = Math.max(1, Math.floor(blockBytes / (4 * layerCount)));
  const whole = room > pagePixels ? room - room % pagePixels : room;
  return Math.min(width * height, whole);
}

/** Medians of columns of values: those of a layer lie side by side. */
function medianOfColumns(values: Int32Array, layerCount: number, keys: Int32Array, { medians, counts }: MedianBlock, empty: number): void {
  const pixelCount = medians.length;
  for (let first = 0; first < pixelCount; first += gatherPixels) {
    const end = Math.min(first + gatherPixels, pixelCount);
    counts.fill(0, first, end);
    for (let layer = 0; layer < layerCount; layer++) {
      const row = layer * pixelCount;
      for (let pixel = first; pixel < end; pixel++) {
        const raw = values[row + pixel];
        if (!isNaNBits(raw)) keys[(pixel - first) * layerCount + counts[pixel]++] = orderedKey(raw);
      }
    }
    for (let pixel = first; pixel < end; pixel++) {
      medians[pixel] = medianOfKeys(keys, (pixel - first) * layerCount, counts[pixel], empty);
    }
  }
}
