import assert from "node:assert/strict";
import { parseSpec } from "../../../lib/container/spec_file.ts";
import { SpecError } from "../../../lib/container/spec.ts";

function syscallsOf(yaml: string): unknown {
  const text = `apiVersion: nodeos/v1\ncontainers:\n  - name: sim\n    cpus: 1\n    syscalls: ${yaml}\n`;
  return parseSpec(text, "spec.yaml").request.containers[0].syscalls;
}

Deno.test("a profile alone is enough", () => {
  assert.deepEqual(syscallsOf("cnk"), { profile: "cnk", switches: [] });
});

Deno.test("spin is a time, or off", () => {
  assert.deepEqual(syscallsOf("{ profile: cnk, spin: 20us }"), { profile: "cnk", switches: [], spinUs: 20 });
  assert.deepEqual(syscallsOf("{ profile: cnk, spin: off }"), { profile: "cnk", switches: [], spinUs: 0 });
});

Deno.test("lists by action become switches, and a denied call brings its errno", () => {
  const wish = syscallsOf(
    '{ profile: lean, forward: [openat, "@fd"], allow: [stat], deny: ["ptrace:EPERM", bpf], switchable: ["@path"], handlers: ./h.ts, user: "1000:100", spin: 50us }',
  );
  assert.deepEqual(wish, {
    profile: "lean",
    switches: ["stat=allow", "openat=forward", "@fd=forward", "ptrace=deny:EPERM", "bpf=deny"],
    switchable: ["@path"],
    handlers: "./h.ts",
    user: { uid: 1000, gid: 100 },
    spinUs: 50,
  });
});

for (
  const [yaml, message] of [
    ["{ forward: [openat] }", /spec\.yaml:5:15: profile is missing/],
    ["{ profile: cnk, forward: openat }", /forward is "openat"/],
    ["{ profile: cnk, allow: [1] }", /a system call is 1/],
    ["{ profile: cnk, forwards: [openat] }", /unknown key "forwards"; did you mean "forward"/],
    ["{ profile: cnk, user: root }", /Cannot read "root" as a user/],
    ["{ profile: cnk, spin: 50 }", /Cannot read "50" as a duration/],
    ["[cnk]", /syscalls is a list/],
  ] as const
) {
  Deno.test(`syscalls: ${yaml} is refused, with its place`, () => {
    assert.throws(
      () => syscallsOf(yaml),
      (error: unknown) => error instanceof SpecError && message.test(error.message),
    );
  });
}
