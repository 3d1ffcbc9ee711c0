import { FitsError } from "../fits/errors.ts";
import { FitsFile } from "../fits/file.ts";
import { decodeValues } from "../fits/image.ts";
import { type FitsTile, storedBytes } from "../fits/tile.ts";

/** Values of a cube by their place: layers one behind the other, each row by row. A paging region is one. */
export interface CubeReader {
  /** Reads as many 32-bit floats as `into` has. */
  read(offsetBytes: number, into: Float32Array<ArrayBuffer>): void;
  /** Reads one 32-bit float from each of some places, given in bytes. */
  gather(offsetsBytes: BigUint64Array<ArrayBuffer>, into: Float32Array<ArrayBuffer>): void;
}

/** Files that are open at once. */
const openMax = 64;

/** Reads a cube from its files without a region: each call reads what it is asked for and nothing ahead. */
export class FileCubeReader implements CubeReader, Disposable {
  readonly #tiles: readonly FitsTile[];
  /** Value with which each tile begins. */
  readonly #starts: Float64Array;
  readonly #open = new Map<string, FitsFile>();
  #stored = new Uint8Array(0);

  /** A reader of tiles, one behind the other. */
  constructor(tiles: readonly FitsTile[]) {
    this.#tiles = tiles;
    this.#starts = new Float64Array(tiles.length + 1);
    tiles.forEach(({ count }, index) => this.#starts[index + 1] = this.#starts[index] + count);
  }

  /**
   * Reads as many values as `into` has.
   *
   * @throws {RangeError} If the cube ends before.
   * @throws {FitsError} If a file has become shorter than its header says.
   */
  read(offsetBytes: number, into: Float32Array<ArrayBuffer>): void {
    const first = offsetBytes / 4;
    const end = this.#starts[this.#tiles.length];
    if (!Number.isInteger(first) || first < 0 || first + into.length > end) {
      throw new RangeError(`Cannot read ${into.length} values at byte ${offsetBytes} of a cube of ${end} values`);
    }
    let tile = this.#tileAt(first);
    for (let done = 0; done < into.length; tile++) {
      const skipped = first + done - this.#starts[tile];
      const count = Math.min(into.length - done, this.#tiles[tile].count - skipped);
      if (count > 0) this.#readTile(this.#tiles[tile], skipped, into.subarray(done, done + count));
      done += Math.max(0, count);
    }
  }

  /** Reads a value from each of some places, one by one. */
  gather(offsetsBytes: BigUint64Array<ArrayBuffer>, into: Float32Array<ArrayBuffer>): void {
    offsetsBytes.forEach((offset, index) => this.read(Number(offset), into.subarray(index, index + 1)));
  }

  /** The last tile that begins at or before a value. */
  #tileAt(value: number): number {
    let [low, high] = [0, this.#tiles.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#starts[middle] <= value) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #readTile(tile: FitsTile, skipped: number, into: Float32Array<ArrayBuffer>): void {
    if (tile.path === null) {
      into.fill(NaN);
      return;
    }
    const size = storedBytes(tile.bitpix);
    if (this.#stored.length < into.length * size) this.#stored = new Uint8Array(into.length * size);
    const stored = this.#stored.subarray(0, into.length * size);
    const count = this.#file(tile.path).readInto(tile.fileOffsetBytes + skipped * size, stored);
    if (count < stored.length) {
      throw new FitsError(`Cannot read ${tile.path}: the file became shorter, ${stored.length - count} bytes of its image are missing`);
    }
    decodeValues(tile, stored, into);
  }

  /** An open file; the one that was not asked for the longest makes room. */
  #file(path: string): FitsFile {
    const known = this.#open.get(path);
    if (known !== undefined) {
      this.#open.delete(path);
      this.#open.set(path, known);
      return known;
    }
    if (this.#open.size >= openMax) {
      const [oldest, file] = this.#open.entries().next().value!;
      file[Symbol.dispose]();
      this.#open.delete(oldest);
    }
    const file = new FitsFile(path);
    this.#open.set(path, file);
    return file;
  }

  /** Closes the files. */
  [Symbol.dispose](): void {
    for (const file of this.#open.values()) file[Symbol.dispose]();
    this.#open.clear();
  }
}
