import assert from "node:assert/strict";
import { compileWish, policyOf } from "../../../lib/container/wish_compiler.ts";
import { hostArchitecture } from "../../../lib/syscall/arch.ts";
import { boardBytes, HeaderLayout } from "../../../lib/syscall/board_layout.ts";

const cannotFilter = hostArchitecture() === null ? "needs x86-64 or aarch64" : null;

function onThisProcessor(name: string, fn: () => void): void {
  Deno.test({ name: cannotFilter === null ? name : `${name} [${cannotFilter}]`, ignore: cannotFilter !== null, fn });
}

onThisProcessor("policyOf() puts what a wish has switched over its profile", () => {
  const policy = policyOf({ profile: "cnk", switches: ["ptrace=deny:EXDEV", "@path=allow"] });
  const rule = (name: string) => policy.rules.find(({ call }) => call.name === name);
  assert.deepEqual([rule("ptrace")?.action, rule("ptrace")?.errno, rule("openat")?.action], ["deny", "EXDEV", "allow"]);
});

onThisProcessor("compileWish() gives a board, a filter of whole instructions, and the policy in words", () => {
  const { board, filter, policy } = compileWish({ profile: "lean", switches: ["openat=deny:EROFS"], spinUs: 20 });
  assert.equal(board.length, boardBytes);
  const spins = [board, compileWish({ profile: "lean" }).board, compileWish({ profile: "lean", spinUs: 0 }).board];
  assert.deepEqual(spins.map((bytes) => HeaderLayout.read(bytes).spin_us), [20, 50, 0]);
  assert.equal(filter.length % 8, 0);
  assert.equal(policy.profile, "lean");
  assert.deepEqual(policy.rules.find(({ call }) => call === "openat"), { call: "openat", action: "deny", errno: "EROFS", notified: true });
});
