import { NodeosError, NoSuchObjectError, UsageError } from "../errors.ts";
import { escapeControls, quote } from "../quote.ts";

/** The largest file that is read; a specification of a thousand containers has a quarter of it. */
const bytesMax = 1024 * 1024;
const excerptLengthMax = 100;

/** The text of a file, and how its places are called. */
export class SpecText {
  /**
   * @param text The whole text.
   * @param fileName What people call the file.
   * @throws {UsageError} If it holds a character that is no text.
   */
  constructor(readonly text: string, readonly fileName: string) {
    const found = /(?![\t\n\r\x85])[\p{Cc}\p{Cs}\uFFFE\uFFFF]/u.exec(text);
    if (found === null) return;
    const code = found[0].codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0");
    throw this.errorAt(found.index, `there is a control character (U+${code})`, "A specification is plain text; remove it");
  }

  /** `spec.yaml:4:11`: file, line and column of an offset, both from 1. */
  place(offset: number): string {
    const before = this.text.slice(0, offset).split("\n");
    return `${escapeControls(this.fileName)}:${before.length}:${before[before.length - 1].length + 1}`;
  }

  /** What is wrong at an offset, with its line and a mark below the column. */
  errorAt(offset: number, message: string, remedy?: string): UsageError {
    return new UsageError(`Cannot read ${this.place(offset)}: ${message}${this.#excerpt(offset)}`, { remedy });
  }

  #excerpt(offset: number): string {
    const lineStart = this.text.lastIndexOf("\n", offset - 1) + 1;
    const lineEnd = this.text.indexOf("\n", lineStart);
    const start = Math.max(lineStart, offset - excerptLengthMax * 0.6);
    const line = this.text.slice(start, lineEnd < 0 ? undefined : lineEnd).slice(0, excerptLengthMax);
    // One character for one, or the mark stands in the wrong column.
    const shown = line.replace(/\t/g, " ").replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) => "?".repeat(character.length)).trimEnd();
    return shown.trim() === "" ? "" : `\n    ${shown}\n    ${" ".repeat(offset - start)}^`;
  }
}

/**
 * Reads a file of people's; needs read permission for it.
 *
 * @param path Its path; `-` is standard input.
 * @throws {NoSuchObjectError} If there is none.
 * @throws {UsageError} If it cannot be read, is larger than 1 MiB, or is not UTF-8.
 */
export function readText(path: string): SpecText {
  const bytes = readBytes(path);
  if (bytes.length > bytesMax) {
    throw refusal(path, "it is larger than 1 MiB", "A specification has some lines for each container; is this the right file?");
  }
  try {
    return new SpecText(new TextDecoder("utf-8", { fatal: true }).decode(bytes), path === "-" ? "stdin" : path);
  } catch (error) {
    if (error instanceof NodeosError) throw error;
    throw refusal(path, "it is not UTF-8 text", "Save it as UTF-8; is this the right file?", error);
  }
}

/** The bytes of a file; one more than is allowed shows that it is too large, without reading all of `/dev/zero`. */
function readBytes(path: string): Uint8Array<ArrayBuffer> {
  const buffer = new Uint8Array(bytesMax + 1);
  let length = 0;
  try {
    using file = path === "-" ? null : Deno.openSync(path);
    for (;;) {
      const count = (file ?? Deno.stdin).readSync(buffer.subarray(length));
      if (!count) return buffer.subarray(0, length);
      length += count;
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new NoSuchObjectError(`Cannot read ${quote(path)}: there is no such file`, {
        cause: error,
        remedy: "Name a YAML file, or - for standard input",
      });
    }
    if (error instanceof Deno.errors.PermissionDenied) {
      throw refusal(path, "you may not read it", "Run it as the user who may, or with sudo", error);
    }
    const reason = error instanceof Deno.errors.IsADirectory || /is a directory/i.test(`${error}`)
      ? "it is a directory"
      : error instanceof Error
      ? error.message
      : `${error}`;
    throw refusal(path, reason, "Name a YAML file, or - for standard input", error);
  }
}

function refusal(path: string, reason: string, remedy: string, cause?: unknown): UsageError {
  return new UsageError(`Cannot read ${path === "-" ? "standard input" : quote(path)}: ${reason}`, { cause, remedy });
}
