import assert from "node:assert/strict";
import { SysError } from "../../ffi/errors.ts";
import { managementPort } from "../../ffi/management_port.ts";

// The library opens on first use and stays open: within a test that would count as a leak.
assert.throws(() => managementPort.call(0, 0), SysError);

const code = (expected: string) => (error: unknown) => error instanceof SysError && error.code === expected;

Deno.test("the management port takes only messages of our list, with the words that they have", () => {
  for (const message of [0, 0x0c, 0x0d, 0x12, 0x21, 0x22, 0x99]) assert.throws(() => managementPort.call(0, message), code("EACCES"));
  assert.throws(() => managementPort.call(0, 0x05), code("EINVAL"));
  assert.throws(() => managementPort.call(-1, 0x04), code("EINVAL"));
  assert.throws(() => managementPort.call(0, 0x04, [1]), code("EINVAL"));
});
