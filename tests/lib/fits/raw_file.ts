import type { Bitpix } from "../../../lib/fits/tile.ts";
import type { FitsSource } from "../../../lib/fits/header.ts";

/** A header made by hand, so that tests of the reader do not lean on the writer. */
export function rawHeader(...cards: readonly string[]): Uint8Array<ArrayBuffer> {
  return rawBlocks([...cards, "END"]);
}

/** The same without END. */
export function rawBlocks(cards: readonly string[]): Uint8Array<ArrayBuffer> {
  const text = cards.map((card) => card.padEnd(80).slice(0, 80)).join("");
  return new TextEncoder().encode(text.padEnd(Math.ceil(text.length / 2880) * 2880));
}

/** `KEYWORD =                value`, as fixed format has it. */
export function rawCard(keyword: string, value: string | number | bigint): string {
  return `${keyword.padEnd(8)}= ${String(value).padStart(20)}`;
}

/** Cards that a primary image must have. */
export function imageCards(bitpix: number, ...axes: readonly number[]): string[] {
  return [
    rawCard("SIMPLE", "T"),
    rawCard("BITPIX", bitpix),
    rawCard("NAXIS", axes.length),
    ...axes.map((length, index) => rawCard(`NAXIS${index + 1}`, length)),
  ];
}

/** Stored values with the highest byte first, up to a whole block. */
export function rawData(bitpix: Bitpix, stored: readonly (number | bigint)[]): Uint8Array<ArrayBuffer> {
  const size = Math.abs(bitpix) / 8;
  const bytes = new Uint8Array(Math.ceil(stored.length * size / 2880) * 2880);
  const view = new DataView(bytes.buffer);
  stored.forEach((value, index) => {
    if (bitpix === 8) view.setUint8(index, Number(value));
    else if (bitpix === 16) view.setInt16(2 * index, Number(value), false);
    else if (bitpix === 32) view.setInt32(4 * index, Number(value), false);
    else if (bitpix === 64) view.setBigInt64(8 * index, BigInt(value), false);
    else if (bitpix === -32) view.setFloat32(4 * index, Number(value), false);
    else view.setFloat64(8 * index, Number(value), false);
  });
  return bytes;
}

/** Pieces one behind the other. */
export function concat(...pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/** Bytes as a source, called `t.fits`. */
export function sourceOf(bytes: Uint8Array): FitsSource {
  return { name: "t.fits", bytes: bytes.length, read: (offset, count) => bytes.subarray(offset, offset + count) };
}
