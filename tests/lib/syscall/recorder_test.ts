import assert from "node:assert/strict";
import { parseProfile } from "../../../lib/syscall/profile_text.ts";
import { resolvePolicy } from "../../../lib/syscall/policy.ts";
import { checkUses, parseRecord, recordingPolicy, unrecorded, usesOf, writeProfile } from "../../../lib/syscall/recorder.ts";

Deno.test("a recording policy sees every call but those that no filter may stop", () => {
  const { rules, unknown } = recordingPolicy("x86_64");
  const unseen = rules.filter(({ notified, action }) => !notified && action === "allow").map(({ call }) => call.name);
  assert.deepEqual(unseen.toSorted(), unrecorded("x86_64").map(({ name }) => name).toSorted());
  assert(unseen.includes("execve") && unseen.includes("rt_sigreturn") && unseen.includes("exit_group"));
  assert(rules.some(({ call, action, notified }) => call.name === "close" && action === "record" && notified));
  assert(rules.filter(({ call }) => call.name.startsWith("io_uring_")).every(({ action, notified }) => action === "deny" && !notified));
  assert.equal(unknown.action, "allow");
});

Deno.test("parseRecord() counts paths by call, keeps tabs in them, and leaves a torn last line out", () => {
  assert.deepEqual(parseRecord("257\t10\t/etc/passwd\n257\t11\t/etc/passwd\n4\t10\ta\tb\n999\t1\tx\n257\t10\t/etc/pa", "x86_64"), [
    { call: "openat", path: "/etc/passwd", count: 2 },
    { call: "stat", path: "a\tb", count: 1 },
    { call: "999", path: "x", count: 1 },
  ]);
});

const uses = usesOf({ read: { calls: 3 }, openat: { calls: 7 }, close: { calls: 3 } });

Deno.test("usesOf() has the most frequent call first", () => {
  assert.deepEqual(uses, [{ call: "openat", count: 7 }, { call: "close", count: 3 }, { call: "read", count: 3 }]);
});

Deno.test("writeProfile() writes a profile that the recorded run passes, and nothing else does", async () => {
  const text = writeProfile("sorter", ["/usr/bin/sort", "a\nb: c"], uses, "x86_64");
  assert.equal(parseProfile(text, "sorter.yaml").name, "sorter");
  const path = await Deno.makeTempFile({ suffix: ".yaml" });
  try {
    await Deno.writeTextFile(path, text);
    const policy = resolvePolicy({ profile: path }, "x86_64");
    assert.deepEqual(checkUses(policy, uses).filter(({ isDenied }) => isDenied), []);
    const [socket] = checkUses(policy, [{ call: "socket", count: 1 }]);
    assert.deepEqual(socket, { call: "socket", count: 1, action: "deny:ENOSYS", isDenied: true, isForwarded: false });
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("writeProfile() writes names that YAML would take for something else", () => {
  for (const name of ["true", "False", "null", "no", "y", "a.out", "x86-64_2"]) {
    assert.equal(parseProfile(writeProfile(name, [name], uses, "x86_64"), `${name}.yaml`).name, name);
  }
});

Deno.test("checkUses() says what would go to the ServiceOS, and what of unknown calls", () => {
  const policy = resolvePolicy({ profile: "lean" }, "x86_64");
  assert.deepEqual(
    checkUses(policy, [...uses, { call: "999", count: 1 }]).map(({ call, isForwarded, isDenied }) => [call, isForwarded, isDenied]),
    [
      ["openat", true, false],
      ["close", false, false],
      ["read", false, false],
      ["999", false, false],
    ],
  );
});
