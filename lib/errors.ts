/** What went wrong decides the exit status: 1 refused, 2 usage, 3 not running, 4 no such object. */
export class NodeosError extends Error {
  /** Exit status of a command that ends with this error. */
  readonly exitCode: number = 1;
  /** What would be right, as one sentence without a full stop; printed on a line of its own. */
  readonly remedy?: string;

  /**
   * An error for people.
   *
   * @param message "Cannot", the verb the user asked for, a colon, what is the case.
   * @param options `remedy`: what would be right; `cause`: the layer below.
   */
  constructor(message: string, options: ErrorOptions & { remedy?: string } = {}) {
    super(message, options);
    this.remedy = options.remedy;
  }
}

/** The kernel or the state of the node refuses; nothing was changed. Exit status 1. */
export class RefusedError extends NodeosError {
  /** Always `RefusedError`. */
  override readonly name = "RefusedError";
}

/** The request itself is wrong: a flag, a name, a specification. Exit status 2. */
export class UsageError extends NodeosError {
  /** Always `UsageError`. */
  override readonly name = "UsageError";
  /** Always 2. */
  override readonly exitCode = 2;
}

/** The object exists, but nothing runs in it. Exit status 3. */
export class NotRunningError extends NodeosError {
  /** Always `NotRunningError`. */
  override readonly name = "NotRunningError";
  /** Always 3. */
  override readonly exitCode = 3;
}

/** There is no such container, CPU or file. Exit status 4. */
export class NoSuchObjectError extends NodeosError {
  /** Always `NoSuchObjectError`. */
  override readonly name = "NoSuchObjectError";
  /** Always 4. */
  override readonly exitCode = 4;
}

/**
 * The nearest of `known` to a mistyped word, as the words `; did you mean "cpus"?`, or `""` when none is near.
 *
 * @example Usage
 * ```ts
 * import assert from "node:assert/strict";
 * import { didYouMean } from "./errors.ts";
 *
 * assert.equal(didYouMean("cpu", ["cpus", "memory"]), '; did you mean "cpus"?');
 * assert.equal(didYouMean("zebra", ["cpus", "memory"]), "");
 * ```
 */
export function didYouMean(word: string, known: Iterable<string>): string {
  let best = "";
  let bestDistance = Math.min(3, Math.ceil(word.length / 2) + 0.5);
  for (const candidate of known) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best ? `; did you mean ${JSON.stringify(best)}?` : "";
}

/** Levenshtein distance: the least number of letters to insert, drop or replace. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length];
}
