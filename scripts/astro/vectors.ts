import type { Cube } from "../../lib/astro/cube.ts";
import { randomVectors, TopMedians, type VectorMedian, VectorSampler } from "../../lib/astro/vectors.ts";
import { NoSuchObjectError, RefusedError, UsageError } from "../../lib/errors.ts";
import { escapeControls, quote } from "../../lib/quote.ts";
import { table } from "../../lib/report/table.ts";
import type { Context } from "../context.ts";
import type { VectorsFlags } from "./command.ts";
import { Progress } from "./progress.ts";
import { describeStack, openStack } from "./stack.ts";

/** `nodeos astro vectors`: medians along random vectors, the greatest of them. */
export default async function vectors(this: Context, flags: VectorsFlags, ...words: string[]): Promise<void> {
  using stack = await openStack(words, flags);
  const sampler = new VectorSampler(stack.reader, stack.shape, timesOf(stack.cube, flags.times));
  const top = new TopMedians(flags.top);
  const layerBytes = stack.shape.layerCount * 4;
  const progress = new Progress(this, `${flags.count} vectors`, flags.count * layerBytes);
  let done = 0;
  for (const vector of randomVectors(flags.seed, stack.shape)) {
    if (done === flags.count) break;
    const result = sampler.median(vector);
    if (result.count >= flags.least) top.add(result);
    done++;
    if (done % 256 === 0) progress.update(done * layerBytes);
  }
  progress.end();
  const seconds = progress.seconds;
  if (flags.json) {
    const { width, height, layerCount } = stack.shape;
    return this.json({
      width,
      height,
      layerCount,
      source: stack.source,
      vectorCount: done,
      seed: flags.seed,
      seconds,
      top: top.best.map((one) => describe(one, sampler)),
    });
  }
  this.print(topTable(top.best));
  this.say(`${done} vectors through ${describeStack(stack)}, in ${seconds.toFixed(1)} s: ${Math.round(done / seconds)} vectors/s`);
}

function topTable(best: readonly VectorMedian[]): string {
  const titles = ["MEDIAN", "VALUES", "X", "Y", "X-SLOPE", "Y-SLOPE"];
  const rows = best.map(({ median, count, vector: { xIntercept, yIntercept, xSlope, ySlope } }) => [
    String(Number(median.toPrecision(7))),
    String(count),
    String(xIntercept),
    String(yIntercept),
    xSlope.toFixed(4),
    ySlope.toFixed(4),
  ]);
  return table(titles.map((title) => ({ title, right: true })), rows);
}

/** A vector with its values; JSON has no NaN: there it is `null`. */
function describe({ vector, median, count }: VectorMedian, sampler: VectorSampler): Record<string, unknown> {
  const values = sampler.values(vector).map((value, layer) => {
    const [x, y] = sampler.position(vector, layer);
    return { layer, x, y, isInFrame: value !== null, value };
  });
  return { median, count, ...vector, values };
}

function timesOf({ layers }: Cube, times: string): number[] {
  if (times === "index") return layers.map((_, index) => index);
  if (times === "mjd") return layers.map(({ timeMjd }, index) => timeMjd ?? untimed(layers[index].path));
  const words = readWords(times);
  const numbers = words.map(Number);
  const wrong = words.find((_, index) => !Number.isFinite(numbers[index]));
  if (wrong !== undefined) {
    throw new UsageError(`Cannot read ${quote(wrong)} in ${escapeControls(times)} as a time`, { remedy: "Write one number a layer" });
  }
  if (numbers.length !== layers.length) {
    throw new UsageError(
      `Cannot use the times of ${escapeControls(times)}: it has ${numbers.length}, and the stack ${layers.length} layers`,
    );
  }
  return numbers;
}

function untimed(path: string | null): never {
  const what = path === null
    ? "a missing epoch has no header"
    : `${escapeControls(path)} has neither MJD-OBS nor DATE-OBS that can be read`;
  throw new RefusedError(`Cannot use times of the headers: ${what}`, { remedy: "Give the times in a file: --times FILE" });
}

function readWords(path: string): string[] {
  try {
    return Deno.readTextFileSync(path).split(/\s+/).filter(Boolean);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new NoSuchObjectError(`Cannot read times from ${escapeControls(path)}: there is no such file`, {
        cause: error,
        remedy: "Write --times index, --times mjd, or the name of a file",
      });
    }
    if (!(error instanceof Error)) throw error;
    const reason = error instanceof Deno.errors.NotCapable
      ? "this command has no permission to read it"
      : (error as { code?: string }).code;
    throw new RefusedError(`Cannot read times from ${escapeControls(path)}: ${reason ?? error.message}`, { cause: error });
  }
}
