import { RefusedError } from "../../lib/errors.ts";
import { escapeControls } from "../../lib/quote.ts";

/** A file that is written piece by piece, and has its name only when it is complete. */
export class OutputFile implements Disposable {
  readonly #file: Deno.FsFile;
  readonly #partPath: string;
  #isOpen = true;

  /**
   * Begins a file.
   *
   * @param what What it is, for messages: `the median`.
   * @throws {RefusedError} If it cannot be made.
   */
  constructor(readonly path: string, readonly what: string) {
    this.#partPath = `${path}.part`;
    this.#file = this.#try(() => Deno.openSync(this.#partPath, { write: true, create: true, truncate: true }));
  }

  /** Writes bytes behind what is there. */
  write(bytes: Uint8Array): void {
    for (let rest = bytes; rest.length > 0;) rest = rest.subarray(this.#try(() => this.#file.writeSync(rest)));
  }

  /** The file is complete: it gets its name. */
  finish(): void {
    this.#file.close();
    this.#isOpen = false;
    this.#try(() => Deno.renameSync(this.#partPath, this.path));
  }

  /** Removes what is not complete. */
  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#file.close();
    Deno.removeSync(this.#partPath);
  }

  /** Says for people what the file system or Deno refused. */
  #try<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      const reason = error instanceof Deno.errors.NotCapable
        ? "this command has no permission to write there"
        : (error as { code?: string }).code ?? error.message;
      throw new RefusedError(`Cannot write ${this.what} to ${escapeControls(this.path)}: ${reason}`, { cause: error });
    }
  }
}

/**
 * Refuses to write over what is read.
 *
 * @throws {RefusedError} If an output is one of the inputs.
 */
export function checkOutputs(outputs: readonly (string | undefined)[], inputs: readonly (string | null)[]): void {
  const places = new Set(inputs.flatMap((path) => path === null ? [] : placeOf(path) ?? []));
  for (const output of outputs) {
    const place = output === undefined ? null : placeOf(output);
    if (place === null || !places.has(place)) continue;
    throw new RefusedError(`Cannot write to ${escapeControls(output!)}: it is one of the images that are read`, {
      remedy: "Write it somewhere else, or take it out of the directory first",
    });
  }
}

/** What tells a file from all others, whatever it is called; `null` when it is not there. */
function placeOf(path: string): string | null {
  try {
    const { dev, ino } = Deno.statSync(path);
    return `${dev}:${ino}`;
  } catch {
    return null;
  }
}
