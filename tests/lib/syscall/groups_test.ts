import assert from "node:assert/strict";
import { UsageError } from "../../../lib/errors.ts";
import { expand, groups } from "../../../lib/syscall/groups.ts";
import { calls } from "../../../lib/syscall/table.ts";

const names = (...asked: string[]) => expand(asked).map(({ name }) => name);

Deno.test("every group has calls and one sentence", () => {
  for (const [group, sentence] of Object.entries(groups)) {
    assert(calls.some((call) => call.group === group), group);
    assert.match(sentence, /^[A-Z].*[^.]\.$/);
    assert.doesNotMatch(sentence, /\. /);
  }
});

Deno.test("groups cover every call once, and @all is all of them", () => {
  const grouped = Object.keys(groups).flatMap((group) => names(`@${group}`));
  assert.equal(grouped.length, calls.length);
  assert.deepEqual(new Set(grouped), new Set(calls.map(({ name }) => name)));
  assert.deepEqual(expand(["@all"]), calls);
});

Deno.test("expand() keeps the order of first mention, and has nothing twice", () => {
  assert.deepEqual(names("keyctl", "@keys", "getpid", "keyctl"), ["keyctl", "add_key", "request_key", "getpid"]);
  assert.deepEqual(names(), []);
  assert.equal(new Set(names("@path", "openat", "@path", "@all")).size, calls.length);
});

Deno.test("expand() returns a list that the caller may change", () => {
  expand(["@all"]).length = 0;
  assert.equal(expand(["@all"]).length, calls.length);
});

for (
  const [asked, message] of [
    ["opneat", /^Cannot find the system call "opneat"; did you mean "openat"\?$/],
    ["fstatat", /^Cannot find the system call "fstatat"; the kernel calls it "newfstatat"$/],
    ["pread", /; the kernel calls it "pread64"$/],
    ["path", /^Cannot find the system call "path"; the group is "@path"$/],
    ["all", /; the group is "@all"$/],
    ["@paht", /^Cannot find the group of system calls "@paht"; did you mean "@path"\?$/],
    ["@", /^Cannot find the group of system calls "@"/],
    ["@openat", /^Cannot find the group of system calls "@openat"/],
    ["@toString", /^Cannot find the group of system calls "@toString"$/],
    ["toString", /^Cannot find the system call "toString"$/],
    ["", /^Cannot find the system call ""$/],
    ["OPENAT", /; did you mean "openat"\?$/],
  ] as const
) {
  Deno.test(`expand() refuses ${JSON.stringify(asked)}`, () => {
    assert.throws(() => expand(["openat", asked]), (error) => {
      assert(error instanceof UsageError);
      assert.match(error.message, message);
      assert(error.remedy || message.source.includes("the group is"), "no remedy");
      return true;
    });
  });
}

Deno.test("expand() repeats nothing to a terminal that this one would obey", () => {
  assert.throws(() => expand(["a\u001b[31m\u202e"]), { message: String.raw`Cannot find the system call "a\u001b[31m\u{202e}"` });
});
