import assert from "node:assert/strict";
import { crc32, inflateSync } from "node:zlib";

/** A PNG file as its parts. */
export interface DecodedPng {
  readonly width: number;
  readonly height: number;
  readonly bits: number;
  /** 2 is red, green, blue; 3 a palette; 4 grey with how opaque it is. */
  readonly type: number;
  readonly palette: Uint8Array | null;
  /** Bytes of each row, from the top. */
  readonly rows: Uint8Array[];
}

/** Decodes a PNG file that has no filters, and checks every sum. */
export function decodePng(bytes: Uint8Array): DecodedPng {
  assert.deepEqual([...bytes.subarray(0, 8)], [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const chunks: { type: string; data: Uint8Array }[] = [];
  for (let at = 8; at < bytes.length;) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at);
    const length = view.getUint32(0);
    const typed = bytes.subarray(at + 4, at + 8 + length);
    assert.equal(view.getUint32(8 + length), crc32(typed));
    chunks.push({ type: String.fromCharCode(...typed.subarray(0, 4)), data: typed.subarray(4) });
    at += 12 + length;
  }
  assert.equal(chunks[0].type, "IHDR");
  assert.equal(chunks.at(-1)!.type, "IEND");
  const header = new DataView(chunks[0].data.buffer, chunks[0].data.byteOffset);
  const [width, height, bits, type] = [header.getUint32(0), header.getUint32(4), header.getUint8(8), header.getUint8(9)];
  assert.deepEqual([...chunks[0].data.subarray(10)], [0, 0, 0]);
  const parts = chunks.filter((chunk) => chunk.type === "IDAT").flatMap(({ data }) => [...data]);
  const raw = new Uint8Array(inflateSync(Uint8Array.from(parts)));
  const rowBytes = 1 + width * bits / 8 * { 2: 3, 3: 1, 4: 2 }[type]!;
  assert.equal(raw.length, height * rowBytes);
  const rows = Array.from({ length: height }, (_, y) => raw.subarray(y * rowBytes, (y + 1) * rowBytes));
  for (const row of rows) assert.equal(row[0], 0);
  return {
    width,
    height,
    bits,
    type,
    palette: chunks.find(({ type }) => type === "PLTE")?.data ?? null,
    rows: rows.map((row) => row.subarray(1)),
  };
}

/** All pieces of a file. */
export async function gather(parts: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  return new Uint8Array(await new Response(ReadableStream.from(parts)).arrayBuffer());
}
