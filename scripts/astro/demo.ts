import { MadeUpSky } from "../../lib/astro/sky.ts";
import { RefusedError } from "../../lib/errors.ts";
import { fitsImage } from "../../lib/fits/write.ts";
import { escapeControls } from "../../lib/quote.ts";
import type { Context } from "../context.ts";
import type { DemoFlags } from "./command.ts";
import { OutputFile } from "./output.ts";

/** Modified Julian date of the first exposure, and days between two. */
const [firstMjd, stepMjd] = [60_000.25, 0.01];

/** `nodeos astro demo`: exposures of a made-up sky. */
export default function demo(this: Context, { count, side, seed }: DemoFlags, directory: string): void {
  const place = directory.replace(/(?<=.)\/+$/, "");
  makeDirectory(place);
  const sky = new MadeUpSky({ width: side, height: side, seed });
  for (let layer = 0; layer < count; layer++) {
    const cards = [
      { keyword: "OBJECT", value: "made-up sky" },
      { keyword: "MJD-OBS", value: firstMjd + layer * stepMjd },
      { keyword: "EXPTIME", value: 600, comment: "seconds" },
    ];
    using file = new OutputFile(`${place}/exposure${layer + 1}.fits`, "an exposure");
    file.write(fitsImage({ bitpix: -32, axes: [side, side], cards }, sky.expose(layer)));
    file.finish();
  }
  this.say(`Wrote ${count} exposures of ${side} x ${side} to ${directory}`);
  this.say(`Try: nodeos astro median ${directory} --out median.fits --png median.png`);
}

function makeDirectory(path: string): void {
  try {
    Deno.mkdirSync(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const reason = error instanceof Deno.errors.NotCapable
      ? "this command has no permission to write there"
      : (error as { code?: string }).code ?? error.message;
    throw new RefusedError(`Cannot make the directory ${escapeControls(path)}: ${reason}`, { cause: error });
  }
}
