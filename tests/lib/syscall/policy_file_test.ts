import assert from "node:assert/strict";
import { UsageError } from "../../../lib/errors.ts";
import { resolvePolicy } from "../../../lib/syscall/policy.ts";
import { filePolicy, formatPolicyFile, parsePolicyFile } from "../../../lib/syscall/policy_file.ts";

Deno.test("parsePolicyFile() reads what formatPolicyFile() writes: every call, what happens to it, what can be switched", async () => {
  const policy = resolvePolicy({ profile: "cnk", switches: ["ptrace=deny:EXDEV"] }, "x86_64");
  const file = await parsePolicyFile(formatPolicyFile("sim", filePolicy(policy)));
  assert.deepEqual([file.container, file.profile, file.rules.length], ["sim", policy.profile, policy.rules.length]);
  for (const [index, { call, action, errno, notified }] of policy.rules.entries()) {
    assert.deepEqual({ errno: undefined, ...file.rules[index] }, { call: call.name, action, errno, notified });
  }
});

for (const text of ["", "{", "[]", '{"container":"sim","profile":"lean"}', '{"container":"","profile":"lean","rules":[]}']) {
  Deno.test(`parsePolicyFile() refuses ${JSON.stringify(text)}`, async () => {
    await assert.rejects(
      parsePolicyFile(text),
      (error: unknown) => error instanceof UsageError && /^Cannot read the policy: /.test(error.message),
    );
  });
}
