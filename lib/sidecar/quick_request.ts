import { joined } from "./body.ts";
import { bodyBytesMax } from "./limits.ts";

/** Where the bytes of a chunk end that make a head; a longer one is left to the ordinary parser. */
const headBytesMax = 2048;
const start = "POST /v1/syscalls HTTP/1.1\r\n";
const end = "\r\n\r\n";
const encoder = new TextEncoder();
const headDecoder = new TextDecoder("latin1");

/** Headers that change nothing of how a request is read or answered. */
const harmless = new Set(["content-type", "accept", "accept-encoding", "accept-language", "user-agent"]);

/** What became of the bytes so far: a request body, the need for more, or something that is not for us. */
export type Taken = { readonly body: Uint8Array } | "more" | { readonly others: Uint8Array };

/**
 * Reads requests for calls in their plainest form, as clients write them that make many: everything about the head is
 * known, and the body has a length. Whatever is not exactly so is given to the ordinary parser, byte for byte, so that
 * nothing is read in two ways.
 */
export class QuickRequest {
  /** The last head that was plain: the next one is probably the same. */
  #head = new Uint8Array(0);
  #bodyBytes = 0;
  #parts: Uint8Array[] = [];
  #missingBytes = 0;

  /** Whether a part of a request is here. */
  get isPartial(): boolean {
    return this.#parts.length > 0;
  }

  /** Takes what came; of a chunk that its owner fills again, nothing is kept but in the answer. */
  take(chunk: Uint8Array): Taken {
    if (this.#parts.length === 0) return this.#begin(chunk);
    this.#parts.push(chunk.slice());
    this.#missingBytes -= chunk.length;
    if (this.#missingBytes > 0) return "more";
    const whole = joined(this.#parts);
    this.#parts = [];
    return this.#missingBytes < 0 ? { others: whole } : { body: whole.subarray(whole.length - this.#bodyBytes) };
  }

  #begin(chunk: Uint8Array): Taken {
    if (!beginsWith(chunk, this.#head) && !this.#readHead(chunk)) return { others: chunk };
    const headBytes = this.#head.length;
    this.#missingBytes = headBytes + this.#bodyBytes - chunk.length;
    if (this.#missingBytes < 0) return { others: chunk };
    if (this.#missingBytes === 0) return { body: chunk.subarray(headBytes) };
    this.#parts.push(chunk.slice());
    return "more";
  }

  #readHead(chunk: Uint8Array): boolean {
    const text = headDecoder.decode(chunk.subarray(0, headBytesMax));
    const at = text.startsWith(start) ? text.indexOf(end) : -1;
    const bodyBytes = at < 0 ? null : bodyBytesOf(text.slice(start.length, at));
    if (bodyBytes === null) return false;
    this.#head = encoder.encode(text.slice(0, at + end.length));
    this.#bodyBytes = bodyBytes;
    return true;
  }
}

function beginsWith(chunk: Uint8Array, head: Uint8Array): boolean {
  if (head.length === 0 || chunk.length < head.length) return false;
  for (let i = 0; i < head.length; i++) if (chunk[i] !== head[i]) return false;
  return true;
}

/** The length of the body that plain headers announce; `null` when one of them is not plain. */
function bodyBytesOf(headers: string): number | null {
  let bodyBytes: number | null = null;
  let hosts = 0;
  for (const line of headers.split("\r\n")) {
    const [, name, value] = /^([A-Za-z-]+):[ \t]*([\x20-\x7e]*?)[ \t]*$/.exec(line) ?? [];
    switch (name?.toLowerCase()) {
      case "content-length":
        if (bodyBytes !== null || !/^\d{1,7}$/.test(value)) return null;
        bodyBytes = Number(value);
        break;
      case "host":
        if (!/^[\w.-]{1,255}$/.test(value)) return null;
        hosts++;
        break;
      case "connection":
        if (value.toLowerCase() !== "keep-alive") return null;
        break;
      default:
        if (name === undefined || !harmless.has(name.toLowerCase())) return null;
    }
  }
  return hosts === 1 && bodyBytes !== null && bodyBytes <= bodyBytesMax ? bodyBytes : null;
}
