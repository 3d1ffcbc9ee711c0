import { errnoText } from "../../../ffi/errors.ts";
import { listMemory } from "../../../ffi/mapping.ts";
import { PageBuffer } from "../../../lib/paging/buffer.ts";
import { Region } from "../../../lib/paging/region.ts";
import { fileStore } from "../../../lib/paging/stores.ts";

/** Files of a test's own; disposing removes them. */
export class Scratch implements Disposable {
  /** Where they are. */
  readonly directory = Deno.makeTempDirSync({ prefix: "nodeos-paging-" });

  /** A file with these bytes. */
  file(name: string, bytes: Uint8Array): string {
    const path = `${this.directory}/${name}`;
    Deno.writeFileSync(path, bytes);
    return path;
  }

  /** Removes everything. */
  [Symbol.dispose](): void {
    Deno.removeSync(this.directory, { recursive: true });
  }
}

/** Bytes that tell where they are: no two pages are alike, nor is any shifted. */
export function pattern(bytes: number, seed = 0): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(bytes / 4));
  for (let index = 0; index < words.length; index++) words[index] = Math.imul(index + 1 + seed, 2654435761);
  return new Uint8Array(words.buffer, 0, bytes);
}

/** URL of a store of `stores/`. */
export function storeModule(name: string): URL {
  return new URL(`./stores/${name}.ts`, import.meta.url);
}

/** Registers what is registered at its first use, which within a test would count as a leak. */
export function openLibrary(): void {
  using scratch = new Scratch();
  using buffer = new PageBuffer(2 ** 20);
  using region = Region.mapSync(fileStore(scratch.file("first", pattern(4096))), { buffer });
  region.read(0, new Uint8Array(1));
  region.view(Uint8Array);
  listMemory("/run/nodeos/memory");
  errnoText(5);
}

/** The modes in which faults are answered by us. */
export const modes = ["signal", "thread"] as const;

/** A test in a mode. Faults of the kernel itself, which threads answer, are not given to everybody. */
export function modeTest(mode: (typeof modes)[number], title: string, fn: () => void | Promise<void>): void {
  const problem = mode === "thread" && Deno.uid() !== 0 ? "needs root" : null;
  Deno.test({ name: `${title}${problem === null ? "" : ` [${problem}]`}`, ignore: problem !== null, fn });
}
