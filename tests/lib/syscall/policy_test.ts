import assert from "node:assert/strict";
import { UsageError } from "../../../lib/errors.ts";
import { architectures } from "../../../lib/syscall/arch.ts";
import { resolvePolicy, type SyscallWish } from "../../../lib/syscall/policy.ts";
import { profileNames } from "../../../lib/syscall/profile.ts";
import { has } from "../../../lib/syscall/rules.ts";
import { callsByNumber } from "../../../lib/syscall/table.ts";
import { ProfileFile, ruleOf, words } from "./policies.ts";

const resolve = (profile: string, ...switches: string[]) => resolvePolicy({ profile, switches }, "x86_64");

function refusal(wish: SyscallWish): UsageError {
  try {
    resolvePolicy(wish, "x86_64");
  } catch (error) {
    assert.ok(error instanceof UsageError, `${error}`);
    return error;
  }
  return assert.fail("accepted");
}

Deno.test("resolvePolicy() has a rule for every call of an architecture, by number", () => {
  for (const architecture of architectures) {
    for (const profile of profileNames) {
      const policy = resolvePolicy({ profile }, architecture);
      assert.deepEqual([policy.architecture, policy.profile], [architecture, profile]);
      assert.deepEqual(policy.rules.map(({ call }) => call), [...callsByNumber(architecture).values()]);
    }
  }
});

Deno.test("resolvePolicy() keeps what no policy may break, under every profile", () => {
  for (const architecture of architectures) {
    for (const profile of profileNames) {
      for (const switches of [[], ["@all=deny:EIO"], ["@all=record"], ["@all=handle"], ["@all=forward"]]) {
        const policy = resolvePolicy({ profile, switches }, architecture);
        const kept = ["execve", "exit", "exit_group", "sched_yield", "rt_sigreturn", "restart_syscall"];
        assert.deepEqual(new Set(words(policy, ...kept)), new Set(["allow"]), `${profile} ${switches}`);
        const refused = ["io_uring_setup", "io_uring_enter", "io_uring_register"];
        assert.deepEqual(new Set(words(policy, ...refused)), new Set(["deny:ENOSYS"]), `${profile} ${switches}`);
        for (const { call, action, notified } of policy.rules) {
          if (has(call, "neverNotified")) assert.ok(!notified && ["allow", "deny"].includes(action), call.name);
          if (action === "forward") assert.ok(has(call, "forwardable") && !has(call, "descriptor"), call.name);
          if (action === "inject") assert.ok(has(call, "forwardable") && has(call, "descriptor"), call.name);
          if (action !== "allow" && action !== "deny") assert.ok(notified, call.name);
        }
      }
    }
  }
});

Deno.test("resolvePolicy() lets no program believe that Landlock confines it where others execute its calls", () => {
  const calls = ["landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"];
  const said = (...switches: string[]) => [...new Set(words(resolve("full", ...switches), ...calls))];
  assert.deepEqual(said(), ["allow"]);
  assert.deepEqual(said("getpid=record", "ptrace=deny"), ["allow"]);
  assert.deepEqual(said("stat=forward"), ["deny:ENOSYS"]);
  assert.deepEqual(said("getpid=handle", "@sandbox=allow"), ["deny:ENOSYS"]);
});

Deno.test("resolvePolicy() injects what returns a descriptor, and forwards the other calls of a group", () => {
  const policy = resolve("full", "@path=forward");
  assert.deepEqual(words(policy, "openat", "mkdirat", "stat", "read"), [
    "inject, notified",
    "forward, notified",
    "forward, notified",
    "allow",
  ]);
  // Nobody else can execute it: it keeps what it had.
  assert.deepEqual(words(policy, "name_to_handle_at"), ["allow"]);
});

Deno.test("resolvePolicy() lets a name beat its group, and a group all calls, in whatever order", () => {
  for (const switches of [["openat=allow", "@path=forward", "@all=deny"], ["@all=deny", "@path=forward", "openat=allow"]]) {
    const policy = resolve("full", ...switches);
    assert.deepEqual(words(policy, "openat", "stat", "ptrace"), ["allow", "forward, notified", "deny:EPERM, notified"]);
  }
});

Deno.test("resolvePolicy() lets a switch beat the profile, and a profile what it extends", () => {
  assert.deepEqual(words(resolve("lean", "kexec_load=allow", "openat=allow"), "kexec_load", "openat", "stat"), [
    "allow",
    "allow, notified",
    "forward, notified",
  ]);
  using file = new ProfileFile('extends: lean\nallow: ["@path"]\ndeny: [statfs]\n');
  assert.deepEqual(words(resolve(file.path), "openat", "statfs", "reboot"), [
    "allow, notified",
    "deny:EPERM, notified",
    "deny:EPERM, notified",
  ]);
  assert.deepEqual(words(resolve(file.path, "@path=deny:EIO"), "statfs"), ["deny:EIO, notified"]);
});

Deno.test("resolvePolicy() denies calls where they are counted, except those that are never notified", () => {
  const policy = resolve("full", "ptrace=deny", "fork=deny:EAGAIN");
  assert.deepEqual(words(policy, "ptrace", "fork"), ["deny:EPERM, notified", "deny:EAGAIN"]);
});

Deno.test("resolvePolicy() lets calls be switched later, by profile and by wish", () => {
  using file = new ProfileFile("default: allow\nswitchable: [openat]\n");
  const policy = resolvePolicy({ profile: file.path, switchable: ["@signals", "read"] }, "x86_64");
  assert.deepEqual(words(policy, "openat", "kill", "read", "write", "rt_sigaction"), [
    "allow, notified",
    "allow, notified",
    "allow, notified",
    "allow",
    "allow",
  ]);
});

Deno.test("resolvePolicy() watches who the caller is wherever calls may be executed for it", () => {
  const watched = ["setuid", "setfsuid", "setgroups", "capset", "chroot", "unshare", "setns", "fanotify_init"];
  const isWatched = (...switches: string[]) => new Set(words(resolve("full", ...switches), ...watched));
  assert.deepEqual(isWatched(), new Set(["allow"]));
  assert.deepEqual(isWatched("ptrace=deny"), new Set(["allow"]), "nobody executes it");
  assert.deepEqual(isWatched("stat=forward"), new Set(["allow, notified"]));
  assert.deepEqual(isWatched("openat=inject"), new Set(["allow, notified"]));
  assert.deepEqual(isWatched("getpid=handle"), new Set(["allow, notified"]));
  assert.deepEqual(isWatched("stat=deny"), new Set(["allow, notified"]), "a switch may forward it later");
  const switchable = resolvePolicy({ profile: "full", switchable: ["stat"] }, "x86_64");
  assert.deepEqual(new Set(words(switchable, ...watched)), new Set(["allow, notified"]));
  assert.deepEqual(words(resolve("full", "stat=forward", "setuid=deny"), "setuid"), ["deny:EPERM, notified"]);
});

Deno.test("resolvePolicy() does by default with unknown calls what the profile does", () => {
  assert.deepEqual(resolve("full").unknown, { action: "allow" });
  assert.deepEqual(resolve("cnk").unknown, { action: "deny", errno: "ENOSYS" });
});

Deno.test("resolvePolicy() refuses an action that does not fit a call, and says why", () => {
  const of = (...switches: string[]) => refusal({ profile: "full", switches }).message;
  assert.equal(of("chdir=forward"), "Cannot forward chdir: only the program itself can make it");
  assert.match(of("close=forward"), /^Cannot forward close: it stays in the filter/);
  assert.equal(of("mkdir=inject"), "Cannot inject mkdir: it returns no descriptor; what fits is forward");
  assert.match(of("execve=deny"), /^Cannot deny execve: the launcher makes it under the filter/);
  assert.match(of("sched_yield=record"), /^Cannot record sched_yield: the launcher/);
  assert.match(of("io_uring_setup=allow"), /^Cannot allow io_uring_setup: every policy denies it with ENOSYS/);
  assert.match(of("@memory=forward"), /^Cannot forward any call of @memory: /);
});

Deno.test("resolvePolicy() says where in a profile the refused action stands", () => {
  using file = new ProfileFile("default: allow\nforward: [stat, chdir]\n");
  assert.equal(refusal({ profile: file.path }).message, `Cannot forward chdir: only the program itself can make it (${file.path}:3:17)`);
  using other = new ProfileFile("default: allow\nswitchable: [close]\n");
  assert.match(refusal({ profile: other.path }).message, /^Cannot make switchable close: it stays in the filter.*:3:14\)$/);
});

Deno.test("resolvePolicy() refuses calls that there are not, and contradictions", () => {
  const of = (...switches: string[]) => refusal({ profile: "full", switches }).message;
  assert.match(of("opnat=allow"), /"opnat"; did you mean "openat"\?/);
  assert.match(of("@pth=allow"), /"@pth"; did you mean "@path"\?/);
  assert.equal(of("stat=allow", "stat=deny"), 'Cannot switch "stat" to allow and to deny:EPERM');
  assert.equal(ruleOf(resolve("full", "stat=deny", "stat=deny:EPERM"), "stat").errno, "EPERM");
  assert.match(refusal({ profile: "full", switchable: ["opnat"] }).message, /did you mean "openat"/);
  assert.match(refusal({ profile: "lea" }).message, /did you mean "lean"/);
});

Deno.test("resolvePolicy() takes no notice of calls that the architecture does not have", () => {
  const policy = resolvePolicy({ profile: "lean", switches: ["open=allow", "fork=deny"] }, "aarch64");
  assert.equal(policy.rules.find(({ call }) => call.name === "open"), undefined);
});
