/** An answer as it begins: its body is still to come. */
export interface HttpHead {
  /** HTTP status. */
  readonly status: number;
  /** Headers by name in small letters. */
  readonly headers: ReadonlyMap<string, string>;
}

/** Both ends of a connection: what `Deno.connect` gives. */
export type Transport = Pick<Deno.Conn, "read" | "write" | "close">;

const encoder = new TextEncoder();
const latin1 = new TextDecoder("latin1");
const headBytesMax = 64 * 1024;

/**
 * HTTP/1.1 on one connection that stays open, one request at a time. `fetch` may take several connections, and each of
 * them is another client to the sidecar, with other descriptors.
 */
export class HttpConnection implements Disposable {
  #rest = new Uint8Array(0);
  #isClosed = false;

  /** Speaks on a connection, which is its own from now on. */
  constructor(readonly transport: Transport) {}

  /**
   * Sends a request, and reads the head of the answer.
   *
   * @throws {Error} If the connection ends before.
   */
  async request(method: string, path: string, body?: string, headers: Readonly<Record<string, string>> = {}): Promise<HttpHead> {
    const bytes = body === undefined ? undefined : encoder.encode(body);
    const lines = [`${method} ${path} HTTP/1.1`, "host: nodeos", ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)];
    if (bytes !== undefined) lines.push("content-type: application/json", `content-length: ${bytes.length}`);
    const head = encoder.encode(`${lines.join("\r\n")}\r\n\r\n`);
    const all = new Uint8Array(head.length + (bytes?.length ?? 0));
    all.set(head);
    if (bytes !== undefined) all.set(bytes, head.length);
    await this.#write(all);
    return await this.#readHead();
  }

  /** Whoever closes before all is written may have said why. */
  async #write(bytes: Uint8Array): Promise<void> {
    try {
      for (let sent = 0; sent < bytes.length;) sent += await this.transport.write(bytes.subarray(sent));
    } catch (error) {
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    }
  }

  /** The whole body of an answer as text. */
  async text(head: HttpHead): Promise<string> {
    let text = "";
    const streaming = new TextDecoder();
    for await (const part of this.body(head)) text += streaming.decode(part, { stream: true });
    return text + streaming.decode();
  }

  /** The body of an answer, as it comes; it has to be read to its end before the next request. */
  async *body({ headers }: HttpHead): AsyncGenerator<Uint8Array> {
    if (headers.get("transfer-encoding")?.toLowerCase() === "chunked") {
      for (let size = await this.#chunkSize(); size > 0; size = await this.#chunkSize()) {
        yield* this.#bytes(size);
        await this.#line();
      }
      await this.#line();
    } else {
      yield* this.#bytes(Number(headers.get("content-length") ?? 0));
    }
  }

  async #readHead(): Promise<HttpHead> {
    const [, status] = /^HTTP\/1\.[01] (\d{3})/.exec(await this.#line()) ?? [];
    if (status === undefined) throw new Error("Cannot read the sidecar's answer: it does not speak HTTP");
    const headers = new Map<string, string>();
    for (let line = await this.#line(); line !== ""; line = await this.#line()) {
      const colon = line.indexOf(":");
      headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
    }
    return { status: Number(status), headers };
  }

  async #chunkSize(): Promise<number> {
    return parseInt(await this.#line(), 16) || 0;
  }

  async #line(): Promise<string> {
    for (;;) {
      const end = this.#rest.indexOf(10);
      if (end >= 0) {
        const line = latin1.decode(this.#rest.subarray(0, end)).replace(/\r$/, "");
        this.#rest = this.#rest.subarray(end + 1);
        return line;
      }
      if (this.#rest.length > headBytesMax) throw new Error("Cannot read the sidecar's answer: a line of it has no end");
      await this.#more();
    }
  }

  async *#bytes(count: number): AsyncGenerator<Uint8Array> {
    for (let left = count; left > 0;) {
      if (this.#rest.length === 0) await this.#more();
      const part = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(part.length);
      left -= part.length;
      yield part;
    }
  }

  async #more(): Promise<void> {
    const buffer = new Uint8Array(64 * 1024);
    const count = await this.transport.read(buffer);
    if (count === null) throw new Error("Cannot read the sidecar's answer: it closed the connection");
    const all = new Uint8Array(this.#rest.length + count);
    all.set(this.#rest);
    all.set(buffer.subarray(0, count), this.#rest.length);
    this.#rest = all;
  }

  /** Closes the connection; twice is fine. */
  [Symbol.dispose](): void {
    if (!this.#isClosed) this.transport.close();
    this.#isClosed = true;
  }
}
