import assert from "node:assert/strict";
import { EventLog, type LoggedEvent } from "../../../lib/sidecar/event_log.ts";
import type { Refusal } from "../../../lib/syscall/board.ts";
import { type FakeBoard, fakeBoard, fakeContainer } from "./fake_container.ts";

function refuse(board: FakeBoard, timeMs: number): void {
  const number = board.refused.length + 1;
  board.refused.push({ number, timeMs, call: "openat", tid: 1, errno: "EPERM", listener: 1, command: "prog" } as Refusal);
}

function logOf(board: FakeBoard, instance = "one"): EventLog {
  let timeMs = 0;
  return new EventLog(fakeContainer(board), instance, () => timeMs += 10);
}

const types = (events: readonly LoggedEvent[]) => events.map(({ type }) => type);

Deno.test("EventLog gives refusals and changes in the order of their times, and each once", () => {
  const board = fakeBoard(), log = logOf(board);
  refuse(board, 5);
  board.setRule(257, "deny", "EXDEV");
  const first = log.since(undefined);
  assert.deepEqual(types(first), ["refusal", "policy"]);
  assert.deepEqual(first[1].data, { timeMs: 10, changed: [{ call: "openat", from: "inject", to: "deny:EXDEV" }] });
  assert.deepEqual(log.since(first[1].id), []);
  assert.deepEqual(types(log.since(first[0].id)), ["policy"]);
  refuse(board, 15);
  assert.deepEqual(types(log.since(first[1].id)), ["refusal"]);
});

Deno.test("EventLog finds a change that was not made through it, and none where nothing is another one", () => {
  const board = fakeBoard(), log = logOf(board);
  log.look();
  board.setRule(257, "allow");
  log.look();
  board.setRule(257, "allow");
  log.look();
  assert.equal(log.since(undefined).length, 1);
});

Deno.test("EventLog says how many are lost", () => {
  const board = fakeBoard(), log = logOf(board);
  for (let i = 0; i < 10; i++) refuse(board, i);
  board.keptFrom = 8;
  const [lost, ...others] = log.since(undefined);
  assert.deepEqual([lost.type, lost.data], ["lost", { count: 7 }]);
  assert.equal(others.length, 3);
  assert.equal(log.since(lost.id).length, 3);
});

Deno.test("EventLog of a later sidecar tells again what it knows, and nothing for an id that was never given", () => {
  const board = fakeBoard(), log = logOf(board);
  refuse(board, 1);
  board.setRule(257, "allow");
  const last = log.since(undefined).at(-1)!.id;
  const later = logOf(board, "two");
  assert.deepEqual(later.since(last), []);
  refuse(board, 2);
  assert.deepEqual(types(later.since(last)), ["refusal"]);
  for (const id of ["", "x", "1.2", "99.0.two", "-1.0.two", "9999999999999999999.0.two"]) assert.equal(later.since(id).length, 2, id);
});
