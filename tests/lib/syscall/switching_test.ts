import assert from "node:assert/strict";
import { UsageError } from "../../../lib/errors.ts";
import { decideSwitch, fixedCalls, resolvePolicy, switchableCalls } from "../../../lib/syscall/policy.ts";
import { formatVerdict } from "../../../lib/syscall/switches.ts";

const lean = resolvePolicy({ profile: "lean", switchable: ["chdir"] }, "x86_64");

const changes = (text: string) => decideSwitch(lean, text).map((change) => `${change.call.name}=${formatVerdict(change)}`);

function refusal(text: string, policy = lean): UsageError {
  try {
    decideSwitch(policy, text);
  } catch (error) {
    assert.ok(error instanceof UsageError, `${error}`);
    return error;
  }
  return assert.fail("accepted");
}

Deno.test("switchableCalls() lists what the filter sends to the ServiceOS", () => {
  const names = switchableCalls(lean).map(({ name }) => name);
  for (const name of ["openat", "stat", "chdir", "reboot", "setuid"]) assert.ok(names.includes(name), name);
  for (const name of ["read", "close", "execve", "getpid", "io_uring_setup"]) assert.ok(!names.includes(name), name);
  assert.deepEqual(switchableCalls(resolvePolicy({ profile: "full" }, "x86_64")), []);
});

Deno.test("decideSwitch() changes a call, and injects what returns a descriptor", () => {
  assert.deepEqual(changes("openat=allow"), ["openat=allow"]);
  assert.deepEqual(changes("openat=forward"), ["openat=inject"]);
  assert.deepEqual(changes("reboot=allow"), ["reboot=allow"]);
  assert.deepEqual(changes("chdir=deny:EACCES"), ["chdir=deny:EACCES"]);
});

Deno.test("decideSwitch() changes of a group what can be changed, and fixedCalls() has the others", () => {
  assert.ok(changes("@path=deny:EIO").includes("stat=deny:EIO"));
  assert.deepEqual(fixedCalls(lean, "@path=deny:EIO"), []);
  assert.deepEqual(fixedCalls(lean, "@path=forward").map(({ call }) => call.name), [
    "name_to_handle_at",
    "setxattrat",
    "getxattrat",
    "file_getattr",
  ]);
  assert.deepEqual(changes("@process=deny"), ["chdir=deny:EPERM"]);
  const fixed = fixedCalls(lean, "@process=deny");
  assert.equal(fixed.find(({ call }) => call.name === "getpid")?.reason, "it was allowed in the filter when the programs started");
  assert.match(fixed.find(({ call }) => call.name === "execve")!.reason, /launcher/);
});

Deno.test("decideSwitch() says what would have made a call switchable", () => {
  const error = refusal("read=deny");
  assert.equal(error.message, "Cannot deny read: it was allowed in the filter when the programs started");
  assert.equal(error.remedy, "Start the programs with it among those that may be switched, as in switchable: [read]");
  assert.equal(refusal("@data=deny").message, "Cannot deny any call of @data: it was allowed in the filter when the programs started");
  assert.match(refusal("@data=deny").remedy!, /switchable: \["@data"\]$/);
});

Deno.test("decideSwitch() says what never can be switched", () => {
  for (
    const [text, reason] of [
      ["close=deny", /^Cannot deny close: it stays in the filter/],
      ["execve=deny", /^Cannot deny execve: the launcher/],
      ["io_uring_setup=allow", /^Cannot allow io_uring_setup: every policy denies it in the filter/],
      ["chdir=forward", /^Cannot forward chdir: only the program itself/],
      ["stat=inject", /^Cannot inject stat: it returns no descriptor/],
    ] as const
  ) {
    assert.match(refusal(text).message, reason);
    assert.equal(refusal(text).remedy, undefined);
  }
});

Deno.test("decideSwitch() refuses what is no switch, and calls of other machines", () => {
  assert.match(refusal("openat").message, /names no action/);
  assert.match(refusal("opnat=allow").message, /did you mean "openat"/);
  const other = resolvePolicy({ profile: "lean" }, "aarch64");
  assert.equal(refusal("open=allow", other).message, "Cannot allow open: this machine has no such call");
});
