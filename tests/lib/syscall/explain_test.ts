import assert from "node:assert/strict";
import { explainPolicy, explainProfiles } from "../../../lib/syscall/explain.ts";
import { resolvePolicy } from "../../../lib/syscall/policy.ts";

const tiers = (profile: string, ...switches: string[]) =>
  explainPolicy(resolvePolicy({ profile, switches }, "x86_64")).map(({ action, where }) => `${action} ${where}`);

Deno.test("explainPolicy() has a row for each tier that has calls, the cheapest first", () => {
  assert.deepEqual(tiers("full"), ["allow filter", "deny:ENOSYS filter"]);
  assert.deepEqual(tiers("lean"), [
    "allow filter",
    "deny:ENOSYS filter",
    "allow ServiceOS",
    "forward ServiceOS",
    "inject ServiceOS",
    "deny:EPERM ServiceOS",
  ]);
  assert.deepEqual(tiers("lean", "ptrace=deny:EACCES", "fork=deny", "getpid=handle", "read=record"), [
    "allow filter",
    "deny:ENOSYS filter",
    "deny:EPERM filter",
    "allow ServiceOS",
    "forward ServiceOS",
    "inject ServiceOS",
    "handle ServiceOS",
    "record ServiceOS",
    "deny:EACCES ServiceOS",
    "deny:EPERM ServiceOS",
  ]);
});

Deno.test("explainPolicy() names every call once, sorted", () => {
  const policy = resolvePolicy({ profile: "cnk" }, "aarch64");
  const rows = explainPolicy(policy);
  assert.deepEqual(rows.flatMap(({ calls }) => calls).toSorted(), policy.rules.map(({ call }) => call.name).toSorted());
  for (const { count, calls } of rows) assert.deepEqual([count, calls], [calls.length, calls.toSorted()]);
});

Deno.test("explainProfiles() says what each of our profiles is for", () => {
  const rows = explainProfiles();
  assert.deepEqual(rows.map(({ name }) => name), ["full", "lean", "cnk", "cnk-strict"]);
  for (const { doc } of rows) assert.match(doc, /^[A-Z].{20,}\.$/);
});
