import { escapeControls } from "../quote.ts";
import { FitsError } from "../fits/errors.ts";
import { FitsFile } from "../fits/file.ts";
import { readHdus } from "../fits/hdu.ts";
import { chooseImage, type FitsImage } from "../fits/image.ts";
import { type FitsTile, storedBytes } from "../fits/tile.ts";
import { observationTime } from "../fits/time.ts";

/** One plane of the cube: an exposure. */
export interface CubeLayer {
  /** The file; `null` for an epoch that is missing. */
  readonly path: string | null;
  /** Number of the plane in its file, from 0. */
  readonly plane: number;
  /** When it was taken, as a modified Julian date in days; `null` when the file does not say. */
  readonly timeMjd: number | null;
  /** Where its values are. */
  readonly tile: FitsTile;
}

/** Images of one size, one behind the other. */
export interface Cube {
  /** Values of a row. */
  readonly width: number;
  /** Rows of a layer. */
  readonly height: number;
  /** In their order. */
  readonly layers: readonly CubeLayer[];
}

/** How a cube is put together. */
export interface CubeOptions {
  /** The image of each file: number, name, or `NAME,VERSION`; the first one when absent. */
  readonly extension?: string;
  /** `given`: as the files come; `time`: the earliest first. */
  readonly order?: "given" | "time";
}

/** Image of one file. */
interface Frame {
  readonly path: string;
  readonly image: FitsImage;
  readonly timeMjd: number | null;
}

/**
 * Puts a cube together from FITS files. Every plane of a file with three axes is a layer.
 *
 * @param paths In their order; `null` is an epoch that is missing, whose layer is NaN.
 * @throws {FitsError} If a file is no FITS file, has no such image, or one of another size than the first.
 */
export function readCube(paths: readonly (string | null)[], { extension, order = "given" }: CubeOptions = {}): Cube {
  const frames = paths.map((path) => path === null ? null : readFrame(path, extension));
  const first = frames.find((frame) => frame !== null);
  if (first === undefined) throw new FitsError("Cannot make a cube of no images", { remedy: "Name FITS files, or a directory of them" });
  for (const frame of frames) if (frame !== null) checkSize(first, frame);
  const { width, height } = first.image;
  const layers = frames.flatMap((frame): CubeLayer[] => frame === null ? [missingLayer(width * height)] : layersOf(frame));
  return { width, height, layers: order === "time" ? byTime(layers) : layers };
}

/** Tiles of a cube's layers, for a store. */
export function tilesOf({ layers }: Cube): FitsTile[] {
  return layers.map(({ tile }) => tile);
}

/** Bytes of a cube, as 32-bit floats. */
export function cubeBytes({ width, height, layers }: Cube): number {
  return width * height * 4 * layers.length;
}

function readFrame(path: string, extension: string | undefined): Frame {
  using file = new FitsFile(path);
  const hdus = readHdus(file);
  const image = chooseImage(hdus, path, extension);
  return { path, image, timeMjd: observationTime([image.hdu.header, hdus[0].header]) };
}

function checkSize(first: Frame, frame: Frame): void {
  const [a, b] = [first.image, frame.image];
  if (a.width === b.width && a.height === b.height) return;
  throw new FitsError(
    `Cannot put ${escapeControls(frame.path)} behind ${escapeControls(first.path)}: its image is ${b.width} x ${b.height}, ` +
      `that of the first ${a.width} x ${a.height}`,
    { remedy: "Choose files of one size, or another image of them with --extension" },
  );
}

function missingLayer(count: number): CubeLayer {
  const tile: FitsTile = { path: null, fileOffsetBytes: 0, count, bitpix: -32, scale: 1, zero: 0, blank: null };
  return { path: null, plane: 0, timeMjd: null, tile };
}

function layersOf({ path, image, timeMjd }: Frame): CubeLayer[] {
  const { width, height, planes, hdu, bitpix, scale, zero, blank } = image;
  const count = width * height;
  return Array.from({ length: planes }, (_, plane): CubeLayer => {
    const fileOffsetBytes = hdu.dataOffsetBytes + plane * count * storedBytes(bitpix);
    return { path, plane, timeMjd, tile: { path, fileOffsetBytes, count, bitpix, scale, zero, blank } };
  });
}

/** The earliest first; what has no time cannot be ordered, and what is missing is left out. */
function byTime(layers: readonly CubeLayer[]): CubeLayer[] {
  const present = layers.filter(({ path }) => path !== null);
  const untimed = present.find(({ timeMjd }) => timeMjd === null);
  if (untimed !== undefined) {
    throw new FitsError(`Cannot order by time: ${escapeControls(untimed.path!)} has neither MJD-OBS nor DATE-OBS that can be read`, {
      remedy: "Order by name: --order name",
    });
  }
  return present.sort((a, b) => a.timeMjd! - b.timeMjd!);
}
