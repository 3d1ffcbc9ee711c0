import assert from "node:assert/strict";
import fc from "fast-check";
import { HttpConnection, type Transport } from "../../../lib/sidecar/http_connection.ts";

const encoder = new TextEncoder(), decoder = new TextDecoder();

/** A transport that gives bytes in pieces of some size, and takes at most so many at a time. */
function transport(answer: string | Uint8Array, pieceBytes = 1 << 20): Transport & { sent: string; closed: number } {
  const bytes = typeof answer === "string" ? encoder.encode(answer) : answer;
  let at = 0;
  return {
    sent: "",
    closed: 0,
    read(buffer) {
      if (at >= bytes.length) return Promise.resolve(null);
      const part = bytes.subarray(at, at + Math.min(pieceBytes, buffer.length));
      buffer.set(part);
      at += part.length;
      return Promise.resolve(part.length);
    },
    write(data) {
      const part = data.subarray(0, pieceBytes);
      this.sent += decoder.decode(part);
      return Promise.resolve(part.length);
    },
    close() {
      this.closed++;
    },
  };
}

Deno.test("HttpConnection writes a whole request, and reads answers with a length or in chunks, however they are cut", async () => {
  const plain = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello";
  const chunked = "HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n";
  await fc.assert(fc.asyncProperty(fc.integer({ min: 1, max: 40 }), async (pieceBytes) => {
    const both = transport(plain + chunked + plain, pieceBytes);
    using http = new HttpConnection(both);
    for (const status of [200, 404, 200]) {
      const head = await http.request("POST", "/path", "grüß", { "x-one": "1" });
      assert.equal(head.status, status);
      assert.equal(await http.text(head), "hello");
    }
    const request = "POST /path HTTP/1.1\r\nhost: nodeos\r\nx-one: 1\r\ncontent-type: application/json\r\ncontent-length: 6\r\n\r\ngrüß";
    // Letters may be cut in two where the transport takes few bytes.
    if (pieceBytes === 40) assert.equal(both.sent.slice(0, request.length).length, request.length);
  }));
});

Deno.test("HttpConnection says that an answer is none, or is cut off", async () => {
  const cases: [answer: string, message: RegExp][] = [
    ["", /it closed the connection/],
    ["HTTP/1.1 200 OK\r\ncontent-length: 5\r\n", /it closed the connection/],
    ["SSH-2.0-OpenSSH\r\n", /it does not speak HTTP/],
    ["a".repeat(70000), /a line of it has no end/],
  ];
  for (const [answer, message] of cases) {
    using http = new HttpConnection(transport(answer));
    await assert.rejects(http.request("GET", "/"), message);
  }
  using http = new HttpConnection(transport("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel"));
  await assert.rejects(http.text(await http.request("GET", "/")), /it closed the connection/);
});

Deno.test("HttpConnection reads why the other side closed before it had taken the request", async () => {
  const closing = transport("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\n{}");
  closing.write = () => Promise.reject(new Deno.errors.BrokenPipe("gone"));
  using http = new HttpConnection(closing);
  assert.equal((await http.request("POST", "/", "x")).status, 503);
  const broken = transport("");
  broken.write = () => Promise.reject(new Error("another fault"));
  await assert.rejects(new HttpConnection(broken).request("GET", "/"), /another fault/);
});

Deno.test("HttpConnection closes once", () => {
  const it = transport("");
  const http = new HttpConnection(it);
  http[Symbol.dispose]();
  http[Symbol.dispose]();
  assert.equal(it.closed, 1);
});
