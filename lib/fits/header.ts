import { escapeControls, quote } from "../quote.ts";
import { type Card, cardLength, continuation, parseCard } from "./card.ts";
import { FitsError } from "./errors.ts";

/** Everything in a FITS file begins at a multiple of this. */
export const blockBytes = 2880;
/** A header of more blocks is none: 36 cards are in each. */
const headerBlocksMax = 10_000;

/** Where the bytes of a FITS file come from. */
export interface FitsSource {
  /** What messages call it. */
  readonly name: string;
  /** Its length. */
  readonly bytes: number;
  /** Reads bytes; fewer where the file ends. The result is the caller's until the next call. */
  read(offsetBytes: number, bytes: number): Uint8Array;
}

/** The header of one part of a FITS file. */
export class Header {
  readonly #first = new Map<string, Card>();

  /**
   * A header.
   *
   * @param name What messages call the file.
   * @param hdu Number of the part: 0 is the primary one.
   * @param cards All of them but END, in their order; strings with what continues them.
   * @param bytes Length in the file, blocks filled up.
   */
  constructor(readonly name: string, readonly hdu: number, readonly cards: readonly Card[], readonly bytes: number) {
    for (const card of cards) if (!this.#first.has(card.keyword)) this.#first.set(card.keyword, card);
  }

  /** The first card with a keyword. */
  card(keyword: string): Card | undefined {
    return this.#first.get(keyword);
  }

  /** Whether the header has a keyword. */
  has(keyword: string): boolean {
    return this.#first.has(keyword);
  }

  /**
   * A whole number.
   *
   * @param fallback What it is when the header does not say; without, it must.
   * @throws {FitsError} If it is missing, no whole number, or outside `range`.
   */
  integer(keyword: string, range: { readonly min: number; readonly max: number }, fallback?: number): number {
    const card = this.#first.get(keyword);
    if (card === undefined || card.value === null) {
      if (fallback !== undefined) return fallback;
      throw this.missing(keyword);
    }
    const { value } = card;
    if (typeof value !== "bigint" && (typeof value !== "number" || !Number.isInteger(value))) {
      throw this.fail(card, `${said(card)}, which is no whole number`);
    }
    if (value < range.min) throw this.fail(card, `${said(card)}, which is less than ${range.min}`);
    if (value > range.max) throw this.fail(card, `${said(card)}, which is more than ${range.max}`);
    return Number(value);
  }

  /**
   * A number; `fallback` when the header does not say.
   *
   * @throws {FitsError} If it is no number.
   */
  number(keyword: string, fallback: number): number {
    const card = this.#first.get(keyword);
    if (card === undefined || card.value === null) return fallback;
    const { value } = card;
    if (typeof value !== "number" && typeof value !== "bigint") throw this.fail(card, `${said(card)}, which is no number`);
    if (!Number.isFinite(Number(value))) throw this.fail(card, `${said(card)}, which is more than a number can be`);
    return Number(value);
  }

  /**
   * A whole number of 64 bits; `null` when the header does not say.
   *
   * @throws {FitsError} If it is no whole number.
   */
  bigInteger(keyword: string): bigint | null {
    const card = this.#first.get(keyword);
    if (card === undefined || card.value === null) return null;
    const { value } = card;
    if (typeof value === "bigint") return value;
    if (typeof value !== "number" || !Number.isInteger(value)) throw this.fail(card, `${said(card)}, which is no whole number`);
    return BigInt(value);
  }

  /** A string; `null` when the header does not say, or says something else than a string. */
  text(keyword: string): string | null {
    const value = this.#first.get(keyword)?.value;
    return typeof value === "string" ? value : null;
  }

  /** Whether a keyword says T. */
  flag(keyword: string): boolean {
    return this.#first.get(keyword)?.value === true;
  }

  /** An error about a card. */
  fail(card: Card, problem: string): FitsError {
    return new FitsError(`Cannot read ${escapeControls(this.name)}: ${this.place}card ${card.number} (${card.keyword}) ${problem}`);
  }

  /** An error about a keyword that is not there. */
  missing(keyword: string): FitsError {
    return new FitsError(`Cannot read ${escapeControls(this.name)}: ${this.place}keyword ${keyword} is missing`);
  }

  /** `extension 2, ` for messages; nothing for the primary header. */
  get place(): string {
    return this.hdu === 0 ? "" : `extension ${this.hdu}, `;
  }
}

/** What a card says, for a message. */
function said({ value, malformed }: Card): string {
  if (malformed !== undefined) return `says ${quote(malformed)}`;
  if (value === undefined) return "has no value";
  return `says ${typeof value === "string" ? quote(value) : value === true ? "T" : value === false ? "F" : value}`;
}

/**
 * Reads a header, block by block up to END.
 *
 * @param offsetBytes Where it begins.
 * @param hdu Number of the part of the file that it is for, for messages.
 * @throws {FitsError} If the file ends before END, or END does not come.
 */
export function readHeader(source: FitsSource, offsetBytes: number, hdu: number): Header {
  const cards: Card[] = [];
  const where = hdu === 0 ? "the header" : `the header of extension ${hdu}`;
  for (let block = 0; block < headerBlocksMax; block++) {
    const at = offsetBytes + block * blockBytes;
    const text = ascii(source.read(at, blockBytes));
    const end = addCards(cards, text);
    if (end) return new Header(source.name, hdu, joined(cards), (block + 1) * blockBytes);
    if (text.length < blockBytes) {
      throw new FitsError(
        `Cannot read ${escapeControls(source.name)}: ${where} has no END: the file ends after ${cards.length} cards`,
      );
    }
  }
  throw new FitsError(
    `Cannot read ${escapeControls(source.name)}: ${where} has no END within ${headerBlocksMax} blocks of ${blockBytes} bytes`,
  );
}

/** Adds the cards of a block; true when END was among them. */
function addCards(cards: Card[], text: string): boolean {
  for (let at = 0; at + cardLength <= text.length; at += cardLength) {
    const card = parseCard(text.slice(at, at + cardLength), cards.length + 1);
    if (card.keyword === "END" && card.comment === "") return true;
    cards.push(card);
  }
  return false;
}

/** Cards, each string that ends with `&` joined with the CONTINUE cards behind it. */
function joined(cards: readonly Card[]): Card[] {
  const result: Card[] = [];
  for (const card of cards) {
    const last = result.at(-1);
    const more = card.keyword === "CONTINUE" ? continuation(card.comment) : null;
    if (more === null || last === undefined || typeof last.value !== "string" || !last.value.endsWith("&")) {
      result.push(card);
      continue;
    }
    const comment = [last.comment, more.comment].filter(Boolean).join(" ");
    result[result.length - 1] = { ...last, value: last.value.slice(0, -1) + more.value, comment };
  }
  return result;
}

/** Bytes as characters; what FITS does not allow in a header becomes a question mark. */
function ascii(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "?";
  return text;
}
