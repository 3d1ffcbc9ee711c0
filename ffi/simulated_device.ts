import { struct } from "./struct.ts";

/** Writes that wait for the simulation; `IMAGE_RING` in `native/helper/simulate.h`. */
const ringCount = 256;
const magic = 0x31306d6973646f6en;
const none = 0xffff_ffff;

/** `struct image_head`. */
export const ImageHeadLayout = struct({
  magic: "u64",
  nodeCount: "u32",
  registerCount: "u32",
  valueCount: "u32",
  textBytes: "u32",
  published: "u64",
  produced: "u64",
  unused: "u64[3]",
});

/** `struct image_write`. */
export const ImageWriteLayout = struct({ value: "u32", unused: "u32", bits: "u64" });

/** `struct image_node`. */
export const ImageNodeLayout = struct({
  parent: "u32",
  kind: "u32",
  mode: "u32",
  name: "u32",
  data: "u32",
  count: "u32",
  guard: "u32",
  unused: "u32",
  lock: "u64",
  low: "i64",
  high: "i64",
});

/** `struct image_register`. */
export const ImageRegisterLayout = struct({ number: "u32", value: "u32", writable: "u64", reserved: "u64", lock: "u64" });

const kinds = { directory: 0, link: 1, text: 2, number: 3, registers: 4 } as const;

/** A register of a simulated CPU. */
export interface SimulatedRegister {
  /** Its number, which is the offset in the file. */
  readonly number: number;
  /** The value that it shows, by name. */
  readonly value: string;
  /** Bits that a write changes; none when left out. */
  readonly writable?: bigint;
  /** Bits that make a write fail when they are set. */
  readonly reserved?: bigint;
  /** Bits that make the register read-only while one of them is set. */
  readonly lock?: bigint;
}

/** What a simulated file shows. */
export type SimulatedContent =
  /** Where a symbolic link leads to. */
  | { readonly kind: "link"; readonly target: string }
  /** A text that stays. */
  | { readonly kind: "text"; readonly text: string }
  /** A value as a decimal number; written, it is one from `low` to `high`, and refused while a bit of `lock` is set. */
  | {
    readonly kind: "number";
    readonly value: string;
    readonly low?: bigint;
    readonly high?: bigint;
    readonly lock?: { readonly value: string; readonly bits: bigint };
  }
  /** Registers, each at the offset of its number. */
  | { readonly kind: "registers"; readonly registers: readonly SimulatedRegister[] };

/** A file of a simulated machine. */
export type SimulatedFile = SimulatedContent & {
  /** Path from the root, without a slash before it. */
  readonly path: string;
  /** Its permissions. */
  readonly mode: number;
};

/** Something that a program wrote. */
export interface SimulatedWrite {
  /** The value, by name. */
  readonly value: string;
  /** What it shall be. */
  readonly bits: bigint;
}

/**
 * The file that a simulation shares with `nodeos-helper simulate`, which serves it as files: which files there are, and their
 * values. Values change together: {@link SimulatedImage.publish} shows all of them at once.
 */
export class SimulatedImage implements Disposable {
  /** The values, in the order of `names`; they are seen after {@link SimulatedImage.publish}. */
  readonly values: BigUint64Array<ArrayBuffer>;
  readonly #file: Deno.FsFile;
  readonly #copyOffset: number;
  readonly #copy: BigUint64Array<ArrayBuffer>;
  readonly #word = new BigUint64Array(1);
  readonly #ring = new Uint8Array(ringCount * ImageWriteLayout.size);
  #published = 0n;
  #seen = 0n;
  #isOpen = true;

  /**
   * Creates the file.
   *
   * @param names The values that files refer to.
   * @throws {TypeError} If a file refers to a value that is not there, or a path is there twice.
   */
  constructor(readonly path: string, readonly names: readonly string[], files: readonly SimulatedFile[]) {
    const { bytes, copyOffset } = encodeImage(names, files);
    this.#copyOffset = copyOffset;
    this.#copy = new BigUint64Array(1 + names.length);
    this.values = this.#copy.subarray(1);
    this.#file = Deno.openSync(path, { read: true, write: true, createNew: true, mode: 0o600 });
    this.#write(0, bytes);
  }

  /** Shows the values as they are now. What was taken before is part of them, as far as it was done. */
  publish(): void {
    this.#copy[0] = this.#seen;
    const next = this.#published + 1n;
    this.#write(this.#copyOffset + Number(next % 2n) * this.#copy.byteLength, new Uint8Array(this.#copy.buffer));
    this.#word[0] = this.#published = next;
    this.#write(ImageHeadLayout.offsets.published, new Uint8Array(this.#word.buffer));
  }

  /** Takes what programs wrote since the last call, in their order. */
  takeWrites(): SimulatedWrite[] {
    this.#read(ImageHeadLayout.offsets.produced, new Uint8Array(this.#word.buffer));
    const produced = this.#word[0];
    if (produced === this.#seen) return [];
    this.#read(ImageHeadLayout.size, this.#ring);
    const writes: SimulatedWrite[] = [];
    for (; this.#seen < produced; this.#seen++) {
      const { value, bits } = ImageWriteLayout.read(this.#ring, Number(this.#seen % BigInt(ringCount)) * ImageWriteLayout.size);
      writes.push({ value: this.names[value], bits });
    }
    return writes;
  }

  /** Closes and removes the file; again does nothing. */
  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#file.close();
    Deno.removeSync(this.path);
  }

  #write(offset: number, bytes: Uint8Array): void {
    this.#file.seekSync(offset, Deno.SeekMode.Start);
    for (let done = 0; done < bytes.length;) done += this.#file.writeSync(bytes.subarray(done));
  }

  #read(offset: number, bytes: Uint8Array): void {
    this.#file.seekSync(offset, Deno.SeekMode.Start);
    for (let done = 0; done < bytes.length;) {
      const count = this.#file.readSync(bytes.subarray(done));
      if (count === null) throw new Error(`Cannot read ${this.path}: it is shorter than it was`);
      done += count;
    }
  }
}

type ImageNode = Parameters<typeof ImageNodeLayout.write>[1];

/** Lays files out as `native/helper/simulate.h` says: head, ring, nodes, registers, two copies of the values, texts. */
function encodeImage(names: readonly string[], files: readonly SimulatedFile[]): { bytes: Uint8Array<ArrayBuffer>; copyOffset: number } {
  const tree = new ImageTree(names);
  for (const file of files) tree.add(file);
  const { nodes, registers, texts } = tree;
  const nodesAt = ImageHeadLayout.size + ringCount * ImageWriteLayout.size;
  const registersAt = nodesAt + nodes.length * ImageNodeLayout.size;
  const copyOffset = registersAt + registers.length * ImageRegisterLayout.size;
  const textsAt = copyOffset + 2 * (1 + names.length) * 8;
  const bytes = new Uint8Array(textsAt + texts.length);
  const counts = { nodeCount: nodes.length, registerCount: registers.length, valueCount: names.length, textBytes: texts.length };
  ImageHeadLayout.write(bytes, { magic, ...counts });
  nodes.forEach((node, index) => ImageNodeLayout.write(bytes, node, nodesAt + index * ImageNodeLayout.size));
  registers.forEach((register, index) => ImageRegisterLayout.write(bytes, register, registersAt + index * ImageRegisterLayout.size));
  bytes.set(texts, textsAt);
  return { bytes, copyOffset };
}

/** Files as nodes, each with the index of its directory. */
class ImageTree {
  readonly nodes: ImageNode[] = [];
  readonly registers: Parameters<typeof ImageRegisterLayout.write>[1][] = [];
  readonly texts: number[] = [0];
  readonly #indexes = new Map<string, number>();
  readonly #values: ReadonlyMap<string, number>;

  constructor(names: readonly string[]) {
    this.#values = new Map(names.map((name, index) => [name, index]));
    this.#put("", { kind: kinds.directory, mode: 0o755, guard: none });
  }

  add(file: SimulatedFile): void {
    if (this.#indexes.has(file.path)) throw new TypeError(`Cannot simulate ${file.path}: it is there twice`);
    this.#put(file.path, { mode: file.mode, guard: none, kind: kinds[file.kind], ...this.#content(file) });
  }

  #content(file: SimulatedContent): ImageNode {
    if (file.kind === "link") return this.#text(file.target);
    if (file.kind === "text") return this.#text(file.text);
    if (file.kind === "number") {
      const guard = file.lock === undefined ? none : this.#value(file.lock.value);
      return { data: this.#value(file.value), count: 1, guard, lock: file.lock?.bits ?? 0n, low: file.low ?? 0n, high: file.high ?? 0n };
    }
    const data = this.registers.length;
    for (const { number, value, writable = 0n, reserved = 0n, lock = 0n } of file.registers) {
      this.registers.push({ number, value: this.#value(value), writable, reserved, lock });
    }
    return { data, count: file.registers.length };
  }

  #directory(path: string): number {
    const index = this.#indexes.get(path);
    return index ?? this.#put(path, { kind: kinds.directory, mode: 0o755, guard: none });
  }

  #put(path: string, node: ImageNode): number {
    const slash = path.lastIndexOf("/");
    const parent = path === "" ? 0 : this.#directory(slash < 0 ? "" : path.slice(0, slash));
    this.#indexes.set(path, this.nodes.length);
    return this.nodes.push({ ...node, parent, name: this.#text(path.slice(slash + 1)).data }) - 1;
  }

  #text(text: string): { data: number; count: number } {
    const data = this.texts.length;
    const bytes = new TextEncoder().encode(text);
    this.texts.push(...bytes, 0);
    return { data, count: bytes.length };
  }

  #value(name: string): number {
    const index = this.#values.get(name);
    if (index === undefined) throw new TypeError(`Cannot simulate a file of ${name}: there is no such value`);
    return index;
  }
}

/** What a program that sees simulated files is started with. */
export interface SimulatedRun {
  /** The shared file. */
  readonly image: string;
  /** An empty directory: the files appear there, for the program only. */
  readonly at: string;
  /** Directories below `at` that the program finds below `/` as well. */
  readonly over: readonly string[];
  /** The program and its arguments. */
  readonly command: readonly string[];
}

/** The arguments for `nodeos-helper` that run a program with simulated files. */
export function simulateArguments({ image, at, over, command }: SimulatedRun): string[] {
  return ["simulate", `--image=${image}`, `--at=${at}`, `--over=${over.join()}`, "--", ...command];
}
