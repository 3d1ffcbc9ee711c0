import assert from "node:assert/strict";
import { picturePng } from "../../../lib/astro/picture.ts";
import { decodePng, gather } from "./decode_png.ts";

const rows = [Float32Array.of(0, 50, 100), Float32Array.of(NaN, -Infinity, Infinity)];
const picture = { width: 3, height: 2, row: (y: number) => rows[y] };
const stretch = { low: 0, high: 100, curve: "linear" } as const;

Deno.test("picturePng() of 8 bits has the first row at the bottom, and for NaN a colour that is no grey", async () => {
  const png = decodePng(await gather(picturePng(picture, stretch, 8)));
  const colour = (level: number) => [...png.palette!.subarray(level * 3, level * 3 + 3)];
  assert.deepEqual(
    [...png.rows[1]].map(colour),
    [[0, 0, 0], [127, 127, 127], [255, 255, 255]].map((one, index) => index === 1 ? colour(127) : one),
  );
  assert.deepEqual([...png.rows[0]].slice(1).map(colour), [[0, 0, 0], [255, 255, 255]]);
  const nan = colour(png.rows[0][0]);
  assert.ok(new Set(nan).size > 1, `${nan}`);
  for (let level = 0; level < 255; level++) assert.equal(new Set(colour(level)).size, 1);
});

Deno.test("picturePng() of 16 bits shows NaN as nothing", async () => {
  const png = decodePng(await gather(picturePng(picture, stretch, 16)));
  const pixels = png.rows.map((row) =>
    Array.from({ length: 3 }, (_, x) => [(row[x * 4] << 8) + row[x * 4 + 1], (row[x * 4 + 2] << 8) + row[x * 4 + 3]])
  );
  assert.deepEqual(pixels, [[[0, 0], [0, 65535], [65535, 65535]], [[0, 65535], [32768, 65535], [65535, 65535]]]);
});
