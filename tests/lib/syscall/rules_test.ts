import assert from "node:assert/strict";
import { fitted, has, isPastFilter, mayExecute, objection, reasonInFilter } from "../../../lib/syscall/rules.ts";
import { type Call, callNamed, calls } from "../../../lib/syscall/table.ts";

const call = (name: string): Call => callNamed(name) ?? assert.fail(name);

Deno.test("fitted() injects what returns a descriptor, and forwards the rest", () => {
  assert.equal(fitted(call("openat"), "forward"), "inject");
  assert.equal(fitted(call("mkdirat"), "forward"), "forward");
  assert.equal(fitted(call("openat"), "allow"), "allow");
  assert.equal(fitted(call("openat"), "inject"), "inject");
});

Deno.test("objection() lets everything be allowed but io_uring, which is refused for good", () => {
  const refused = calls.filter((call) => objection(call, { action: "allow" }) !== null);
  assert.deepEqual(refused.map(({ name }) => name), ["io_uring_setup", "io_uring_enter", "io_uring_register"]);
  assert.deepEqual(refused.map(isPastFilter), [true, true, true]);
  assert.match(objection(refused[0], { action: "deny", errno: "EPERM" })!, /every policy denies it with ENOSYS/);
  assert.equal(objection(refused[0], { action: "deny", errno: "ENOSYS" }), null);
});

Deno.test("objection() keeps what starting, ending and returning from signals need", () => {
  const kept = calls.filter((call) => !isPastFilter(call) && objection(call, { action: "deny", errno: "EPERM" }) !== null);
  const names = ["sched_yield", "execve", "exit", "exit_group", "rt_sigreturn", "restart_syscall", "uprobe", "uretprobe"];
  assert.deepEqual(kept.map(({ name }) => name).toSorted(), names.toSorted());
  assert.match(objection(call("execve"), { action: "deny", errno: "EPERM" })!, /no program would start/);
});

Deno.test("objection() forwards only what somebody else can execute, and injects only descriptors", () => {
  assert.equal(objection(call("openat"), { action: "forward" }), null);
  assert.equal(objection(call("openat"), { action: "inject" }), null);
  assert.equal(objection(call("mkdirat"), { action: "inject" }), "it returns no descriptor; what fits is forward");
  assert.equal(objection(call("chdir"), { action: "forward" }), "only the program itself can make it");
  assert.equal(objection(call("accept"), { action: "inject" }), "only the program itself can make it");
  for (const candidate of calls.filter((call) => has(call, "forwardable"))) {
    assert.equal(objection(candidate, { action: "forward" }), null, candidate.name);
  }
});

Deno.test("objection() sends nothing to the ServiceOS that is never notified", () => {
  for (const action of ["forward", "inject", "handle", "record"] as const) {
    assert.match(objection(call("close"), { action })!, /stays in the filter/);
    assert.match(objection(call("execve"), { action })!, /launcher/);
    assert.notEqual(objection(call("io_uring_setup"), { action }), null);
  }
  for (const action of ["handle", "record"] as const) assert.equal(objection(call("chdir"), { action }), null);
});

Deno.test("reasonInFilter() has a reason for every call that the table never notifies", () => {
  const without = calls.filter((call) => has(call, "neverNotified") && reasonInFilter(call) === null);
  assert.deepEqual(without, []);
  assert.equal(reasonInFilter(call("openat")), null);
});

Deno.test("mayExecute() looks at what a switch or a handler could do", () => {
  assert.equal(mayExecute({ call: call("openat"), action: "deny", errno: "EPERM", notified: true }), true);
  assert.equal(mayExecute({ call: call("openat"), action: "allow", notified: false }), false);
  assert.equal(mayExecute({ call: call("ptrace"), action: "deny", errno: "EPERM", notified: true }), false);
  assert.equal(mayExecute({ call: call("ptrace"), action: "handle", notified: true }), true);
});
