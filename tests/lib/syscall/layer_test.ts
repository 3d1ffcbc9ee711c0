import assert from "node:assert/strict";
import { UsageError } from "../../../lib/errors.ts";
import { inOrder, isName, type LayerEntry, saidTwice } from "../../../lib/syscall/layer.ts";

const entry = (target: string): LayerEntry => ({ target, verdict: { action: "allow" } });

Deno.test("inOrder() brings all calls before groups, and groups before names", () => {
  const order = inOrder(["openat", "@path", "getpid", "@all", "@fd"].map(entry));
  assert.deepEqual(order.map(({ entry }) => entry.target), ["@all", "@path", "@fd", "openat", "getpid"]);
  assert.deepEqual(order.map(({ calls }) => calls.length > 1), [true, true, true, false, false]);
  assert.deepEqual(order[3].calls.map(({ name }) => name), ["openat"]);
});

Deno.test("inOrder() refuses a call that there is not", () => {
  assert.throws(() => inOrder([entry("opnat")]), UsageError);
});

Deno.test("saidTwice() pairs a target with its first mention", () => {
  const entries = ["a", "b", "a", "c", "a"].map(entry);
  assert.deepEqual(saidTwice(entries), [{ entry: entries[2], before: entries[0] }, { entry: entries[4], before: entries[0] }]);
  assert.deepEqual(saidTwice([]), []);
});

Deno.test("isName() tells calls from groups", () => {
  assert.deepEqual(["openat", "@path", "@all"].map(isName), [true, false, false]);
});
