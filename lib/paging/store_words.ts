/** How many errors are kept; the next one takes the place of the oldest. */
const slots = 32;
const headBytes = 8;
const slotBytes = 512;
/** Offset, bytes (two doubles), and the length of the text. */
const textAt = 20;

/**
 * The last words of a store's exceptions, in memory that its workers share with who waits for them: a fault brings only a
 * number, and the thread that waits reads no messages.
 */
export class StoreWords {
  readonly #bytes: Uint8Array<SharedArrayBuffer>;
  readonly #view: DataView<SharedArrayBuffer>;

  /** Takes shared memory, that of another thread to read what it says. */
  constructor(readonly memory: SharedArrayBuffer = new SharedArrayBuffer(headBytes + slots * slotBytes)) {
    this.#bytes = new Uint8Array(memory);
    this.#view = new DataView(memory);
  }

  /** Says why a range failed. */
  put(offset: number, bytes: number, words: string): void {
    const number = Atomics.add(new Int32Array(this.memory, 0, 1), 0, 1);
    const at = headBytes + (number >>> 0) % slots * slotBytes;
    const text = new TextEncoder().encode(words).subarray(0, slotBytes - textAt);
    this.#view.setFloat64(at, offset, true);
    this.#view.setFloat64(at + 8, bytes, true);
    this.#bytes.set(text, at + textAt);
    this.#view.setInt32(at + 16, text.length, true);
  }

  /** The last words about a byte; `null` when there are none. */
  at(offset: number): string | null {
    const count = Atomics.load(new Int32Array(this.memory, 0, 1), 0) >>> 0;
    for (let number = count - 1; number >= Math.max(0, count - slots); number--) {
      const at = headBytes + number % slots * slotBytes;
      const begin = this.#view.getFloat64(at, true);
      const length = this.#view.getInt32(at + 16, true);
      if (offset < begin || offset >= begin + this.#view.getFloat64(at + 8, true)) continue;
      // A decoder takes no shared memory.
      return new TextDecoder().decode(this.#bytes.slice(at + textAt, at + textAt + length));
    }
    return null;
  }
}
