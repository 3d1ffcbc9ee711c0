import assert from "node:assert/strict";
import { bodyJson, bodyOf, bodyText } from "../../../lib/sidecar/body.ts";
import { bodyBytesMax } from "../../../lib/sidecar/limits.ts";
import { Problem } from "../../../lib/sidecar/problem.ts";

const encoder = new TextEncoder();

function request(parts: readonly Uint8Array<ArrayBuffer>[]): Request {
  return new Request("http://nodeos/", { method: "POST", body: ReadableStream.from(parts) });
}

Deno.test("bodyOf() reads a body that comes in parts", async () => {
  assert.deepEqual(await bodyOf(request([encoder.encode("one "), encoder.encode("two")])), encoder.encode("one two"));
  assert.deepEqual(await bodyOf(new Request("http://nodeos/", { method: "POST", body: "text" })), encoder.encode("text"));
  assert.deepEqual(await bodyOf(new Request("http://nodeos/", { method: "POST" })), new Uint8Array(0));
});

Deno.test("bodyOf() stops reading a body that is too large", async () => {
  let taken = 0;
  const endless = new ReadableStream({
    pull(controller) {
      taken++;
      controller.enqueue(new Uint8Array(65536));
    },
  });
  await assert.rejects(bodyOf(new Request("http://nodeos/", { method: "POST", body: endless })), { name: "Problem", status: 413 });
  assert.ok(taken <= bodyBytesMax / 65536 + 3, `${taken}`);
  const headers = { "content-length": `${bodyBytesMax + 1}` };
  await assert.rejects(bodyOf(new Request("http://nodeos/", { method: "POST", body: "", headers })), { status: 413 });
});

Deno.test("bodyText() reads UTF-8, also with the letter that stands for what is none, and refuses other bytes", () => {
  for (const text of ["", "{}", "grüß", "\ufffd", "\u{1f600}"]) assert.equal(bodyText(encoder.encode(text)), text);
  for (const bytes of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0x80]]) {
    assert.throws(
      () => bodyText(Uint8Array.from(bytes)),
      (error) => error instanceof Problem && error.status === 400 && /not UTF-8/.test(error.detail),
    );
  }
});

Deno.test("bodyJson() says that it is no JSON, and of what", () => {
  assert.deepEqual(bodyJson(encoder.encode('{"a":1}'), "the request"), { a: 1 });
  assert.throws(() => bodyJson(encoder.encode("{"), "the changes", "As in {}"), (error) => {
    assert.ok(error instanceof Problem);
    assert.match(error.detail, /^Cannot read the changes: it is no JSON: /);
    assert.deepEqual([error.status, error.remedy], [400, "As in {}"]);
    return true;
  });
});
