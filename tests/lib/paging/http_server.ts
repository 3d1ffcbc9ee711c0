/** What a file on the test's server does. */
export interface HttpFile {
  /** What is in it. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Tells its version; `null`: none. */
  etag?: string | null;
  /** When it was modified; said only to who does not ask for a version. */
  modified?: string;
  /** What goes wrong, with how many of the requests after the first: always when there is no count. */
  fault?: { readonly kind: HttpFault; count?: number };
}

/** What may go wrong. */
export type HttpFault =
  | number
  | "whole"
  | "slow"
  | "slow body"
  | "short"
  | "long"
  | "shifted"
  | "no range"
  | "compressed"
  | "reset"
  | "changed";

/** Answers a request for a range of a file, or as its fault says. */
export async function answer(request: Request, file: HttpFile | undefined): Promise<Response> {
  if (file === undefined) return new Response("no", { status: 404 });
  const { bytes, etag = '"1"' } = file;
  const fault = file.fault?.count === 0 ? undefined : file.fault?.kind;
  if (file.fault?.count) file.fault.count--;
  const match = /^bytes=(\d+)-(\d+)$/.exec(request.headers.get("range") ?? "");
  const headers = new Headers(etag === null ? {} : { etag });
  if (typeof fault === "number") return new Response("ill", { status: fault });
  if (fault === "slow") await new Promise((resolve) => setTimeout(resolve, 500));
  if (fault === "changed") headers.set("etag", '"2"');
  const condition = request.headers.get("if-range");
  if (file.modified !== undefined && condition === null) headers.set("last-modified", file.modified);
  if (match === null || fault === "whole" || condition !== null && condition !== headers.get("etag") && condition !== file.modified) {
    return new Response(bytes, { headers });
  }
  const shift = fault === "shifted" ? 1 : 0;
  const [first, last] = [Number(match[1]) + shift, Math.min(Number(match[2]) + shift, bytes.length - 1)];
  if (first >= bytes.length) return new Response(null, { status: 416, headers });
  const part = bytes.slice(first, last + 1);
  if (fault !== "no range") headers.set("content-range", `bytes ${first}-${last}/${bytes.length}`);
  if (fault === "compressed") headers.set("content-encoding", "x-unknown");
  const body = fault === "short" ? part.subarray(1) : fault === "long" ? bytes : part;
  const stream = new ReadableStream({
    start(controller) {
      if (fault === "slow body") return controller.enqueue(body.subarray(0, 1));
      if (fault === "reset") return controller.error(new Error("reset"));
      controller.enqueue(body);
      controller.close();
    },
  });
  return new Response(stream, { status: 206, headers });
}

/** A server of the test's own. */
export class HttpServer implements AsyncDisposable {
  /** Its files, by name. */
  readonly files = new Map<string, HttpFile>();
  /** How many requests came. */
  requestCount = 0;
  /** Headers of the last request. */
  headers = new Headers();
  readonly #server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {}, onError: () => new Response("ill", { status: 500 }) },
    (request) => {
      this.requestCount++;
      this.headers = request.headers;
      return answer(request, this.files.get(new URL(request.url).pathname.slice(1)));
    },
  );

  /** Where a file is. */
  url(name: string): string {
    return `http://127.0.0.1:${this.#server.addr.port}/${name}`;
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}
