import assert from "node:assert/strict";
import fc from "fast-check";
import { bodyBytesMax } from "../../../lib/sidecar/limits.ts";
import { QuickRequest, type Taken } from "../../../lib/sidecar/quick_request.ts";

const encoder = new TextEncoder(), decoder = new TextDecoder();

function requestOf(body: string, headers = `host: nodeos\r\ncontent-length: ${encoder.encode(body).length}\r\n`): Uint8Array {
  return encoder.encode(`POST /v1/syscalls HTTP/1.1\r\n${headers}\r\n${body}`);
}

function shown(taken: Taken): string {
  return taken === "more" ? "more" : "body" in taken ? `body ${decoder.decode(taken.body)}` : `others ${decoder.decode(taken.others)}`;
}

Deno.test("QuickRequest takes a plain request, and the next one", () => {
  const request = new QuickRequest();
  for (const body of ["{}", "[1]", "", "ü"]) assert.equal(shown(request.take(requestOf(body))), `body ${body}`);
});

Deno.test("QuickRequest takes a body that comes in parts, wherever it is cut behind the head", () => {
  fc.assert(fc.property(fc.string({ minLength: 1 }), fc.array(fc.nat(60)), (body, cuts) => {
    const bytes = requestOf(body);
    const headBytes = bytes.length - encoder.encode(body).length;
    const places = [...new Set(cuts.map((cut) => headBytes + cut).filter((cut) => cut < bytes.length))].sort((a, b) => a - b);
    const request = new QuickRequest();
    let from = 0;
    for (const place of places) {
      if (place === from) continue;
      assert.equal(request.take(bytes.subarray(from, place)), "more");
      assert.ok(request.isPartial);
      from = place;
    }
    assert.equal(shown(request.take(bytes.subarray(from))), `body ${decoder.decode(encoder.encode(body))}`);
    assert.ok(!request.isPartial);
  }));
});

Deno.test("QuickRequest leaves all that is not plain to others, byte for byte", () => {
  const length = "content-length: 2\r\n", host = "host: a\r\n";
  const others = [
    requestOf("{}", `${length}`),
    requestOf("{}", `${host}`),
    requestOf("{}", `${host}${host}${length}`),
    requestOf("{}", `${host}${length}${length}`),
    requestOf("{}", `${host}content-length: +2\r\n`),
    requestOf("{}", `${host}content-length: 2, 2\r\n`),
    requestOf("{}", `${host}content-length: ${bodyBytesMax + 1}\r\n`),
    requestOf("{}", `${host}${length}transfer-encoding: chunked\r\n`),
    requestOf("{}", `${host}${length}connection: close\r\n`),
    requestOf("{}", `${host}${length}expect: 100-continue\r\n`),
    requestOf("{}", `${host}${length}x-other: 1\r\n`),
    requestOf("{}", `${host}content-length : 2\r\n`),
    requestOf("{}", `${host}${length} folded\r\n`),
    requestOf("{}", `host: a b\r\n${length}`),
    requestOf("{}", `${host}${length}accept: \0\r\n`),
    requestOf("{}", `${host}${length}accept: ${"a".repeat(3000)}\r\n`),
    encoder.encode("GET /v1/policy HTTP/1.1\r\nhost: a\r\n\r\n"),
    encoder.encode("POST /v1/syscalls HTTP/1.0\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}"),
    encoder.encode("POST /v1/syscalls?a HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}"),
    encoder.encode("POST /v1/syscalls HTTP/1.1\nhost: a\ncontent-length: 2\n\n{}"),
    encoder.encode("POST /v1/sysc"),
    new Uint8Array([...requestOf("{}"), ...requestOf("{}")]),
  ];
  for (const bytes of others) {
    for (const first of [null, requestOf("{}"), requestOf("[[]]")]) {
      const request = new QuickRequest();
      if (first !== null) request.take(first);
      assert.deepEqual(request.take(bytes), { others: bytes }, decoder.decode(bytes));
    }
  }
});

Deno.test("QuickRequest gives what is behind a body that came in parts to others, with the body", () => {
  const request = new QuickRequest();
  const [first, second] = [requestOf("[1]"), requestOf("[2]")];
  assert.equal(request.take(first.subarray(0, first.length - 1)), "more");
  const rest = new Uint8Array([...first.subarray(first.length - 1), ...second]);
  assert.equal(shown(request.take(rest)), `others ${decoder.decode(first)}${decoder.decode(second)}`);
});

Deno.test("QuickRequest reads a head that is nearly the one before", () => {
  const request = new QuickRequest();
  assert.equal(shown(request.take(requestOf("[1]"))), "body [1]");
  assert.equal(shown(request.take(requestOf("[12]"))), "body [12]");
  assert.equal(
    shown(request.take(requestOf("[12]", "host: nodeos\r\ncontent-length: 3\r\n"))),
    `others ${decoder.decode(requestOf("[12]", "host: nodeos\r\ncontent-length: 3\r\n"))}`,
  );
});

Deno.test("QuickRequest takes the headers that clients send", () => {
  const headers =
    "Host: localhost\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\nContent-Length: 2\r\nContent-Type: application/x-www-form-urlencoded\r\nConnection: keep-alive\r\n";
  assert.equal(shown(new QuickRequest().take(requestOf("{}", headers))), "body {}");
});
