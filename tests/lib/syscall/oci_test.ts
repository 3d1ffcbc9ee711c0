import assert from "node:assert/strict";
import { architectures } from "../../../lib/syscall/arch.ts";
import { ociSeccomp } from "../../../lib/syscall/oci.ts";
import { resolvePolicy } from "../../../lib/syscall/policy.ts";
import { profileNames } from "../../../lib/syscall/profile.ts";

Deno.test("ociSeccomp() says nothing of what happens by default", () => {
  assert.deepEqual(ociSeccomp(resolvePolicy({ profile: "full" }, "x86_64")), {
    defaultAction: "SCMP_ACT_ALLOW",
    architectures: ["SCMP_ARCH_X86_64"],
    syscalls: [{ names: ["io_uring_enter", "io_uring_register", "io_uring_setup"], action: "SCMP_ACT_ERRNO", errnoRet: 38 }],
  });
});

Deno.test("ociSeccomp() groups calls by what happens to them, in one order", () => {
  const switches = ["stat=forward", "open=forward", "ptrace=deny", "acct=deny:ENOSYS", "getpid=handle", "mount=deny"];
  const landlock = ["add_rule", "create_ruleset", "restrict_self"].map((name) => `landlock_${name}`);
  const seccomp = ociSeccomp(resolvePolicy({ profile: "full", switches }, "x86_64"));
  assert.deepEqual(seccomp.flags, ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]);
  assert.deepEqual(seccomp.syscalls, [
    { names: ["mount", "ptrace"], action: "SCMP_ACT_ERRNO", errnoRet: 1 },
    {
      names: ["acct", ...["enter", "register", "setup"].map((name) => `io_uring_${name}`), ...landlock],
      action: "SCMP_ACT_ERRNO",
      errnoRet: 38,
    },
    { names: ["getpid", "open", "stat"], action: "SCMP_ACT_NOTIFY" },
  ]);
  const other = ociSeccomp(resolvePolicy({ profile: "full", switches: switches.toReversed() }, "x86_64"));
  assert.equal(JSON.stringify(other), JSON.stringify(seccomp));
});

Deno.test("ociSeccomp() keeps the default of a strict profile", () => {
  const seccomp = ociSeccomp(resolvePolicy({ profile: "cnk" }, "aarch64"));
  assert.deepEqual([seccomp.defaultAction, seccomp.defaultErrnoRet, seccomp.architectures], ["SCMP_ACT_ERRNO", 38, ["SCMP_ARCH_AARCH64"]]);
  assert.deepEqual(seccomp.syscalls.map(({ action, errnoRet }) => [action, errnoRet]), [
    ["SCMP_ACT_ALLOW", undefined],
    ["SCMP_ACT_ERRNO", 1],
    ["SCMP_ACT_NOTIFY", undefined],
  ]);
});

Deno.test("ociSeccomp() names no call twice", () => {
  for (const architecture of architectures) {
    for (const profile of profileNames) {
      const names = ociSeccomp(resolvePolicy({ profile }, architecture)).syscalls.flatMap(({ names }) => names);
      assert.equal(new Set(names).size, names.length);
    }
  }
});
