/** How a value is stored: unsigned bytes, signed integers of 16, 32 and 64 bits, floats of 32 and 64 bits (negative). */
export type Bitpix = 8 | 16 | 32 | 64 | -32 | -64;

/** What {@link Bitpix} may be. */
export const bitpixes: readonly Bitpix[] = [8, 16, 32, 64, -32, -64];

/** How stored values become values: `zero + scale * stored`, and `blank` becomes NaN. */
export interface PixelFormat {
  /** How a value is stored, always with its highest byte first. */
  readonly bitpix: Bitpix;
  /** BSCALE. */
  readonly scale: number;
  /** BZERO. */
  readonly zero: number;
  /** BLANK: the stored integer that is no value; `null` when there is none, as always for floats. */
  readonly blank: bigint | null;
}

/** Values of a file that lie one behind the other: `struct nodeos_store_tile` of ffi/paging/nodeos_paging.h as plain data. */
export interface FitsTile extends PixelFormat {
  /** The file; `null` for a tile that is missing: all NaN. */
  readonly path: string | null;
  /** Where the first value begins. */
  readonly fileOffsetBytes: number;
  /** How many values. */
  readonly count: number;
}

/** Bytes that a stored value takes. */
export function storedBytes(bitpix: Bitpix): number {
  return Math.abs(bitpix) / 8;
}
