import type { SpecPath } from "./spec.ts";

/** Where the values of a file stand: offsets by path. */
export class SpecPlaces {
  readonly #offsets = new Map<string, { readonly value: number; readonly key: number }>();
  readonly #keys = new Set<string>();

  /** Notes the offset of a value, and of its key. */
  note(path: SpecPath, value: number, key: number): void {
    this.#offsets.set(JSON.stringify(path), { value, key });
  }

  /** Whoever asks for this path wants to see the key. */
  preferKey(path: SpecPath): void {
    this.#keys.add(JSON.stringify(path));
  }

  /** Offset of a value, or of the nearest one around it that is in the file. */
  offset(path: SpecPath): number {
    for (let length = path.length; length >= 0; length--) {
      const name = JSON.stringify(path.slice(0, length));
      const found = this.#offsets.get(name);
      if (found !== undefined) return this.#keys.has(name) ? found.key : found.value;
    }
    return 0;
  }
}
