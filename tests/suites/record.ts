import type { Result } from "./result.ts";

/** A run that is on record. */
interface Line extends Result {
  readonly suite: string;
  readonly entry: string;
  /** `native`, or the words before the program. */
  readonly side: string;
}

/** Every run so far, one JSON document a line, in a file that is appended to; a comparison that stopped goes on from it. */
export class RunRecord {
  readonly #lines: Line[];
  readonly #path: string | null;

  /** @param path The file, which need not exist; `null` keeps nothing. */
  constructor(path: string | null) {
    this.#path = path;
    this.#lines = path === null ? [] : linesOf(path);
  }

  /** The runs of one entry on one side, in their order. */
  results(suite: string, entry: string, side: string): Result[] {
    return this.#lines.filter((line) => line.suite === suite && line.entry === entry && line.side === side);
  }

  /** Appends a run. */
  add(suite: string, entry: string, side: string, result: Result): void {
    const line = { suite, entry, side, ...result };
    this.#lines.push(line);
    if (this.#path !== null) Deno.writeTextFileSync(this.#path, `${JSON.stringify(line)}\n`, { append: true });
  }
}

/** A line that was cut off as its writer died is left out. */
function linesOf(path: string): Line[] {
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  if (!text.endsWith("\n") && text !== "") {
    Deno.truncateSync(path, new TextEncoder().encode(text.slice(0, text.lastIndexOf("\n") + 1)).length);
  }
  return text.split("\n").slice(0, -1).map((line) => JSON.parse(line));
}
