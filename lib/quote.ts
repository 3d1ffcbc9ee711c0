/** Text from outside is cut here, so that a message stays on a line. */
const lengthMax = 60;

/**
 * Puts text from outside into a message: in quotes, on one line, cut after 60 characters, and without anything that a
 * terminal would obey.
 *
 * @example Usage
 * ```ts
 * import assert from "node:assert/strict";
 * import { quote } from "./quote.ts";
 *
 * assert.equal(quote("a\nb"), '"a\\nb"');
 * ```
 */
export function quote(text: string): string {
  return escapeControls(JSON.stringify(text.length > lengthMax ? `${text.slice(0, lengthMax - 3)}...` : text));
}

/** Escapes control and direction characters, which no message should carry to a terminal. */
export function escapeControls(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}
