import { joined } from "../../ffi/bytes.ts";
import { bodyBytesMax } from "./limits.ts";
import { Problem } from "./problem.ts";

const decoder = new TextDecoder();
const strict = new TextDecoder("utf-8", { fatal: true });

/**
 * The body of a request, whether its length is announced or it comes in chunks.
 *
 * @throws {Problem} If it is too large; then no more of it is read.
 */
export async function bodyOf(request: Request): Promise<Uint8Array> {
  const length = request.headers.get("content-length");
  if (Number(length ?? 0) > bodyBytesMax) throw tooLarge();
  if (length !== null) return new Uint8Array(await request.arrayBuffer());
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of request.body ?? []) {
    bytes += part.length;
    if (bytes > bodyBytesMax) throw tooLarge();
    parts.push(part);
  }
  return joined(parts);
}

function tooLarge(): Problem {
  return new Problem(413, `Cannot read the request: it has more than ${bodyBytesMax} bytes`);
}

/**
 * The text of a request's body.
 *
 * @throws {Problem} If it is not UTF-8: a file name with other bytes would silently become another file's.
 */
export function bodyText(bytes: Uint8Array): string {
  const text = decoder.decode(bytes);
  // The strict decoder takes three times as long, and only one letter gives cause to ask it.
  if (text.includes("\ufffd")) checkUtf8(bytes);
  return text;
}

function checkUtf8(bytes: Uint8Array): void {
  try {
    strict.decode(bytes);
  } catch (cause) {
    throw new Problem(400, "Cannot read the request: it is not UTF-8", 'Write other bytes as { "base64": TEXT }', { cause });
  }
}

/**
 * The JSON of a request's body.
 *
 * @param what What cannot be read otherwise, as in `the changes`.
 * @throws {Problem} If it is none.
 */
export function bodyJson(bytes: Uint8Array, what: string, remedy?: string): unknown {
  const text = bodyText(bytes);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Problem(400, `Cannot read ${what}: it is no JSON: ${(cause as Error).message}`, remedy, { cause });
  }
}
