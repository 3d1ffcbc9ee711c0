import { RefusedError, UsageError } from "../../lib/errors.ts";

/** As a file: standard output. */
export const stdout = "-";

/** Two documents on one stream are none: throws a `UsageError`. */
export function checkOutputs(paths: readonly (string | undefined)[]): void {
  if (paths.filter((path) => path === stdout).length <= 1) return;
  throw new UsageError("Cannot print several documents to standard output", { remedy: "Give all of them but one a file of their own" });
}

/** Why a file could not be written, for people. */
export function writeRefusal(path: string, error: unknown): Error {
  if (!(error instanceof Error)) throw error;
  const reason = error instanceof Deno.errors.NotCapable
    ? "this command has no permission to write there"
    : (error as { code?: string }).code ?? error.message;
  const [name, remedy] = path === stdout
    ? ["standard output", "See to what it is sent to: it takes no more"]
    : [path, "Choose a file below this directory, or write to standard output instead, with - as the file"];
  return new RefusedError(`Cannot write ${name}: ${reason}`, { cause: error, remedy });
}

/** Makes a directory, if it is not there. Throws a `RefusedError` if that cannot be. */
export function makeDirectory(path: string): void {
  try {
    Deno.mkdirSync(path, { recursive: true });
  } catch (error) {
    throw writeRefusal(path, error);
  }
}

/** A file that is written piece by piece; `-` is standard output. */
export class TextOutput implements Disposable {
  readonly #file: Pick<Deno.FsFile, "writeSync">;
  readonly #close: () => void;
  readonly #encoder = new TextEncoder();
  /** Whether whoever reads it has gone (`| head`): nobody needs more then. */
  isOver = false;

  /** Creates the file, or empties it. Throws a `RefusedError` if that cannot be. */
  constructor(readonly path: string) {
    if (path === stdout) [this.#file, this.#close] = [Deno.stdout, () => {}];
    else {
      try {
        const file = Deno.openSync(path, { write: true, create: true, truncate: true });
        [this.#file, this.#close] = [file, () => file.close()];
      } catch (error) {
        throw writeRefusal(path, error);
      }
    }
  }

  /** Writes all of a text. */
  write(text: string): void {
    let bytes = this.#encoder.encode(text);
    try {
      while (bytes.length > 0 && !this.isOver) bytes = bytes.subarray(this.#file.writeSync(bytes));
    } catch (error) {
      if (!(error instanceof Deno.errors.BrokenPipe)) throw writeRefusal(this.path, error);
      this.isOver = true;
    }
  }

  /** Closes the file; standard output stays open. */
  [Symbol.dispose](): void {
    this.#close();
  }
}
