import assert from "node:assert/strict";
import fc from "fast-check";
import { UsageError } from "../../../lib/errors.ts";
import { errnoNames } from "../../../lib/syscall/errno.ts";
import { actions, formatVerdict, parseErrno, parseSwitch, parseVerdict } from "../../../lib/syscall/switches.ts";

const message = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof UsageError, `${error}`);
    assert.ok(error.remedy, "it says what would be right");
    return error.message;
  }
  return assert.fail("accepted");
};

Deno.test("parseSwitch() reads a call or a group, and what happens to it", () => {
  assert.deepEqual(parseSwitch("openat=allow"), { target: "openat", verdict: { action: "allow" } });
  assert.deepEqual(parseSwitch("@path=forward"), { target: "@path", verdict: { action: "forward" } });
  assert.deepEqual(parseSwitch("ptrace=deny:ENOSYS"), { target: "ptrace", verdict: { action: "deny", errno: "ENOSYS" } });
  assert.deepEqual(parseSwitch(" openat = record "), { target: "openat", verdict: { action: "record" } });
});

Deno.test("parseVerdict() denies with EPERM where nothing else is said", () => {
  assert.deepEqual(parseVerdict("deny"), { action: "deny", errno: "EPERM" });
});

Deno.test("parseVerdict() inverts formatVerdict()", () => {
  const verdict = fc.oneof(
    fc.constantFrom(...actions.filter((action) => action !== "deny")).map((action) => ({ action })),
    fc.constantFrom(...errnoNames).map((errno) => ({ action: "deny" as const, errno })),
  );
  fc.assert(fc.property(verdict, (verdict) => assert.deepEqual(parseVerdict(formatVerdict(verdict)), verdict)));
});

Deno.test("parseSwitch() says what is missing", () => {
  assert.equal(message(() => parseSwitch("openat")), 'Cannot switch "openat": it names no action');
  assert.equal(message(() => parseSwitch("")), 'Cannot switch "": it names no action');
  assert.equal(message(() => parseSwitch("=allow")), 'Cannot switch "=allow": it names no call');
  assert.equal(message(() => parseSwitch(" =allow")), 'Cannot switch " =allow": it names no call');
});

Deno.test("parseSwitch() helps with words that are no action, and errors that there are not", () => {
  assert.equal(message(() => parseSwitch("openat=alow")), 'Cannot read "alow" as an action: there is none such; did you mean "allow"?');
  assert.equal(message(() => parseSwitch("openat=")), 'Cannot read "" as an action: there is none such');
  assert.equal(message(() => parseSwitch("openat=deny:EPREM")), 'Cannot deny with "EPREM": Linux has no such error; did you mean "EPERM"?');
  assert.match(message(() => parseSwitch("openat=deny:")), /^Cannot deny with "": Linux has no such error/);
  assert.match(message(() => parseErrno("38")), /^Cannot deny with "38"/);
});

Deno.test("parseSwitch() takes an error with deny only, and one", () => {
  assert.equal(message(() => parseSwitch("a=allow:EPERM")), 'Cannot read "allow:EPERM" as an action: only deny has an error, and only one');
  assert.match(message(() => parseSwitch("a=deny:EPERM:EIO")), /only deny has an error, and only one/);
});

Deno.test("parseSwitch() refuses everything else by a UsageError", () => {
  fc.assert(fc.property(fc.string(), (text) => {
    try {
      assert.ok(actions.includes(parseSwitch(text).verdict.action));
    } catch (error) {
      assert.ok(error instanceof UsageError, `${error}`);
    }
  }));
});
