/**
 * A file on a web server as a store: each page is a request for a range of it.
 *
 * @module
 */

import { type PageStore, StoreError } from "./page_store.ts";

/** Which file, and how it is asked for. */
export interface HttpRequest {
  /** Where it is. */
  readonly url: string;
  /** Headers of every request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** A request that takes longer, to its last byte, is given up. */
  readonly timeoutMs: number;
}

/** What tells one version of a file from another. */
interface Version {
  readonly bytes: number;
  readonly etag: string | null;
  readonly modified: string | null;
}

/** Tries of one range: reading it again changes nothing on the server. */
const triesMax = 2;

/**
 * Asks the server for the first byte, and so learns how long the file is and which version of it this is.
 *
 * @throws {StoreError} If it is not there, is empty, or the server gives no ranges.
 */
export default async function openHttpStore(request: HttpRequest): Promise<PageStore> {
  const first = new Uint8Array(1);
  const version = await again(() => fetchRange(request, 0, first, null));
  return {
    bytes: version.bytes,
    async read(offset, into) {
      await again(() => fetchRange(request, offset, into, version));
    },
  };
}

/** Does it once more when the server was too slow, ill or gone, which may pass. */
async function again<T>(action: () => Promise<T>): Promise<T> {
  for (let tries = 1;; tries++) {
    try {
      return await action();
    } catch (error) {
      if (tries === triesMax || !(error instanceof PassingError)) throw error;
    }
  }
}

/** What may be different the next time. */
class PassingError extends StoreError {}

/** Fills `into` with a range; `known` is the version that it has to be of. */
async function fetchRange(request: HttpRequest, offset: number, into: Uint8Array, known: Version | null): Promise<Version> {
  const { url, timeoutMs } = request;
  const signal = AbortSignal.timeout(timeoutMs);
  const headers = new Headers(request.headers);
  headers.set("range", `bytes=${offset}-${offset + into.length - 1}`);
  // A range of what is compressed for the way would be a range of something else.
  headers.set("accept-encoding", "identity");
  const validator = known?.etag?.startsWith('"') ? known.etag : known?.modified;
  if (validator) headers.set("if-range", validator);
  try {
    const response = await fetch(url, { headers, signal });
    try {
      const version = versionOf(response, request, offset, into.length, known);
      await fill(response, into, url);
      return version;
    } finally {
      await response.body?.cancel().catch(() => {});
    }
  } catch (error) {
    if (error instanceof StoreError || error instanceof Deno.errors.NotCapable) throw error;
    if (signal.aborted) {
      throw new PassingError(`${url}: no answer within ${timeoutMs} ms`, "ETIMEDOUT", { cause: error });
    }
    throw new PassingError(`${url}: ${error instanceof Error ? error.message : error}`, "EIO", { cause: error });
  }
}

/** The version that a response is of, when it is what was asked for. */
function versionOf(response: Response, { url }: HttpRequest, offset: number, length: number, known: Version | null): Version {
  const { status, headers } = response;
  if (status !== 206) throw refusalOf(status, url, known);
  if ((headers.get("content-encoding") ?? "identity") !== "identity") {
    throw new StoreError(
      `${url}: the server sends ranges of a compressed file (content-encoding ${headers.get("content-encoding")})`,
      "EPROTO",
    );
  }
  const range = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(headers.get("content-range") ?? "");
  if (range === null) {
    throw new StoreError(`${url}: the server does not say which range it sends, and of how many bytes`, "EPROTO");
  }
  const [first, last, bytes] = range.slice(1).map(Number);
  const version = { bytes, etag: headers.get("etag"), modified: headers.get("last-modified") };
  if (known !== null && isOther(known, version)) throw changed(url);
  if (first !== offset || last !== offset + length - 1) {
    throw new StoreError(`${url}: the server sends bytes ${first} to ${last} instead of ${offset} to ${offset + length - 1}`, "EPROTO");
  }
  return version;
}

/** An answer to If-Range need not say when the file was modified. */
function isOther(known: Version, { bytes, etag, modified }: Version): boolean {
  return known.bytes !== bytes || known.etag !== etag || modified !== null && known.modified !== modified;
}

function changed(url: string): StoreError {
  return new StoreError(`${url}: the file has changed since it was opened`, "ESTALE");
}

function refusalOf(status: number, url: string, known: Version | null): StoreError {
  switch (status) {
    case 200:
      // With If-Range, the whole file is the answer to a version that there is no more.
      if (known?.etag?.startsWith('"') || known?.modified) return changed(url);
      return new StoreError(`${url}: the server sends the whole file (status 200) instead of a range of it (206)`, "EOPNOTSUPP");
    case 401:
    case 403:
      return new StoreError(`${url}: the server refuses (status ${status})`, "EACCES");
    case 404:
    case 410:
      return new StoreError(`${url}: there is no such file (status ${status})`, "ENOENT");
    case 416:
      return known === null ? new StoreError(`${url}: the file is empty (status 416)`, "ENODATA") : changed(url);
  }
  const message = `${url}: the server answers with status ${status}`;
  return status >= 500 || status === 408 || status === 429 ? new PassingError(message) : new StoreError(message);
}

/** All of a body, which has to be as long as the range. */
async function fill(response: Response, into: Uint8Array, url: string): Promise<void> {
  let length = 0;
  for await (const chunk of response.body ?? []) {
    if (length + chunk.length > into.length) throw new StoreError(`${url}: the server sends more than the range`, "EPROTO");
    into.set(chunk, length);
    length += chunk.length;
  }
  if (length < into.length) throw new PassingError(`${url}: the answer ends after ${length} of ${into.length} bytes`, "ENODATA");
}
