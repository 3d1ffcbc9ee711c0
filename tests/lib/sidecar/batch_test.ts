import assert from "node:assert/strict";
import { errnoText } from "../../../ffi/errors.ts";
import fc from "fast-check";
import { type Batch, executeBatch, type Executor, readBatch } from "../../../lib/sidecar/batch.ts";
import { Problem } from "../../../lib/sidecar/problem.ts";
import { callNumberOf, decodeCall, encodeAnswer, verdicts } from "../../../lib/syscall/frames.ts";
import { callNumbered } from "../../../lib/syscall/table.ts";

// The library is opened once, outside any test.
errnoText(1);

/** An agent that answers by the call's name, and remembers what it was asked. */
function agent(
  answers: Readonly<Record<string, number | bigint | { value: number; data: (Uint8Array | undefined)[] }>>,
): Executor & { asked: unknown[] } {
  const asked: unknown[] = [];
  return {
    asked,
    call(frame) {
      const call = callNumbered("x86_64", callNumberOf(frame))!;
      const { id, slot, arguments: values } = decodeCall(call, frame);
      asked.push([call.name, ...values.slice(0, call.arguments.length)]);
      const answer = answers[call.name] ?? 0;
      const { value, data } = typeof answer === "object" ? answer : { value: answer, data: [] };
      return Promise.resolve(encodeAnswer(call, { slot, id, verdict: verdicts.value, value, data }));
    },
  };
}

const batch = (...calls: unknown[]): Batch => readBatch({ calls }, "x86_64");
const run = (executor: Executor, read: Batch) => executeBatch(read, executor, "x86_64");

Deno.test("readBatch() refuses what is no batch, and says what is wrong", () => {
  const cases: [body: unknown, status: number, detail: RegExp][] = [
    [null, 400, /^Cannot read the request: it is no object$/],
    [[], 400, /it is no object/],
    [{}, 400, /"calls" is not a list/],
    [{ calls: [], stoponerror: 1 }, 400, /there is no "stoponerror"; did you mean "stopOnError"\?/],
    [{ calls: [], stopOnError: 1 }, 400, /"stopOnError" is neither true nor false/],
    [{ calls: [], encoding: "utf8" }, 400, /"encoding" is neither "base64" nor "text"/],
    [{ calls: Array(1001).fill({ call: "getpid" }) }, 413, /Cannot make 1001 calls in one request: the most is 1000/],
    [{ calls: [1] }, 400, /Cannot make call 0: it is no object/],
    [{ calls: [{}] }, 400, /Cannot make call 0: "call" is not the name/],
    [{ calls: [{ call: "getpid" }, { call: "getpid", arg: [] }] }, 400, /Cannot make call 1: there is no "arg"; did you mean "args"\?/],
    [{ calls: [{ call: "stat64" }] }, 400, /there is no system call "stat64"/],
    [{ calls: [{ call: "pread" }] }, 400, /there is no system call "pread"; did you mean "pread64"\?/],
    [{ calls: [{ call: "fstatat" }] }, 400, /did you mean "newfstatat"\?/],
    [{ calls: [{ call: "constructor" }] }, 400, /there is no system call "constructor"/],
    [{ calls: [{ call: "x".repeat(1000) }] }, 400, /"x{64}"/],
    [{ calls: [{ call: "getpid", as: "a b" }] }, 400, /"as" is no name/],
    [{ calls: [{ call: "getpid", as: "a" }, { call: "getpid", as: "a" }] }, 400, /an earlier call is named "a" already/],
    [{ calls: [{ call: "close", args: ["$a"], as: "a" }] }, 400, /no earlier call is named "a"/],
    [{ calls: [{ call: "write", args: [1, "a".repeat(1 << 20)] }] }, 413, /it has 1048576 bytes of data/],
  ];
  for (const [body, status, detail] of cases) {
    assert.throws(() => readBatch(body, "x86_64"), (error) => {
      assert.ok(error instanceof Problem);
      assert.equal(error.status, status, error.detail);
      assert.match(error.detail, detail);
      return true;
    });
  }
  assert.throws(() => readBatch({ calls: [{ call: "open" }] }, "aarch64"), /Cannot make call 0: aarch64 has no open/);
});

Deno.test("readBatch() of any JSON gives a batch or a Problem", () => {
  const call = fc.record({ call: fc.constantFrom("openat", "read", "close", "x"), args: fc.jsonValue(), as: fc.jsonValue() }, {
    requiredKeys: [],
  });
  fc.assert(fc.property(fc.oneof(fc.jsonValue(), fc.record({ calls: fc.array(call) })), (body) => {
    try {
      assert.ok(readBatch(body, "x86_64").calls.length >= 0);
    } catch (error) {
      assert.ok(error instanceof Problem, String(error));
    }
  }));
});

Deno.test("executeBatch() makes calls in their order, with the results of earlier ones", async () => {
  const executor = agent({ openat: 7, write: 4 });
  const answer = await run(
    executor,
    batch({ call: "openat", args: ["AT_FDCWD", "a", "O_RDWR"], as: "f" }, { call: "write", args: ["$f", "four"], as: "n" }, {
      call: "ftruncate",
      args: ["$f", "$n"],
    }),
  );
  assert.deepEqual(answer, { results: [{ value: 7 }, { value: 4 }, { value: 0 }] });
  assert.deepEqual(executor.asked, [["openat", -100, 1, 2, 0], ["write", 7, 1, 4], ["ftruncate", 7, 4]]);
});

Deno.test("executeBatch() stops at the first failure, or goes on without those that need it", async () => {
  const calls = [{ call: "openat", args: ["AT_FDCWD", "a"], as: "f" }, { call: "close", args: ["$f"] }, { call: "getuid" }];
  const failed = { errno: "ENOENT", number: 2, message: "No such file or directory" };
  const stopped = agent({ openat: -2 });
  const canceled = (why: string) => ({ errno: "ECANCELED", number: 125, message: `Not executed: ${why}` });
  assert.deepEqual(await run(stopped, readBatch({ calls }, "x86_64")), {
    results: [failed, canceled("call 0 failed"), canceled("call 0 failed")],
    failed: 0,
  });
  assert.equal(stopped.asked.length, 1);
  const going = agent({ openat: -2, getuid: 5 });
  assert.deepEqual(await run(going, readBatch({ calls, stopOnError: false }, "x86_64")), {
    results: [failed, canceled('"f" has no value'), { value: 5 }],
    failed: 0,
  });
  assert.equal(going.asked.length, 2);
});

Deno.test("executeBatch() gives what was filled, as far as the result says, in base64 or as text", async () => {
  const bytes = new TextEncoder().encode("hello rest");
  const executor = agent({ read: { value: 5, data: [, bytes] }, getcwd: { value: 3, data: [new TextEncoder().encode("/a\0")] } });
  const calls = [{ call: "read", args: [3, 10] }, { call: "getcwd" }];
  assert.deepEqual((await run(executor, readBatch({ calls }, "x86_64"))).results, [
    { value: 5, out: { data: { base64: "aGVsbG8=" } } },
    { value: 3, out: { path: { base64: "L2EA", decoded: "/a" } } },
  ]);
  assert.deepEqual((await run(executor, readBatch({ calls, encoding: "text" }, "x86_64"))).results[0], {
    value: 5,
    out: { data: { text: "hello" } },
  });
  const binary = agent({ read: { value: 2, data: [, Uint8Array.of(0xff, 0)] } });
  assert.deepEqual((await run(binary, readBatch({ calls: [calls[0]], encoding: "text" }, "x86_64"))).results, [
    { value: 2, out: { data: { base64: "/wA=" } } },
  ]);
});

Deno.test("executeBatch() writes results that no number holds as text, and knows errors from large results", async () => {
  const results = async (value: number | bigint) =>
    (await run(agent({ lseek: value }), batch({ call: "lseek", args: [3, 0, 0] }))).results[0];
  assert.deepEqual(await results(2n ** 60n), { value: `${2n ** 60n}` });
  assert.deepEqual(await results(-4096), { value: -4096 });
  assert.deepEqual(await results(-4095), { errno: "E4095", number: 4095, message: (await results(-4095) as { message: string }).message });
});

Deno.test("executeBatch() holds no more than 8 MiB of answers: what comes after is not executed", async () => {
  const large = new Uint8Array(1 << 20).subarray(4096);
  const executor = agent({ read: { value: large.length, data: [, large] } });
  const { results, failed } = await run(executor, batch(...Array.from({ length: 20 }, () => ({ call: "read", args: [3, large.length] }))));
  const made = results.filter((result) => "value" in result).length;
  assert.ok(made > 8 && made < 11, `${made}`);
  assert.equal(failed, made);
  assert.equal(executor.asked.length, made);
});

Deno.test("executeBatch() says so when its executor is gone", async () => {
  await assert.rejects(run({ call: () => Promise.reject(new Error("gone")) }, batch({ call: "getpid" })), /gone/);
});
