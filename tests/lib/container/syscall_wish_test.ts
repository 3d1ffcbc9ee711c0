import assert from "node:assert/strict";
import { parseSyscalls } from "../../../lib/container/syscall_wish.ts";
import { UsageError } from "../../../lib/errors.ts";

Deno.test("parseSyscalls() reads a profile and what is different from it", () => {
  assert.deepEqual(parseSyscalls("cnk"), { profile: "cnk", switches: [] });
  assert.deepEqual(parseSyscalls("./mine.yaml,@path=forward,ptrace=deny:EPERM"), {
    profile: "./mine.yaml",
    switches: ["@path=forward", "ptrace=deny:EPERM"],
  });
});

Deno.test("parseSyscalls() refuses what begins with no profile, and words that say nothing", () => {
  for (const text of ["", ",openat=allow", "openat=allow", "cnk,", "cnk,openat"]) {
    assert.throws(() => parseSyscalls(text), (error: unknown) => error instanceof UsageError && /^Cannot read "/.test(error.message), text);
  }
});
