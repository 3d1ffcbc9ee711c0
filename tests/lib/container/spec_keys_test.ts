import assert from "node:assert/strict";
import { unknownKey } from "../../../lib/container/spec_keys.ts";

const known = {
  "": ["apiVersion", "containers"],
  container: ["name", "cpus", "memory"],
  memory: ["limit", "nodes"],
  features: ["scheduling"],
};

Deno.test("unknownKey() offers the nearest key, and lists those that are known", () => {
  const issue = unknownKey(known, ["containers", 0], "cpu");
  assert.deepEqual(issue, {
    path: ["containers", 0, "cpu"],
    kind: "usage",
    message: 'unknown key "cpu"; did you mean "cpus"?',
    remedy: "Known here: name, cpus, memory",
  });
});

Deno.test("unknownKey() says where a key belongs that is in the wrong map", () => {
  assert.match(unknownKey(known, ["containers", 0], "scheduling").message, /belongs under features/);
  assert.match(unknownKey(known, ["containers", 0, "memory"], "cpus").message, /belongs to a container/);
  assert.match(unknownKey(known, ["containers", 0], "apiVersion").message, /belongs to the top/);
});

Deno.test("unknownKey() of a word like no other, or of a long one, stays short", () => {
  assert.equal(unknownKey(known, [], "zebra").message, 'unknown key "zebra"');
  assert.ok(unknownKey(known, [], "x".repeat(1_000_000)).message.length < 100);
});
