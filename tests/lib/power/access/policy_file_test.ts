import assert from "node:assert/strict";
import { RefusedError, UsageError } from "../../../../lib/errors.ts";
import { Policy } from "../../../../lib/power/access/policy.ts";
import { loadPolicy, parsePolicy } from "../../../../lib/power/access/policy_file.ts";

Deno.test("without a policy root may do everything, and nobody else anything", async () => {
  const policy = await loadPolicy("/nowhere/power.yaml");
  assert.equal(policy, Policy.rootOnly);
  policy.checkSet({ uid: 0, user: "root", groups: [] }, { name: "package0/power-limit", unit: "W" }, 100);
  assert(!policy.mayRead({ uid: 1000, user: "alice", groups: ["0", "root"] }, { name: "package0/energy" }));
});

const wrong: readonly (readonly [text: string, words: RegExp])[] = [
  ["users: [alice]", /users is no map/],
  ["user: {}", /no field "user"; did you mean "users"/],
  ["users: { a: { sett: {} } }", /users\.a has no field "sett"; did you mean "set"/],
  ["users: { a: { read: all } }", /users\.a\.read is no list/],
  ["users: { a: { read: [1] } }", /is no list of names/],
  ["users: { a: { set: { x: 100 } } }", /users\.a\.set\.x is no map of min, max/],
  ["users: { a: { set: { x: { min: 2, max: 1 } } } }", /neither "any" nor a range/],
  ["users: { a: { set: { x: { min: .nan, max: 1 } } } }", /neither "any" nor a range/],
  ["users: { a: { set: { x: { max: 1 } } } }", /neither "any" nor a range/],
  ["users: { a: null }", /users\.a is no map/],
  ["users: {}\nusers: {}", /unique/],
  ["users: {", /policy of power/],
  ["- 1", /the policy is no map/],
];

Deno.test("parsePolicy() refuses what is no policy, and says where", async () => {
  for (const [text, words] of wrong) {
    await assert.rejects(parsePolicy(text), (error) => error instanceof UsageError && words.test(error.message), text);
  }
});

Deno.test("loadPolicy() trusts no file that others may write", async () => {
  const path = Deno.makeTempFileSync();
  try {
    Deno.writeTextFileSync(path, 'users: { alice: { read: ["*"] } }\n');
    Deno.chmodSync(path, 0o644);
    assert((await loadPolicy(path)).users.has("alice"));
    for (const mode of [0o664, 0o646]) {
      Deno.chmodSync(path, mode);
      await assert.rejects(loadPolicy(path), (error) => error instanceof RefusedError && /others than root/.test(error.message));
    }
  } finally {
    Deno.removeSync(path);
  }
});
