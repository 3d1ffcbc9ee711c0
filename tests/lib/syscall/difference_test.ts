import assert from "node:assert/strict";
import { absent, differences, unknownCalls } from "../../../lib/syscall/difference.ts";
import { resolvePolicy } from "../../../lib/syscall/policy.ts";

const policy = (profile: string, ...switches: string[]) => resolvePolicy({ profile, switches }, "x86_64");

Deno.test("differences() finds none between a policy and itself", () => {
  assert.deepEqual(differences(policy("cnk"), policy("cnk")), []);
});

Deno.test("differences() has a row for each call that is treated otherwise, by number", () => {
  assert.deepEqual(differences(policy("lean"), policy("lean", "reboot=deny:ENOSYS", "mkdir=allow", "open=allow")), [
    { call: "open", from: "inject", to: "allow, switchable" },
    { call: "mkdir", from: "forward", to: "allow, switchable" },
    { call: "reboot", from: "deny:EPERM", to: "deny:ENOSYS" },
  ]);
});

Deno.test("differences() turns around", () => {
  const [there, back] = [differences(policy("full"), policy("cnk")), differences(policy("cnk"), policy("full"))];
  assert.deepEqual(back.map(({ call, from, to }) => ({ call, from: to, to: from })), there);
  assert.deepEqual(there.at(-1), { call: unknownCalls, from: "allow", to: "deny:ENOSYS" });
});

Deno.test("differences() compares machines too", () => {
  const rows = differences(policy("full"), resolvePolicy({ profile: "full" }, "aarch64"));
  assert.deepEqual(rows.find(({ call }) => call === "fork"), { call: "fork", from: "allow", to: absent });
  assert.ok(rows.every(({ from, to }) => from === absent || to === absent));
});
