import assert from "node:assert/strict";
import openHttpStore from "../../../lib/paging/http_store.ts";
import { conforms } from "./conformance.ts";
import { pattern } from "./host.ts";
import { type HttpFault, HttpServer } from "./http_server.ts";

const bytes = 100_001;

async function open(server: HttpServer, { timeoutMs = 5_000, headers }: { timeoutMs?: number; headers?: Record<string, string> } = {}) {
  return await openHttpStore({ url: server.url("file"), timeoutMs, headers });
}

for (const etag of ['"1"', 'W/"1"', null]) {
  Deno.test(`the store of a web server conforms, with ${etag === null ? "no version" : `version ${etag}`}`, async () => {
    await using server = new HttpServer();
    const expected = pattern(bytes);
    server.files.set("file", { bytes: expected, etag });
    await conforms({ store: await open(server), expected });
  });
}

Deno.test("the store of a web server asks for ranges, uncompressed, of the version that it opened, with the headers it was given", async () => {
  await using server = new HttpServer();
  server.files.set("file", { bytes: pattern(bytes) });
  const store = await open(server, { headers: { authorization: "Bearer x" } });
  await store.read(8192, new Uint8Array(4096));
  assert.equal(server.headers.get("range"), "bytes=8192-12287");
  assert.equal(server.headers.get("if-range"), '"1"');
  assert.equal(server.headers.get("accept-encoding"), "identity");
  assert.equal(server.headers.get("authorization"), "Bearer x");
});

const refusals: readonly [HttpFault, string, RegExp, number][] = [
  [500, "EIO", /the server answers with status 500$/, 2],
  [503, "EIO", /status 503/, 2],
  [418, "EIO", /status 418/, 1],
  [404, "ENOENT", /there is no such file \(status 404\)/, 1],
  [403, "EACCES", /the server refuses \(status 403\)/, 1],
  [416, "ESTALE", /has changed/, 1],
  ["changed", "ESTALE", /the file has changed since it was opened/, 1],
  ["whole", "ESTALE", /the file has changed/, 1],
  ["short", "ENODATA", /the answer ends after 4095 of 4096 bytes/, 2],
  ["long", "EPROTO", /more than the range/, 1],
  ["shifted", "EPROTO", /sends bytes 4097 to 8192 instead of 4096 to 8191/, 1],
  ["no range", "EPROTO", /does not say which range/, 1],
  ["compressed", "EPROTO", /compressed file \(content-encoding x-unknown\)/, 1],
  ["reset", "EIO", /file: /, 2],
  ["slow", "ETIMEDOUT", /no answer within 200 ms/, 2],
  ["slow body", "ETIMEDOUT", /no answer within 200 ms/, 2],
];
for (const [kind, code, message, tries] of refusals) {
  Deno.test(`a web server that answers with ${kind} is ${code}, after ${tries === 1 ? "one try" : "two tries"}`, async () => {
    await using server = new HttpServer();
    const file: Parameters<typeof server.files.set>[1] = { bytes: pattern(bytes) };
    server.files.set("file", file);
    const store = await open(server, { timeoutMs: typeof kind === "string" && kind.startsWith("slow") ? 200 : 5_000 });
    file.fault = { kind };
    const before = server.requestCount;
    await assert.rejects(async () => await store.read(4096, new Uint8Array(4096)), { name: "StoreError", code, message });
    assert.equal(server.requestCount - before, tries);
    // The others live.
    file.fault = undefined;
    await conforms({ store, expected: file.bytes });
  });
}

for (const kind of [500, "slow", "short", "reset"] as const) {
  Deno.test(`a web server that answers with ${kind} once is asked again`, async () => {
    await using server = new HttpServer();
    const file: Parameters<typeof server.files.set>[1] = { bytes: pattern(bytes) };
    server.files.set("file", file);
    const store = await open(server, { timeoutMs: 300 });
    file.fault = { kind, count: 1 };
    const into = new Uint8Array(4096);
    await store.read(4096, into);
    assert.deepEqual(into, file.bytes.slice(4096, 8192));
  });
}

Deno.test("a file that is replaced by a longer one is ESTALE, also when it has no version", async () => {
  await using server = new HttpServer();
  server.files.set("file", { bytes: pattern(bytes), etag: null });
  const store = await open(server);
  server.files.set("file", { bytes: pattern(bytes + 1), etag: null });
  await assert.rejects(async () => await store.read(0, new Uint8Array(4096)), { code: "ESTALE" });
});

Deno.test("a file without a version is known by the time it was modified", async () => {
  await using server = new HttpServer();
  const expected = pattern(bytes);
  server.files.set("file", { bytes: expected, etag: null, modified: "Sat, 21 Nov 2026 10:00:00 GMT" });
  const store = await open(server);
  await conforms({ store, expected });
  assert.equal(server.headers.get("if-range"), "Sat, 21 Nov 2026 10:00:00 GMT");
  server.files.set("file", { bytes: expected, etag: null, modified: "Sat, 21 Nov 2026 10:00:05 GMT" });
  await assert.rejects(async () => await store.read(0, new Uint8Array(4096)), { code: "ESTALE" });
});

Deno.test("a store of a web server is not opened when there is no file, an empty one, no ranges, or no server", async () => {
  await using server = new HttpServer();
  await assert.rejects(open(server), { code: "ENOENT" });
  server.files.set("file", { bytes: pattern(bytes), fault: { kind: "whole" } });
  await assert.rejects(open(server), { code: "EOPNOTSUPP", message: /whole file \(status 200\) instead of a range of it \(206\)/ });
  server.files.set("file", { bytes: new Uint8Array() });
  await assert.rejects(open(server), { code: "ENODATA", message: /the file is empty/ });
  const url = server.url("file");
  await server[Symbol.asyncDispose]();
  await assert.rejects(openHttpStore({ url, timeoutMs: 1_000 }), { code: "EIO" });
});
