/**
 * Draws what a median does, of a made-up sky: one exposure, the mean of all, their median, side by side.
 * `deno run --allow-write scripts/astro/picture.ts lib/astro/median.png`
 *
 * @module
 */

import { medianOf } from "../../lib/astro/median.ts";
import { type Picture, picturePng } from "../../lib/astro/picture.ts";
import { MadeUpSky } from "../../lib/astro/sky.ts";
import { chooseStretch } from "../../lib/astro/stretch.ts";

const [side, layerCount, gap] = [360, 25, 12];
/** One with a satellite. */
const shownLayer = 17;

/** An exposure of the sky, and of all of them the mean and the median. */
function panels(): Float32Array[] {
  const sky = new MadeUpSky({ width: side, height: side, seed: 123 });
  const layers = Array.from({ length: layerCount }, (_, layer) => sky.expose(layer));
  const [mean, median] = [new Float32Array(side * side), new Float32Array(side * side)];
  for (let pixel = 0; pixel < mean.length; pixel++) {
    const values = Float32Array.from(layers, (layer) => layer[pixel]);
    mean[pixel] = values.reduce((sum, value) => sum + value, 0) / layerCount;
    median[pixel] = medianOf(values, NaN);
  }
  return [layers[shownLayer], mean, median];
}

/** Images beside each other, with white between them. */
function sideBySide(images: readonly Float32Array[]): Picture {
  const width = images.length * (side + gap) - gap;
  const row = (y: number) => {
    const values = new Float32Array(width).fill(Infinity);
    images.forEach((image, panel) => values.set(image.subarray(y * side, (y + 1) * side), panel * (side + gap)));
    return values;
  };
  return { width, height: side, row };
}

if (import.meta.main) {
  const [path] = Deno.args;
  const images = panels();
  const stretch = chooseStretch(images[0], "asinh", [20, 99.6]);
  using file = Deno.openSync(path, { write: true, create: true, truncate: true });
  for await (const part of picturePng(sideBySide(images), stretch, 8)) {
    for (let at = 0; at < part.length;) at += file.writeSync(part.subarray(at));
  }
}
