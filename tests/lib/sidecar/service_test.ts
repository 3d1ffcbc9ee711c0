import assert from "node:assert/strict";
import { errnoText, SysError } from "../../../ffi/errors.ts";
import { Connection, type PeerAgent } from "../../../lib/sidecar/connection.ts";
import { syscallService } from "../../../lib/sidecar/service.ts";

// The library is opened once, outside any test.
errnoText(1);

const body = new TextEncoder().encode('{"calls":[{"call":"getpid"}]}');

function connectionWith(call: PeerAgent["call"]): Connection {
  const attend = () => Promise.reject(new Error("no connection here"));
  return new Connection(-1, () => Promise.resolve({ call, attend, [Symbol.dispose]() {} }));
}

function answered(value: number): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(32);
  new DataView(frame.buffer).setUint32(0, 32, true);
  new DataView(frame.buffer).setInt32(24, value, true);
  return frame;
}

Deno.test("the service refuses a wrong body before it asks for an agent", async () => {
  const connection = new Connection(-1, () => assert.fail("no agent is needed"));
  await assert.rejects(syscallService("x86_64").answer(new TextEncoder().encode("{"), connection), { status: 400 });
});

Deno.test("any number of requests wait for the kernel at a time, and none holds up another", async () => {
  const service = syscallService("x86_64");
  const { promise, resolve } = Promise.withResolvers<Uint8Array<ArrayBuffer>>();
  const waiting = Array.from({ length: 100 }, () => service.answer(body, connectionWith(() => promise)));
  assert.deepEqual(await service.answer(body, connectionWith(() => Promise.resolve(answered(1)))), { results: [{ value: 1 }] });
  resolve(answered(7));
  for (const answer of await Promise.all(waiting)) assert.deepEqual(answer, { results: [{ value: 7 }] });
});

Deno.test("an agent that ends is a 500 that says so", async () => {
  const gone = connectionWith(() => Promise.reject(new SysError("have a call executed", 32)));
  const expected = { status: 500, detail: "Cannot execute the calls: their agent ended (EPIPE)" };
  await assert.rejects(syscallService("x86_64").answer(body, gone), expected);
});
