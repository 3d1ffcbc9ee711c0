import { Problem } from "./problem.ts";

const decoder = new TextDecoder();
const strict = new TextDecoder("utf-8", { fatal: true });

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
