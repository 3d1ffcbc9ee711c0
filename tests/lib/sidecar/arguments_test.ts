import assert from "node:assert/strict";
import fc from "fast-check";
import { readArguments, shortForm } from "../../../lib/sidecar/arguments.ts";
import { callNamed, calls } from "../../../lib/syscall/table.ts";

const text = (value: string) => new TextEncoder().encode(value);

function read(call: string, given?: unknown, names: readonly string[] = []): ReturnType<typeof readArguments> {
  return readArguments(callNamed(call)!, given, "x86_64", new Set(names));
}

Deno.test("readArguments() reads all arguments by position", () => {
  assert.deepEqual(read("openat", ["AT_FDCWD", "data", "O_WRONLY|O_CREAT", "0644"]), {
    values: [-100, 1, 0o101, 0o644],
    data: [, text("data")],
  });
  assert.deepEqual(read("pread64", [3, 1, 10, 20]), { values: [3, 1, 10, 20], data: [] });
});

Deno.test("readArguments() reads the short form: without buffers to fill and byte counts", () => {
  assert.deepEqual(read("pread64", [3, 10, 20]), { values: [3, 1, 10, 20], data: [] });
  assert.deepEqual(read("write", [1, "four"]), { values: [1, 1, 4], data: [, text("four")] });
  assert.deepEqual(read("newfstatat", ["AT_FDCWD", "a", 0]).values, [-100, 1, 1, 0]);
  assert.deepEqual(shortForm(callNamed("pread64")!), [0, 2, 3]);
});

Deno.test("readArguments() reads arguments by name, with defaults for what is missing", () => {
  assert.deepEqual(read("openat", { path: "data" }).values, [-100, 1, 0, 0]);
  assert.deepEqual(read("read", { fd: 3 }).values, [3, 1, 4096]);
  assert.deepEqual(read("getuid"), { values: [], data: [] });
  assert.deepEqual(read("getuid", {}), { values: [], data: [] });
});

Deno.test("readArguments() takes an earlier result for an integer, and for nothing else", () => {
  assert.deepEqual(read("close", ["$f"], ["f"]).values, [{ name: "f" }]);
  assert.deepEqual(read("openat", ["$d", "$f", "$g"], ["d", "g"]).data[1], text("$f"));
  assert.throws(() => read("close", ["$g"], ["ff"]), /^RangeError: close: fd: no earlier call is named "g" by "as"$/);
  assert.throws(() => read("close", ["$file1"], ["file"]), /did you mean "file"\?/);
});

Deno.test("readArguments() takes fewer bytes than are given, and never more", () => {
  assert.deepEqual(read("write", [1, "four", 2]), { values: [1, 1, 2], data: [, text("fo")] });
  for (const count of [5, -1, 1.5, "$n"]) assert.throws(() => read("write", [1, "four", count], ["n"]), /write: size: /);
});

Deno.test("readArguments() takes data as text, base64, 64-bit words, or NULL", () => {
  assert.deepEqual(read("write", [1, { base64: "/wA=" }]).data[1], Uint8Array.of(255, 0));
  assert.deepEqual(read("utimensat", ["AT_FDCWD", "a", null, 0]), { values: [-100, 1, 0, 0], data: [, text("a"), null] });
  const times = read("utimensat", ["AT_FDCWD", "a", { words: [1, 2, -3, 4] }, 0]).data[2]!;
  assert.deepEqual([...new BigInt64Array(times.slice().buffer)], [1n, 2n, -3n, 4n]);
});

Deno.test("readArguments() says which argument is wrong, and how", () => {
  const cases: [call: string, given: unknown, message: RegExp][] = [
    ["getuid", [1], /^RangeError: getuid: 1 arguments are given, and it has 0$/],
    ["pread64", [1, 2, 3, 4, 5], /^RangeError: pread64: 5 arguments are given, and it has 4, or 3 without data$/],
    ["write", [1, "a", 1, 1], /write: 4 arguments are given, and it has 3, or 2 without size$/],
    ["openat", "data", /openat: its arguments are neither a list nor an object/],
    ["openat", null, /openat: its arguments are neither a list nor an object/],
    ["openat", { filename: "a" }, /openat: it has no argument "filename"; it has at, path, flags, mode/],
    ["openat", { pathe: "a" }, /no argument "pathe"; did you mean "path"\?/],
    ["openat", JSON.parse('{ "__proto__": 1 }'), /no argument "__proto__"/],
    ["openat", ["AT_FDCWD"], /openat: path: it is missing/],
    ["openat", ["AT_FDCWD", "a\0b"], /openat: path: it contains a NUL byte/],
    ["openat", ["AT_FDCWD", "\ud800"], /openat: path: it has half a surrogate pair/],
    ["openat", ["AT_FDCWD", 1], /openat: path: it is neither text, nor/],
    ["openat", ["AT_FDCWD", { base64: "?" }], /openat: path: its base64 is none/],
    ["openat", ["AT_FDCWD", { base64: "", words: [] }], /openat: path: it is neither text, nor/],
    ["openat", ["AT_FDCWD", "a", "O_RDONLI"], /openat: flags: "O_RDONLI" is no number and no constant; did you mean "O_RDONLY"\?/],
    ["openat", ["AT_FDCWD", "a", 1.5], /openat: flags: 1.5 is no whole number/],
    ["openat", ["AT_FDCWD", "a", 2 ** 53], /write larger ones as text/],
    ["openat", ["AT_FDCWD", "a", true], /openat: flags: it is neither a number nor the text of one/],
    ["close", [], /close: fd: it is missing/],
    ["utimensat", ["AT_FDCWD", "a", "short"], /utimensat: times: it has 5 bytes, and the structure has 32/],
    ["utimensat", ["AT_FDCWD", "a", { words: [1.5] }], /utimensat: times: word 0 is no whole number/],
    ["preadv", [3, 1], /preadv: parts: nobody but the program itself can use its pointers/],
  ];
  for (const [call, given, message] of cases) assert.throws(() => read(call, given), message, JSON.stringify(given));
});

Deno.test("readArguments() of any call and any JSON gives complete arguments, or a RangeError", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...calls),
      fc.jsonValue(),
      fc.constantFrom("x86_64" as const, "aarch64" as const),
      (call, given, architecture) => {
        try {
          const { values, data } = readArguments(call, given, architecture, new Set());
          assert.equal(values.length, call.arguments.length);
          call.arguments.forEach(({ kind }, index) => {
            if (["path", "text"].includes(kind) && data[index]) assert.equal(data[index].includes(0), false);
            assert.notEqual(values[index], undefined);
          });
        } catch (error) {
          assert.ok(error instanceof RangeError, String(error));
        }
      },
    ),
  );
});
