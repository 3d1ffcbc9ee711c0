import assert from "node:assert/strict";
import { parseUser } from "../../../lib/container/user.ts";
import { UsageError } from "../../../lib/errors.ts";

Deno.test("parseUser() reads a user, whose group has the same number unless it is given", () => {
  assert.deepEqual(parseUser("1000"), { uid: 1000, gid: 1000 });
  assert.deepEqual(parseUser("1000:100"), { uid: 1000, gid: 100 });
});

Deno.test("parseUser() refuses names, signs and halves", () => {
  for (const text of ["", "root", "-1", "1000:", ":5", "1 2", "1000:100:1", "9999999999"]) {
    assert.throws(() => parseUser(text), UsageError, text);
  }
});
