import assert from "node:assert/strict";
import { fakeBoard, fakeContainer } from "./fake_container.ts";

Deno.test("change() changes what is asked for, a name before a group, and says what stays", async () => {
  const board = fakeBoard(), container = fakeContainer(board);
  const { changed, fixed } = await container.change(["openat=deny:EXDEV", "@path=allow"]);
  assert.deepEqual(changed.find(({ call }) => call === "openat"), { call: "openat", from: "inject", to: "deny:EXDEV" });
  assert.deepEqual(board.words[257], { action: "deny", errno: "EXDEV" });
  assert.deepEqual(board.words[262], { action: "allow" });
  for (const { reason } of fixed) assert.notEqual(reason, "");
  assert.deepEqual((await container.change(["openat=deny:EXDEV"])).changed, []);
});

Deno.test("change() changes nothing when one of the changes cannot be", async () => {
  const board = fakeBoard(), container = fakeContainer(board);
  const before = board.rules();
  for (const wrong of ["futex=deny:EPERM", "opennat=allow", "openat=alow", "openat"]) {
    await assert.rejects(container.change(["mkdir=allow", wrong]), { name: "UsageError" });
    assert.deepEqual(board.rules(), before);
  }
  board.brokenAt = 83;
  await assert.rejects(container.change(["openat=allow", "mkdir=allow"]), /cannot be set/).catch(() => {});
  assert.deepEqual(board.rules(), before);
});

Deno.test("rules() are those of the start, with what the board says now of those that can be switched", async () => {
  const board = fakeBoard(), container = fakeContainer(board);
  board.setRule(257, "allow");
  const rules = await container.rules();
  assert.equal(rules.find(({ call }) => call.name === "openat")!.action, "allow");
  const fixed = rules.find(({ notified }) => !notified)!;
  board.setRule(fixed.call.numbers.x86_64!, "deny", "EPERM");
  assert.equal((await container.rules()).find(({ call }) => call === fixed.call)!.action, fixed.action);
});
