import assert from "node:assert/strict";
import type { PageStore } from "../../../lib/paging/page_store.ts";

/** A store to look at, and what it has to hold. */
export interface StoreCase {
  /** The store. */
  readonly store: PageStore;
  /** What it holds. */
  readonly expected: Uint8Array<ArrayBuffer>;
}

/** Looks whether a store does what `PageStore` says: every TypeScript store of ours passes this. */
export async function conforms({ store, expected }: StoreCase): Promise<void> {
  const { bytes, blockBytes = 1 } = store;
  assert.equal(bytes, expected.length);
  assert.equal(Math.log2(blockBytes) % 1, 0);
  const ranges = [
    [0, 4096],
    [0, blockBytes],
    [4096, 8192],
    [bytes - bytes % blockBytes - blockBytes, bytes],
    [0, Math.min(bytes, 2 ** 20)],
    [bytes % 4096 === 0 ? bytes - 4096 : bytes - bytes % 4096, bytes],
  ];
  for (const [from, to] of ranges) assert.deepEqual(await readRange(store, from, to), expected.slice(from, to), `${from} to ${to}`);

  const parts = await Promise.all(Array.from({ length: 8 }, (_, index) => readRange(store, index * 4096, index * 4096 + 4096)));
  parts.forEach((part, index) => assert.deepEqual(part, expected.slice(index * 4096, index * 4096 + 4096)));

  const outer = new Uint8Array(3 * 4096).fill(0xa5);
  await store.read(4096, outer.subarray(4096, 8192));
  assert(outer.subarray(0, 4096).every((byte) => byte === 0xa5) && outer.subarray(8192).every((byte) => byte === 0xa5));

  if (store.write !== undefined) {
    const other = expected.slice(4096, 8192).map((byte) => ~byte);
    await store.write(4096, other);
    await store.sync?.();
    assert.deepEqual(
      await readRange(store, 0, 12288),
      Uint8Array.from([...expected.slice(0, 4096), ...other, ...expected.slice(8192, 12288)]),
    );
    await store.write(4096, expected.slice(4096, 8192));
    assert.deepEqual(await readRange(store, 4096, 8192), expected.slice(4096, 8192));
  }
  await store.close?.();
}

async function readRange(store: PageStore, from: number, to: number): Promise<Uint8Array<ArrayBuffer>> {
  const into = new Uint8Array(to - from);
  await store.read(from, into);
  return into;
}
