import assert from "node:assert/strict";
import { check, errno, errnoText, SysError } from "../../ffi/errors.ts";

// The library opens on first use and stays open: within a test that would count as a leak.
errnoText(1);

Deno.test("errnoText() has the C library's name and words", () => {
  assert.deepEqual(errnoText(16), { code: "EBUSY", words: "Device or resource busy" });
});

Deno.test("errnoText() makes do without a name for a number that nobody has", () => {
  for (const odd of [4095, -1, 2 ** 31 - 1]) assert.deepEqual(errnoText(odd), { code: `E${odd}`, words: "unknown error" });
});

for (const [name, number] of Object.entries(errno)) {
  Deno.test(`errno.${name} is the kernel's ${number}`, () => {
    // EOPNOTSUPP has a second name, which the C library prefers on some machines.
    assert((name === "EOPNOTSUPP" ? ["EOPNOTSUPP", "ENOTSUP"] : [name]).includes(errnoText(number).code));
  });
}

Deno.test("SysError says what was being done, why not, and what would be right", () => {
  const cause = new Error("below");
  const error = new SysError('write "1" to /sys/x', errno.EBUSY, { cause, hint: "end it first" });
  assert.equal(error.message, 'Cannot write "1" to /sys/x: EBUSY (device or resource busy); end it first');
  assert.equal(error.name, "SysError");
  assert.equal(error.code, "EBUSY");
  assert.equal(error.errno, 16);
  assert.equal(error.action, 'write "1" to /sys/x');
  assert.equal(error.cause, cause);
  assert.equal(new SysError("read x", errno.ENOENT).message, "Cannot read x: ENOENT (no such file or directory)");
});

Deno.test("check() passes results on, and asks for the action only when it fails", () => {
  const never = () => assert.fail("asked");
  assert.equal(check(0, never), 0);
  assert.equal(check(7, never), 7);
  assert.throws(() => check(-errno.ESRCH, () => "find it"), { name: "SysError", errno: 3, message: /^Cannot find it: ESRCH/ });
});
