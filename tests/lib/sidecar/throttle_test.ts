import assert from "node:assert/strict";
import { throttled } from "../../../lib/sidecar/throttle.ts";

Deno.test("throttled() says so many lines in a while, and later how many it left out", () => {
  const said: string[] = [];
  let nowMs = 0;
  const say = throttled((line) => said.push(line), { linesMax: 2, everyMs: 1000 }, () => nowMs);
  for (const line of ["one", "two", "three", "four"]) say(line);
  nowMs = 999;
  say("five");
  assert.deepEqual(said, ["one", "two"]);
  nowMs = 1000;
  say("six");
  assert.deepEqual(said, ["one", "two", "3 lines were left out", "six"]);
  nowMs = 5000;
  say("seven");
  assert.deepEqual(said.slice(4), ["seven"]);
});
