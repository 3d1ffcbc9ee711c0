import assert from "node:assert/strict";
import { errnoText } from "../../../ffi/errors.ts";
import { StoreError, storeErrorNumber, storeErrorNumbers } from "../../../lib/paging/page_store.ts";
import openMemory from "./stores/memory.ts";
import { conforms } from "./conformance.ts";
import { pattern } from "./host.ts";

errnoText(5);

Deno.test("the error numbers of stores are the kernel's", () => {
  for (const [name, number] of Object.entries(storeErrorNumbers)) assert.equal(errnoText(number).code, name);
});

Deno.test("storeErrorNumber() takes what a StoreError says, what Deno's errors mean, and EIO for the rest", () => {
  assert.equal(storeErrorNumber(new StoreError("x", "ESTALE")), 116);
  assert.equal(storeErrorNumber(new StoreError("x")), 5);
  assert.equal(storeErrorNumber(new Deno.errors.NotFound("x")), 2);
  assert.equal(storeErrorNumber(new Deno.errors.NotCapable("x")), 13);
  assert.equal(storeErrorNumber(new DOMException("x", "TimeoutError")), 110);
  for (const error of [new Error("x"), new TypeError("x"), "x", null, undefined]) assert.equal(storeErrorNumber(error), 5);
});

for (const isAsync of [false, true]) {
  Deno.test(`the tests' own store in memory conforms, ${isAsync ? "answering later" : "answering at once"}`, async () => {
    const memory = new SharedArrayBuffer(100_001);
    const expected = pattern(100_001);
    new Uint8Array(memory).set(expected);
    await conforms({ store: openMemory({ memory, isAsync }), expected });
  });
}
