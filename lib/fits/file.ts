import { NoSuchObjectError, RefusedError } from "../errors.ts";
import { escapeControls } from "../quote.ts";
import type { FitsSource } from "./header.ts";

/** A file on a disk as the source of a FITS file. Needs the permission to read it. */
export class FitsFile implements FitsSource, Disposable {
  /** Its path. */
  readonly name: string;
  /** Its length when it was opened. */
  readonly bytes: number;
  readonly #file: Deno.FsFile;

  /**
   * Opens a file.
   *
   * @throws {NoSuchObjectError} If there is none.
   * @throws {RefusedError} If it is a directory, or nobody lets us read it.
   */
  constructor(path: string) {
    this.name = path;
    this.#file = readingOf(path, () => Deno.openSync(path));
    const { isDirectory, size } = this.#file.statSync();
    this.bytes = size;
    if (!isDirectory) return;
    this.#file.close();
    throw new RefusedError(`Cannot read ${escapeControls(path)}: it is a directory`);
  }

  /** Reads bytes into memory of their own; fewer where the file ends. */
  read(offsetBytes: number, bytes: number): Uint8Array<ArrayBuffer> {
    const into = new Uint8Array(Math.max(0, Math.min(bytes, this.bytes - offsetBytes)));
    return into.subarray(0, this.readInto(offsetBytes, into));
  }

  /** Reads bytes into memory of the caller; returns how many there were. */
  readInto(offsetBytes: number, into: Uint8Array): number {
    this.#file.seekSync(offsetBytes, Deno.SeekMode.Start);
    let count = 0;
    while (count < into.length) {
      const more = this.#file.readSync(into.subarray(count));
      if (more === null) break;
      count += more;
    }
    return count;
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** Reads from the file system, and says for people what that or Deno refused. */
export function readingOf<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const name = escapeControls(path);
    if (error instanceof Deno.errors.NotFound) throw new NoSuchObjectError(`Cannot read ${name}: there is no such file`, { cause: error });
    if (!(error instanceof Error)) throw error;
    const reason = error instanceof Deno.errors.NotCapable
      ? "this command has no permission to read it"
      : (error as { code?: string }).code;
    throw new RefusedError(`Cannot read ${name}: ${reason ?? error.message}`, { cause: error });
  }
}
