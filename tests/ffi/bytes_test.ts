import assert from "node:assert/strict";
import { joined } from "../../ffi/bytes.ts";

Deno.test("joined() puts parts together", () => {
  assert.deepEqual(joined([]), new Uint8Array(0));
  assert.deepEqual(joined([Uint8Array.of(1), Uint8Array.of(), Uint8Array.of(2, 3)]), Uint8Array.of(1, 2, 3));
});

Deno.test("joined() copies, also a single part", () => {
  const part = Uint8Array.of(1, 2);
  const whole = joined([part]);
  part[0] = 9;
  assert.deepEqual(whole, Uint8Array.of(1, 2));
});
