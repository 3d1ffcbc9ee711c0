import { readCube, tilesOf } from "../../lib/astro/cube.ts";
import { FileCubeReader } from "../../lib/astro/cube_reader.ts";
import { picturePng } from "../../lib/astro/picture.ts";
import { resultCards } from "../../lib/astro/result_cards.ts";
import { medianBlocks } from "../../lib/astro/stack.ts";
import { chooseStretch } from "../../lib/astro/stretch.ts";
import { encodeStored, imageHeader, type ImageToWrite, paddingBytes } from "../../lib/fits/write.ts";
import { formatBytes } from "../../lib/report/quantity.ts";
import type { Context } from "../context.ts";
import type { MedianFlags } from "./command.ts";
import { checkOutputs, OutputFile } from "./output.ts";
import { Progress } from "./progress.ts";
import { describeStack, openStack, type Stack } from "./stack.ts";

/** Values from which black and white of a picture are chosen. */
const sampleCount = 1_000_000;

/** `nodeos astro median`: the median of a stack, as FITS and as a picture. */
export default async function median(this: Context, flags: MedianFlags, ...words: string[]): Promise<void> {
  using stack = await openStack(words, flags);
  const paths = stack.cube.layers.map(({ path }) => path);
  checkOutputs([flags.out, flags.png, flags.count], paths);
  const { seconds, emptyCount } = writeMedian(this, stack, flags);
  if (flags.png !== undefined) await writePicture(stack, flags, flags.png);
  if (flags.json) {
    const { width, height, layerCount } = stack.shape;
    return this.json({
      out: flags.out,
      png: flags.png,
      count: flags.count,
      width,
      height,
      layerCount,
      source: stack.source,
      emptyCount,
      seconds,
    });
  }
  const without = emptyCount === 0 ? "" : `; ${emptyCount} ${emptyCount === 1 ? "pixel has" : "pixels have"} no value`;
  const rate = `${formatBytes(Math.round(stack.bytes / seconds))}/s`;
  this.say(`Wrote the median of ${describeStack(stack)}, to ${flags.out} in ${seconds.toFixed(1)} s (${rate})${without}`);
  for (const [what, path] of [["a picture of it", flags.png], ["how many layers had a value", flags.count]] as const) {
    if (path !== undefined) this.say(`Wrote ${what} to ${path}`);
  }
}

function writeMedian(context: Context, stack: Stack, flags: MedianFlags): { seconds: number; emptyCount: number } {
  const { cube, shape, bytes, reader } = stack;
  const axes = [shape.width, shape.height];
  using out = new FitsOutput(flags.out, "the median", {
    bitpix: -32,
    axes,
    cards: resultCards(cube, flags.extension, `median of ${shape.layerCount} layers by nodeos astro`),
  });
  using count = flags.count === undefined ? null : new FitsOutput(flags.count, "the counts", { bitpix: 32, axes });
  const progress = new Progress(context, `Median of ${shape.layerCount} layers`, bytes);
  let emptyCount = 0;
  const options = { blockBytes: stack.blockBytes, empty: flags.empty === "zero" ? 0 : NaN };
  for (const { firstPixel, medians, counts } of medianBlocks(reader, shape, options)) {
    out.write(medians);
    count?.write(counts);
    for (const one of counts) if (one === 0) emptyCount++;
    progress.update((firstPixel + medians.length) * shape.layerCount * 4);
  }
  progress.end();
  out.finish();
  count?.finish();
  return { seconds: progress.seconds, emptyCount };
}

/** A FITS file of one image that is written in order. */
class FitsOutput implements Disposable {
  readonly #file: OutputFile;
  #bytes = 0;

  constructor(path: string, what: string, readonly image: ImageToWrite) {
    this.#file = new OutputFile(path, what);
    this.#file.write(imageHeader(image));
  }

  write(values: ArrayLike<number>): void {
    const bytes = encodeStored(this.image.bitpix, values);
    this.#file.write(bytes);
    this.#bytes += bytes.length;
  }

  finish(): void {
    this.#file.write(new Uint8Array(paddingBytes(this.#bytes)));
    this.#file.finish();
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}

/** Draws the image that was written, row by row, since it may be larger than memory too. */
async function writePicture({ shape: { width, height } }: Stack, { out, stretch, bits }: MedianFlags, path: string): Promise<void> {
  using reader = new FileCubeReader(tilesOf(readCube([out])));
  const row = new Float32Array(width);
  const readRow = (y: number) => {
    reader.read(y * width * 4, row);
    return row;
  };
  const step = Math.max(1, Math.ceil(width * height / sampleCount));
  const sample = new Float32Array(Math.ceil(height / step) * width);
  for (let y = 0; y < height; y += step) sample.set(readRow(y), y / step * width);
  using file = new OutputFile(path, "the picture");
  const picture = { width, height, row: readRow };
  for await (const part of picturePng(picture, chooseStretch(sample, stretch), bits === "8" ? 8 : 16)) file.write(part);
  file.finish();
}
