import assert from "node:assert/strict";
import { encodePng, type PngFormat, pngPixelBytes } from "../../../lib/astro/png.ts";
import { decodePng, gather } from "./decode_png.ts";
import { hash } from "./plain.ts";

for (
  const [format, bits, type] of [["palette8", 8, 3], ["greyAlpha16", 16, 4], ["rgb8", 8, 2]] as const satisfies [
    PngFormat,
    number,
    number,
  ][]
) {
  for (const [width, height] of [[1, 1], [7, 5], [300, 211]]) {
    Deno.test(`encodePng() writes ${width} x ${height} as ${format}, which comes back`, async () => {
      const palette = format === "palette8" ? Uint8Array.from({ length: 768 }, (_, index) => index % 256) : undefined;
      const rows = Array.from(
        { length: height },
        (_, y) => Uint8Array.from({ length: width * pngPixelBytes[format] }, (_, x) => hash(x, y)),
      );
      const png = decodePng(await gather(encodePng({ width, height, format, palette }, rows)));
      assert.deepEqual([png.width, png.height, png.bits, png.type], [width, height, bits, type]);
      assert.deepEqual(png.rows.map((row) => [...row]), rows.map((row) => [...row]));
      assert.deepEqual(png.palette && [...png.palette], palette ? [...palette] : null);
    });
  }
}
