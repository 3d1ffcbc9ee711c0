import assert from "node:assert/strict";
import { medianOf } from "../../../lib/astro/median.ts";
import { MadeUpSky } from "../../../lib/astro/sky.ts";

const options = { width: 120, height: 100, seed: 5 };

Deno.test("MadeUpSky is the same for the same seed, and another for another", () => {
  const image = (seed: number) => new MadeUpSky({ ...options, seed }).expose(0);
  assert.deepEqual(image(5), image(5));
  assert.notDeepEqual(image(5), image(6));
});

Deno.test("the median of a made-up sky is without what moves, and what hits once", () => {
  const sky = new MadeUpSky(options);
  const layers = Array.from({ length: 25 }, (_, layer) => sky.expose(layer));
  const at = (layer: number) => {
    const { x, y } = sky.moving(layer);
    return Math.round(x) + options.width * Math.round(y);
  };
  const columns = (pixel: number) => Float32Array.from(layers, (layer) => layer[pixel]);
  let gone = 0;
  for (let layer = 0; layer < 25; layer++) {
    const value = layers[layer][at(layer)];
    if (Number.isNaN(value)) continue;
    assert.ok(value > 700, `layer ${layer} has something that moves: ${value}`);
    if (medianOf(columns(at(layer)), NaN) < 300) gone++;
  }
  assert.ok(gone >= 20, `${gone}`);
  // Dead pixels are dead in all.
  const dead = layers[0].findIndex(Number.isNaN);
  assert.ok(layers.every((layer) => Number.isNaN(layer[dead])));
});
