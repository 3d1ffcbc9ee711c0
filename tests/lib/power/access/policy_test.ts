import assert from "node:assert/strict";
import { RefusedError } from "../../../../lib/errors.ts";
import { type Person, Policy } from "../../../../lib/power/access/policy.ts";
import { parsePolicy } from "../../../../lib/power/access/policy_file.ts";

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
  assert(policy.maySet(person("alice"), limit));
  assert(!policy.maySet(person("bob", "readers"), limit));
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
