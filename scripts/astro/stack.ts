import { type Cube, cubeBytes, readCube, tilesOf } from "../../lib/astro/cube.ts";
import { type CubeReader, FileCubeReader } from "../../lib/astro/cube_reader.ts";
import { findFitsFiles } from "../../lib/astro/files.ts";
import type { CubeShape } from "../../lib/astro/stack.ts";
import { RefusedError, UsageError } from "../../lib/errors.ts";
import type { FitsTile } from "../../lib/fits/tile.ts";
import { formatBytes } from "../../lib/report/quantity.ts";
import type { CubeFlags } from "./command.ts";

/** A stack of images that is open for reading. */
export interface Stack extends Disposable {
  /** What it is made of. */
  readonly cube: Cube;
  /** Its size. */
  readonly shape: CubeShape;
  /** Its bytes as 32-bit floats. */
  readonly bytes: number;
  /** Its values. */
  readonly reader: CubeReader;
  /** Whether they come through a paging region, or where the kernel refuses one, straight from the files. */
  readonly source: "region" | "files";
  /** Most bytes that the caller may hold beside the reader's. */
  readonly blockBytes: number;
}

/** Less than this is all pages and no values. */
const bufferMin = 2 ** 20;

/**
 * Opens the images that words of the command line mean, as a region whose pages are filled as they are asked for.
 *
 * @throws {UsageError} If there are no words, or the buffer is too small for anything.
 */
export async function openStack(words: readonly string[], { extension, order, gaps, buffer }: CubeFlags): Promise<Stack> {
  if (words.length === 0) throw new UsageError("Cannot read no images", { remedy: "Name a directory, or FITS files" });
  if (buffer < bufferMin) throw new UsageError(`Cannot work with a buffer of ${formatBytes(buffer)}`, { remedy: "Give it 1MiB or more" });
  const cube = readCube(findFitsFiles(words, gaps), { extension, order: order === "time" ? "time" : "given" });
  const { width, height, layers } = cube;
  const shape = { width, height, layerCount: layers.length };
  // Pages of the cube take one half of the buffer, the values at work the other.
  return { cube, shape, bytes: cubeBytes(cube), blockBytes: buffer / 2, ...await openReader(tilesOf(cube), buffer / 2) };
}

async function openReader(
  tiles: readonly FitsTile[],
  bufferBytes: number,
): Promise<Pick<Stack, "reader" | "source" | typeof Symbol.dispose>> {
  const [{ PageBuffer }, { Region }, { fitsStore }] = await Promise.all([
    import("../../lib/paging/buffer.ts"),
    import("../../lib/paging/region.ts"),
    import("../../lib/paging/stores.ts"),
  ]);
  using resources = new DisposableStack();
  try {
    const buffer = resources.use(new PageBuffer(Math.floor(bufferBytes)));
    const reader = resources.use(Region.mapSync(fitsStore(tiles), { buffer, readOnly: true }));
    const owned = resources.move();
    return { reader, source: "region", [Symbol.dispose]: () => owned.dispose() };
  } catch (error) {
    // A kernel without userfaultfd, or a user who may not have it: the answer is the same.
    if (!(error instanceof RefusedError)) throw error;
    const reader = new FileCubeReader(tiles);
    return { reader, source: "files", [Symbol.dispose]: () => reader[Symbol.dispose]() };
  }
}

/** A stack for people: `25 layers of 400 x 400, 15.3 MiB`. */
export function describeStack({ shape: { width, height, layerCount }, bytes }: Stack): string {
  return `${layerCount} ${layerCount === 1 ? "layer" : "layers"} of ${width} x ${height}, ${formatBytes(bytes)}`;
}
