import assert from "node:assert/strict";
import { UsageError } from "../../../lib/errors.ts";
import { parseProfile } from "../../../lib/syscall/profile_text.ts";

const head = "name: mine\ndefault: allow\n";

/** What is wrong with a file, as lines `line:column: message`. */
function issuesOf(text: string): string[] {
  try {
    parseProfile(text, "x.yaml");
  } catch (error) {
    assert.ok(error instanceof UsageError, `${error}`);
    assert.equal(error.exitCode, 2);
    return error.message.split("\n").filter((line) => line.startsWith("  x.yaml:")).map((line) => line.slice("  x.yaml:".length));
  }
  return assert.fail(`accepted: ${text}`);
}

Deno.test("parseProfile() reads everything that a profile may say", () => {
  const profile = parseProfile(
    `name: mine
doc: For tests.
extends: lean
default: deny:ENOSYS
allow: [getpid, "@memory"]
forward: [openat]
inject: [socket]
handle: [statfs]
record: ["@path"]
deny: [ptrace, mount:ENOSYS, "@keys:EACCES"]
switchable: [read, "@path"]
`,
    "x.yaml",
  );
  assert.deepEqual([profile.name, profile.doc, profile.extends, profile.default], [
    "mine",
    "For tests.",
    "lean",
    { action: "deny", errno: "ENOSYS" },
  ]);
  assert.deepEqual(profile.entries.map(({ target, verdict, place }) => [target, verdict.action, verdict.errno, place]), [
    ["getpid", "allow", undefined, "x.yaml:5:9"],
    ["@memory", "allow", undefined, "x.yaml:5:17"],
    ["openat", "forward", undefined, "x.yaml:6:11"],
    ["socket", "inject", undefined, "x.yaml:7:10"],
    ["ptrace", "deny", "EPERM", "x.yaml:10:8"],
    ["mount", "deny", "ENOSYS", "x.yaml:10:16"],
    ["@keys", "deny", "EACCES", "x.yaml:10:30"],
    ["statfs", "handle", undefined, "x.yaml:8:10"],
    ["@path", "record", undefined, "x.yaml:9:10"],
  ]);
  assert.deepEqual(profile.switchable, [{ target: "read", place: "x.yaml:11:14" }, { target: "@path", place: "x.yaml:11:20" }]);
});

Deno.test("parseProfile() needs a name and a default, or something that has one", () => {
  assert.deepEqual(parseProfile(head, "x.yaml"), {
    name: "mine",
    doc: "",
    extends: undefined,
    default: { action: "allow" },
    entries: [],
    switchable: [],
  });
  assert.equal(parseProfile("name: mine\nextends: lean", "x.yaml").default, undefined);
  assert.deepEqual(issuesOf("name: mine\n"), ["1:1: default is missing"]);
  assert.deepEqual(issuesOf("default: allow\n"), ["1:1: name is missing"]);
  assert.deepEqual(issuesOf("name: a b\ndefault: allow"), ["1:7: this is no name"]);
});

Deno.test("parseProfile() refuses what is no profile", () => {
  assert.deepEqual(issuesOf(""), ["1:1: this is no profile"]);
  assert.deepEqual(issuesOf("- a"), ["1:1: this is no profile"]);
  assert.deepEqual(issuesOf(`${head}allow: openat`), ["3:8: this is no list"]);
  assert.deepEqual(issuesOf(`${head}allow:\n`), ["3:7: this is no list"]);
  assert.deepEqual(issuesOf(`${head}allow: [openat, 7]`), ["3:17: this is no text"]);
  assert.deepEqual(issuesOf(`${head}doc: [a]`), ["3:6: this is no text"]);
});

Deno.test("parseProfile() finds typing errors in keys, calls, groups and errors, all at once", () => {
  assert.deepEqual(issuesOf(`${head}alow: [openat]`), ['3:7: unknown key "alow"; did you mean "allow"?']);
  assert.deepEqual(issuesOf(`${head}allow: [opnat]\ndeny: ["@pth", "ptrace:EPREM"]\nswitchable: [redlink]`), [
    '3:9: Cannot find the system call "opnat"; did you mean "openat"?',
    '4:8: Cannot find the group of system calls "@pth"; did you mean "@path"?',
    '4:16: Cannot deny with "EPREM": Linux has no such error; did you mean "EPERM"?',
    '5:14: Cannot find the system call "redlink"; did you mean "readlink"?',
  ]);
});

Deno.test("parseProfile() refuses a call in two lists, or twice in one", () => {
  assert.deepEqual(issuesOf(`${head}allow: [openat]\ndeny: [openat]`), ['4:8: "openat" is in allow already']);
  assert.deepEqual(issuesOf(`${head}deny: [openat:EPERM, openat:ENOSYS]`), ['3:22: "openat" is in deny already']);
  assert.equal(parseProfile(`${head}allow: [openat]\nswitchable: [openat]`, "x.yaml").entries.length, 1);
});

Deno.test("parseProfile() takes errors for denied calls only", () => {
  assert.deepEqual(issuesOf(`${head}allow: ["openat:EPERM"]`), ['3:9: "openat:EPERM" has an error, which only denied calls have']);
  assert.deepEqual(issuesOf(`${head}deny: ["openat:"]`), ['3:8: Cannot deny with "": Linux has no such error']);
});

Deno.test("parseProfile() allows or denies by default, and nothing else", () => {
  assert.deepEqual(parseProfile("name: a\ndefault: deny", "x.yaml").default, { action: "deny", errno: "EPERM" });
  assert.deepEqual(issuesOf("name: a\ndefault: forward"), ["2:10: forward is nothing for calls that nobody names"]);
  assert.match(issuesOf("name: a\ndefault: alow")[0], /^2:10: Cannot read "alow" as an action: .*did you mean "allow"/);
});
