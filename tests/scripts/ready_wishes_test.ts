import assert from "node:assert/strict";
import { readyWish, writeReadyWish } from "../../scripts/ready_wishes.ts";

const compiled = {
  board: new Uint8Array([1, 2, 3]),
  filter: new Uint8Array([6, 0, 0, 0, 0, 0, 255, 127]),
  policy: { profile: "lean", rules: [{ call: "openat", action: "forward", notified: true }] },
} as const;

Deno.test("readyWish() finds a profile that was compiled, and only where a wish is nothing else", () => {
  const directory = Deno.makeTempDirSync({ prefix: "nodeos-ready-" });
  try {
    writeReadyWish(directory, "lean", compiled);
    assert.deepEqual(readyWish({ profile: "lean" }, directory), compiled);
    assert.deepEqual(readyWish({ profile: "lean", switches: [], handlers: "./h.ts", user: { uid: 1, gid: 1 } }, directory), compiled);
    assert.equal(readyWish({ profile: "cnk" }, directory), null);
    assert.equal(readyWish({ profile: "lean", switches: ["openat=allow"] }, directory), null);
    assert.equal(readyWish({ profile: "lean", switchable: ["openat"] }, directory), null);
    assert.equal(readyWish({ profile: "lean", spinUs: 5 }, directory), null);
    assert.equal(readyWish({ profile: `${directory}/lean` }, "/"), null);
    assert.equal(readyWish({ profile: "lean" }, null), null);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
