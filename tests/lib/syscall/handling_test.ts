import assert from "node:assert/strict";
import { type CallFrame, frameBytesMax, verdicts } from "../../../lib/syscall/frames.ts";
import { answerOf, handledCall, type HandlerResult } from "../../../lib/syscall/handling.ts";
import { callNamed } from "../../../lib/syscall/table.ts";

const encoder = new TextEncoder();

function frameOf(args: (number | bigint)[], data: CallFrame["data"] = []): CallFrame {
  return { slot: 0, id: 0n, number: 1, tid: 7, uid: 8, gid: 9, arguments: [...args, ...Array(6 - args.length).fill(0)], data };
}

const handled = (name: string, frame: CallFrame) => handledCall(callNamed(name)!, frame, "x86_64");
const openat = handled("openat", frameOf([2 ** 32 - 100, 1, 0o2000101, 0o644], [, encoder.encode("data")]));
const answer = (name: string, call: ReturnType<typeof handled>, result: unknown) =>
  answerOf(callNamed(name)!, call, result as HandlerResult);

Deno.test("a handler sees paths as text and bytes, descriptors and flags as the kernel's int, and who calls", () => {
  assert.deepEqual(openat, {
    name: "openat",
    number: 1,
    tid: 7,
    uid: 8,
    gid: 9,
    arguments: { at: -100, path: "data", flags: 0o2000101, mode: 0o644 },
    bytes: { path: encoder.encode("data") },
    roomBytes: {},
  });
  const odd = handled("openat", frameOf([0, 1, 0, 0], [, Uint8Array.of(0xff)]));
  assert.deepEqual([odd.arguments.path, odd.bytes.path], ["\ufffd", Uint8Array.of(0xff)]);
  assert.deepEqual(handled("openat", frameOf([0, 0], [, null])).arguments.path, null);
});

Deno.test("a handler sees how much it may fill: never more than fits, and nothing of NULL", () => {
  const room = (size: number | bigint) => handled("read", frameOf([3, 1, size])).roomBytes.data;
  assert.equal(room(10), 10);
  for (const size of [2 ** 40, -1, 2n ** 63n]) assert.equal(room(size), frameBytesMax - 4096);
  assert.deepEqual(handled("read", frameOf([3, 0, 10])).roomBytes, {});
  assert.deepEqual(handled("newfstatat", frameOf([0, 1, 1, 0], [, encoder.encode("a")])).roomBytes, { status: 144 });
});

Deno.test("a handler's result becomes a verdict", () => {
  assert.deepEqual(answer("openat", openat, 5), { verdict: verdicts.value, value: 5, data: [] });
  assert.deepEqual(answer("openat", openat, 2n ** 60n), { verdict: verdicts.value, value: 2n ** 60n, data: [] });
  assert.deepEqual(answer("openat", openat, "forward"), { verdict: verdicts.forward, value: 0, data: [] });
  assert.deepEqual(answer("openat", openat, "allow"), { verdict: verdicts.allow, value: 0, data: [] });
  assert.deepEqual(answer("openat", openat, { errno: "ENOENT" }), { verdict: verdicts.value, value: -2, data: [] });
  const read = handled("read", frameOf([3, 1, 10]));
  assert.deepEqual(answer("read", read, { value: 2, out: { data: "hi" } }), { verdict: 0, value: 2, data: [, encoder.encode("hi")] });
});

Deno.test("content is close-on-exec where the caller asked for that, or the handler says so", () => {
  assert.equal(answer("openat", openat, { content: "x" }).value, 0o2000000);
  assert.equal(answer("openat", openat, { content: "x", closeOnExec: false }).value, 0);
  assert.deepEqual(answer("openat", openat, { content: Uint8Array.of(1) }).data, [Uint8Array.of(1)]);
});

Deno.test("what is no result of the call is refused, and said", () => {
  const read = handled("read", frameOf([3, 1, 2]));
  const cases: [name: string, call: typeof openat, result: unknown, message: RegExp][] = [
    ["openat", openat, undefined, /returned no result/],
    ["openat", openat, null, /returned no result/],
    ["openat", openat, "deny", /returned no result/],
    ["openat", openat, 1.5, /returned 1.5, which is no whole number/],
    ["openat", openat, {}, /returned undefined, which is no whole number/],
    ["openat", openat, { errno: "EWRONG" }, /"EWRONG", which Linux does not have/],
    ["openat", openat, { content: 5 }, /neither bytes nor text/],
    ["read", read, { content: "x" }, /it returns no descriptor/],
    ["read", read, { value: 3, out: { data: "abc" } }, /filled data with 3 bytes, and there is room for 2/],
    ["read", read, { value: 3, out: { fd: "abc" } }, /filled "fd", which it does not have/],
    ["read", handled("read", frameOf([3, 0, 2])), { value: 1, out: { data: "a" } }, /room for 0/],
  ];
  for (const [name, call, result, message] of cases) {
    assert.throws(() => answer(name, call, result), (error) => error instanceof TypeError && message.test(error.message), String(message));
  }
});
