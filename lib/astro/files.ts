import { NoSuchObjectError } from "../errors.ts";
import { readingOf } from "../fits/file.ts";
import { escapeControls } from "../quote.ts";

const fitsName = /\.(?:fits|fit|fts)$/i;

/**
 * FITS files that words of a command line mean, in their order. A word is a directory (its `.fits`, `.fit` and `.fts` files in
 * natural order), a file, `@LIST` (a text file with a path a line, relative to it; `-` is a missing epoch, `#` begins a
 * comment), or the beginning of names that go on with a number: `night` is `night1.fits`, `night2.fits`, ... up to the first
 * that is not there.
 *
 * @param hasGaps Numbers may be missing: they are `null` between the first file and the last.
 * @throws {NoSuchObjectError} If a word means no file.
 */
export function findFitsFiles(words: readonly string[], hasGaps = false): (string | null)[] {
  return words.flatMap((word) => {
    if (word.startsWith("@")) return readList(word.slice(1));
    const kind = kindOf(word);
    if (kind === "file") return [word];
    return kind === "directory" ? ofDirectory(word) : ofPrefix(word, hasGaps);
  });
}

/**
 * Compares names as people do: numbers in them by their value, so that `night2` is before `night10`.
 *
 * @example Usage
 * ```ts
 * import assert from "node:assert/strict";
 * import { compareNatural } from "./files.ts";
 *
 * assert.deepEqual(["n10", "n2", "n1"].sort(compareNatural), ["n1", "n2", "n10"]);
 * ```
 */
export function compareNatural(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => text.match(/\d+|\D+/g) ?? []);
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const order = compareParts(left[i], right[i]);
    if (order !== 0) return order;
  }
  // `01` and `1` are equal numbers, and different names.
  return left.length - right.length || compareCodeUnits(a, b);
}

function compareParts(a: string, b: string): number {
  if (!/^\d/.test(a) || !/^\d/.test(b)) return compareCodeUnits(a, b);
  const [left, right] = [a, b].map((digits) => digits.replace(/^0+(?=\d)/, ""));
  return left.length - right.length || compareCodeUnits(left, right);
}

function compareCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function ofDirectory(directory: string): string[] {
  const all = listNames(directory);
  const names = all.filter((name) => fitsName.test(name)).sort(compareNatural);
  if (names.length > 0) return names.map((name) => joinPath(directory, name));
  const undo = all.some((name) => name.endsWith(".fz")) ? "funpack *.fz" : all.some((name) => name.endsWith(".gz")) ? "gunzip *.gz" : null;
  throw new NoSuchObjectError(`Cannot find images in ${escapeControls(directory)}: it has no .fits, .fit or .fts files`, {
    remedy: undo === null ? undefined : `Decompress those in it: ${undo}`,
  });
}

function ofPrefix(prefix: string, hasGaps: boolean): (string | null)[] {
  const slash = prefix.lastIndexOf("/");
  const [directory, start] = [prefix.slice(0, slash + 1) || ".", prefix.slice(slash + 1)];
  const numbers = kindOf(directory) !== "directory"
    ? []
    : listNames(directory).filter((name) => name.startsWith(start)).flatMap((name) =>
      /^[1-9]\d{0,8}(?=\.fits$)/.exec(name.slice(start.length)) ?? []
    )
      .map(Number);
  const known = new Set(numbers);
  const last = hasGaps ? numbers.reduce((most, number) => Math.max(most, number), 0) : lastWithout(known);
  const first = hasGaps ? numbers.reduce((least, number) => Math.min(least, number), Infinity) : 1;
  if (!(last >= first)) {
    throw new NoSuchObjectError(
      `Cannot find images at ${escapeControls(prefix)}: there is no such directory or file, and no ${escapeControls(prefix)}1.fits`,
    );
  }
  return Array.from({ length: last - first + 1 }, (_, index) => known.has(first + index) ? `${prefix}${first + index}.fits` : null);
}

/** The last number before one that is not there. */
function lastWithout(known: ReadonlySet<number>): number {
  let last = 0;
  while (known.has(last + 1)) last++;
  return last;
}

function readList(path: string): (string | null)[] {
  const directory = path.slice(0, path.lastIndexOf("/") + 1);
  const lines = readingOf(path, () => Deno.readTextFileSync(path)).split("\n").map((line) => line.replace(/(?:^|\s)#.*/, "").trim());
  return lines.filter((line) => line !== "").map((line) => line === "-" ? null : line.startsWith("/") ? line : directory + line);
}

function listNames(directory: string): string[] {
  return readingOf(directory, () => [...Deno.readDirSync(directory)]).filter((entry) => !entry.isDirectory).map(({ name }) => name);
}

function kindOf(path: string): "file" | "directory" | null {
  try {
    return readingOf(path, () => Deno.statSync(path)).isDirectory ? "directory" : "file";
  } catch (error) {
    if (error instanceof NoSuchObjectError) return null;
    throw error;
  }
}

function joinPath(directory: string, name: string): string {
  return directory === "." ? name : `${directory.replace(/\/+$/, "")}/${name}`;
}
