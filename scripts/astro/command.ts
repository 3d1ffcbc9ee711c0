import { buildCommand, buildRouteMap } from "@stricli/core";
import { parseBytes, parseCount } from "../../lib/container/quantity.ts";
import { UsageError } from "../../lib/errors.ts";
import { quote } from "../../lib/quote.ts";
import type { Context } from "../context.ts";
import { jsonFlag } from "../flags.ts";

/** How the layers of a cube are chosen, on every command that has one. */
export interface CubeFlags {
  /** Image of each file: number, EXTNAME, or `EXTNAME,EXTVER`. */
  readonly extension?: string;
  /** Order of the layers. */
  readonly order: "name" | "time";
  /** Numbers of a prefix may be missing. */
  readonly gaps: boolean;
  /** Most memory for pages of the cube, in bytes. */
  readonly buffer: number;
  /** One JSON document. */
  readonly json: boolean;
}

/** Flags of `nodeos astro info`. */
export interface InfoFlags {
  /** Print every card. */
  readonly cards: boolean;
  /** One JSON document. */
  readonly json: boolean;
}

/** Flags of `nodeos astro median`. */
export interface MedianFlags extends CubeFlags {
  /** File for the median image. */
  readonly out: string;
  /** File for a picture of it. */
  readonly png?: string;
  /** How values become grey. */
  readonly stretch: "linear" | "asinh";
  /** Bits of a grey. */
  readonly bits: "8" | "16";
  /** File for how many layers had a value. */
  readonly count?: string;
  /** What a pixel without any value becomes. */
  readonly empty: "nan" | "zero";
}

/** Flags of `nodeos astro vectors`. */
export interface VectorsFlags extends CubeFlags {
  /** How many vectors. */
  readonly count: number;
  /** Of the random numbers. */
  readonly seed: number;
  /** How many of the greatest medians are shown. */
  readonly top: number;
  /** Fewest values of a vector that is shown. */
  readonly least: number;
  /** `index`, `mjd`, or a file of numbers. */
  readonly times: string;
}

/** Flags of `nodeos astro demo`. */
export interface DemoFlags {
  /** How many exposures. */
  readonly count: number;
  /** Pixels of a side. */
  readonly side: number;
  /** Of the random numbers. */
  readonly seed: number;
}

const cubeFlags = {
  extension: {
    kind: "parsed",
    parse: String,
    optional: true,
    placeholder: "WHICH",
    brief: "Image of each file: number (0 is the primary one), EXTNAME, or EXTNAME,EXTVER (default: the first image)",
  },
  order: {
    kind: "enum",
    values: ["name", "time"],
    default: "name",
    brief: "name: as given, files of a directory in natural order; time: by MJD-OBS or DATE-OBS",
  },
  gaps: { kind: "boolean", default: false, withNegated: false, brief: "Numbers missing in PREFIX1.fits, ... are layers without values" },
  buffer: { kind: "parsed", parse: parseBytes, default: "256MiB", placeholder: "SIZE", brief: "Most memory for pixels of the cube" },
  json: jsonFlag,
} as const;

const images = {
  kind: "array",
  parameter: { parse: String, placeholder: "images", brief: "Directory, FITS files, @LIST, or PREFIX of PREFIX1.fits, PREFIX2.fits, ..." },
} as const;

const seedFlag = { kind: "parsed", parse: parseSeed, default: "123", placeholder: "N", brief: "Seed of the random numbers" } as const;

const info = buildCommand<InfoFlags, string[], Context>({
  loader: async () => (await import("./info.ts")).default,
  parameters: {
    flags: { cards: { kind: "boolean", default: false, withNegated: false, brief: "Print every card of every header" }, json: jsonFlag },
    positional: { kind: "array", parameter: { parse: String, placeholder: "files", brief: "FITS files, or directories of them" } },
  },
  docs: { brief: "Show what FITS files hold" },
});

const median = buildCommand<MedianFlags, string[], Context>({
  loader: async () => (await import("./median.ts")).default,
  parameters: {
    flags: {
      out: { kind: "parsed", parse: String, placeholder: "FILE", brief: "FITS file for the median image, 32-bit floats" },
      png: { kind: "parsed", parse: String, optional: true, placeholder: "FILE", brief: "PNG file for a picture of it" },
      stretch: {
        kind: "enum",
        values: ["linear", "asinh"],
        default: "asinh",
        brief: "How values become grey, between percentiles 1 and 99.7",
      },
      bits: {
        kind: "enum",
        values: ["8", "16"],
        default: "8",
        brief: "Bits of a grey; pixels without a value are magenta, or with 16 transparent",
      },
      count: { kind: "parsed", parse: String, optional: true, placeholder: "FILE", brief: "FITS file for how many layers had a value" },
      empty: {
        kind: "enum",
        values: ["nan", "zero"],
        default: "nan",
        brief: "What a pixel becomes that no layer has a value for; UMap's Astro handler says zero",
      },
      ...cubeFlags,
    },
    positional: images,
  },
  docs: {
    brief: "Write the median of a stack of images, pixel by pixel",
    fullDescription: "nodeos astro median night/ --out median.fits --png median.png\n\n" +
      "NaN and BLANK are left out. Of an even number of values, the median is the mean of the two in the middle, added and halved " +
      "as 32-bit floats, as UMap's Astro handler does it: it is infinite when their sum is more than a float can be.\n" +
      "The stack may be larger than memory.",
  },
});

const vectors = buildCommand<VectorsFlags, string[], Context>({
  loader: async () => (await import("./vectors.ts")).default,
  parameters: {
    flags: {
      count: { kind: "parsed", parse: parseCount, default: "100000", placeholder: "N", brief: "How many vectors" },
      seed: seedFlag,
      top: { kind: "parsed", parse: parseCount, default: "10", placeholder: "N", brief: "How many of the greatest medians to show" },
      least: {
        kind: "parsed",
        parse: parseCount,
        default: "1",
        placeholder: "N",
        brief: "Leave out vectors with fewer values than this; a few values have high medians by chance",
      },
      times: {
        kind: "parsed",
        parse: String,
        default: "index",
        placeholder: "WHAT",
        brief: "When layers were taken: index (0, 1, 2, ...), mjd (days, from the headers), or a FILE of numbers, one a layer",
      },
      ...cubeFlags,
    },
    positional: images,
  },
  docs: {
    brief: "Find what moves: medians along random straight ways through a stack of images",
    fullDescription: "nodeos astro vectors night/ --count 100000 --top 10\n\n" +
      "Starts and slopes are those of UMap's run_random_vector with one thread and the same seed: slopes of Beta(3, 2) times 2, in " +
      "pixels a layer. A vector without any value has the median 0.",
  },
});

const demo = buildCommand<DemoFlags, [string], Context>({
  loader: async () => (await import("./demo.ts")).default,
  parameters: {
    flags: {
      count: { kind: "parsed", parse: parseCount, default: "25", placeholder: "N", brief: "How many exposures" },
      side: { kind: "parsed", parse: parseCount, default: "400", placeholder: "PIXELS", brief: "Pixels of a side" },
      seed: seedFlag,
    },
    positional: {
      kind: "tuple",
      parameters: [{ parse: String, placeholder: "directory", brief: "Where to write them; made when it is not there" }],
    },
  },
  docs: { brief: "Write exposures of a made-up sky, to try the others" },
});

/** `nodeos astro`: FITS images, and medians of stacks of them that may be larger than memory. */
export const command = buildRouteMap<string, Context>({
  routes: { info, median, vectors, demo },
  docs: {
    brief: "Read FITS images, and compute medians of stacks of them that are larger than memory",
    fullDescription: "nodeos astro info night/e1.fits                                what a file holds\n" +
      "nodeos astro median night/ --out median.fits --png median.png  without what moves and what hits only once\n" +
      "nodeos astro vectors night/ --count 100000                     what moves\n" +
      "nodeos astro demo night/                                       exposures to try it",
  },
});

function parseSeed(text: string): number {
  if (/^\d{1,10}$/.test(text) && Number(text) < 2 ** 32) return Number(text);
  throw new UsageError(`Cannot read ${quote(text)} as a seed`, { remedy: "Write a whole number from 0 to 4294967295" });
}
