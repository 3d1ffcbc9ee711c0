/** What a keyword says: `null` when the value is left open, two numbers for a complex one. */
export type CardValue = boolean | number | bigint | string | readonly [number, number] | null;

/** One card of a header, or a string with the cards that continue it. */
export interface Card {
  /** Its number among the cards of the header, from 1. */
  readonly number: number;
  /** `NAXIS1`, `COMMENT`, `""`, or with the convention of ESO `HIERARCH ESO DET NAME`. */
  readonly keyword: string;
  /** What it says; absent for cards without a value (COMMENT, HISTORY, blank ones) and for those that nobody can read. */
  readonly value?: CardValue;
  /** What stands where a value should, when it is none. */
  readonly malformed?: string;
  /** Words behind the value, or all of a card without one. */
  readonly comment: string;
}

/** Characters of a card. */
export const cardLength = 80;

const withoutValue = new Set(["COMMENT", "HISTORY", "CONTINUE", "END", ""]);
const integer = /^[+-]?\d+$/;
const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[EeDd][+-]?\d+)?$/;
const complex = /^\(\s*([^\s,()]+)\s*,\s*([^\s,()]+)\s*\)$/;
const quoted = /^'((?:[^']|'')*)'\s*(?:\/(.*))?$/;

/**
 * Parses the 80 characters of a card. Never throws: a value that nobody can read is `malformed`.
 *
 * @example Usage
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseCard } from "./card.ts";
 *
 * const card = parseCard("BZERO   =              32768.0 / unsigned", 5);
 * assert.deepEqual(card, { number: 5, keyword: "BZERO", value: 32768, comment: "unsigned" });
 * ```
 */
export function parseCard(text: string, number: number): Card {
  const keyword = text.slice(0, 8).trimEnd();
  if (keyword === "HIERARCH" && text.includes("=")) {
    const equals = text.indexOf("=");
    return { number, keyword: text.slice(0, equals).trim().replace(/\s+/g, " "), ...parseValue(text.slice(equals + 1)) };
  }
  if (text[8] !== "=" || withoutValue.has(keyword)) return { number, keyword, comment: text.slice(8).trim() };
  return { number, keyword, ...parseValue(text.slice(9)) };
}

/**
 * The string with which a card `CONTINUE` goes on, and its comment; `null` when it has none.
 *
 * @param comment What {@link parseCard} made of the card.
 */
export function continuation(comment: string): { value: string; comment: string } | null {
  const { value, comment: rest } = parseValue(comment);
  return typeof value === "string" ? { value, comment: rest } : null;
}

function parseValue(text: string): Pick<Card, "value" | "malformed" | "comment"> {
  const rest = text.trim();
  if (rest.startsWith("'")) {
    const match = quoted.exec(rest);
    if (match === null) return { malformed: rest, comment: "" };
    return { value: match[1].replaceAll("''", "'").replace(/ +$/, ""), comment: (match[2] ?? "").trim() };
  }
  const slash = rest.indexOf("/");
  const word = slash < 0 ? rest : rest.slice(0, slash).trimEnd();
  const comment = slash < 0 ? "" : rest.slice(slash + 1).trim();
  const value = parseWord(word);
  return value === undefined ? { malformed: word, comment } : { value, comment };
}

function parseWord(word: string): CardValue | undefined {
  if (word === "") return null;
  if (word === "T" || word === "F") return word === "T";
  if (integer.test(word)) {
    const value = Number(word);
    // A zero has no sign.
    return Number.isSafeInteger(value) ? value + 0 : BigInt(word.replace("+", ""));
  }
  const number = parseDecimal(word);
  if (number !== undefined) return number;
  const match = complex.exec(word);
  const parts = match === null ? [] : [parseDecimal(match[1]), parseDecimal(match[2])];
  return parts.length === 2 && parts[0] !== undefined && parts[1] !== undefined ? [parts[0], parts[1]] : undefined;
}

/** A number with `D` or `E` before its exponent; `undefined` when it is none. */
function parseDecimal(word: string): number | undefined {
  return decimal.test(word) ? Number(word.replace(/[Dd]/, "E")) : undefined;
}
