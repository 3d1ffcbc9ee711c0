import assert from "node:assert/strict";
import { RefusedError, UsageError } from "../../../../lib/errors.ts";
import { type Person, Policy } from "../../../../lib/power/access/policy.ts";
import { loadPolicy, parsePolicy } from "../../../../lib/power/access/policy_file.ts";

const person = (user: string, ...groups: string[]): Person => ({ uid: 1000, user, groups });
const limit = { name: "package0/power-limit", unit: "W" } as const;
const energy = { name: "package0/energy", unit: "J" } as const;

const text = `
users:
  alice:
    read: ["*"]
    set:
      package*/power-limit: { min: 60, max: 120 }
  1001: { read: [core*/temperature] }
groups:
  operators: { set: { "*": any } }
  readers: { read: [package0/*] }
`;

const allows = (policy: Policy, who: Person, meter: typeof limit, value: number) => {
  try {
    policy.checkSet(who, meter, value);
    return true;
  } catch (error) {
    assert(error instanceof RefusedError);
    return false;
  }
};

Deno.test("a policy allows what a grant of the user or of a group says", async () => {
  const policy = await parsePolicy(text);
  assert.deepEqual([60, 120, 59.9, 120.1, NaN].map((value) => allows(policy, person("alice"), limit, value)), [
    true,
    true,
    false,
    false,
    false,
  ]);
  assert(allows(policy, person("bob", "operators"), limit, 400));
  assert(policy.mayRead(person("bob", "readers"), energy));
  assert(policy.mayRead(person("alice"), energy));
  assert(policy.mayRead({ uid: 1001, user: "carol", groups: [] }, { name: "core12/temperature" }));
});

Deno.test("a policy denies what no grant says", async () => {
  const policy = await parsePolicy(text);
  assert(!allows(policy, person("bob"), limit, 100));
  assert(!allows(policy, person("bob", "readers"), limit, 100));
  assert(!policy.mayRead(person("bob"), energy));
  assert(!policy.mayRead({ uid: 1001, user: "carol", groups: [] }, { name: "core1/x/temperature" }));
  assert(!policy.mayRead({ uid: 1001, user: "carol", groups: [] }, { name: "xcore1/temperature" }));
  assert(!policy.mayRead({ uid: 0, user: "root", groups: [] }, energy));
  const empty = await parsePolicy("");
  assert(!empty.mayRead({ uid: 0, user: "root", groups: [] }, energy));
  assert.throws(
    () => policy.checkRead(person("bob"), energy),
    (error) => error instanceof RefusedError && /does not allow user bob/.test(error.message),
  );
  assert.throws(
    () => policy.checkSet(person("alice"), limit, 200),
    (error) => error instanceof RefusedError && error.remedy === "Give a value from 60 W to 120 W",
  );
});

Deno.test("without a policy root may do everything, and nobody else anything", async () => {
  const policy = await loadPolicy("/nowhere/power.yaml");
  assert.equal(policy, Policy.rootOnly);
  assert(allows(policy, { uid: 0, user: "root", groups: [] }, limit, 100));
  assert(!policy.mayRead(person("alice", "0", "root"), energy));
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
    Deno.writeTextFileSync(path, text);
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
