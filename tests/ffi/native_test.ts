import assert from "node:assert/strict";
import fc from "fast-check";
import { byValue, coreLibrary, cstr, libraryPath } from "../../ffi/library.ts";
import { LaunchedLayout, LaunchLayout } from "../../ffi/launch.ts";
import { kernel } from "./host.ts";

// What no caller of ours does: sizes and offsets that do not fit.
const native = {
  file: (action: number, path: Uint8Array<ArrayBuffer>, data: Uint8Array<ArrayBuffer>, size: number) =>
    coreLibrary().nodeos_file(byValue(action, size), path, data),
  launch: (request: Uint8Array<ArrayBuffer>, size: number, answer: Uint8Array<ArrayBuffer>) =>
    coreLibrary().nodeos_launch(byValue(size), request, answer),
  errnoText:
    Deno.dlopen(libraryPath(), { nodeos_errno_text: { parameters: ["i32", "buffer", "i32"], result: "i32" } }).symbols.nodeos_errno_text,
};

const EINVAL = -22;
const EFBIG = -27;
const canary = 0xa5;

/** Calls with every size up to `sizeMax`, and looks whether a byte behind it changed. */
function withEverySize(sizeMax: number, call: (buffer: Uint8Array<ArrayBuffer>, size: number) => number): number[] {
  return Array.from({ length: sizeMax + 1 }, (_, size) => {
    const buffer = new Uint8Array(sizeMax + 64).fill(canary);
    const result = call(buffer, size);
    assert(result <= size, `${result} bytes in ${size}`);
    assert(buffer.subarray(size).every((byte) => byte === canary), `size ${size}: it wrote more`);
    return result;
  });
}

Deno.test("nodeos_file() fills no more than the size it is told, and asks for more", () => {
  const path = "/proc/sys/kernel/ostype";
  const length = kernel.read(path).length;
  const results = withEverySize(length + 3, (buffer, size) => native.file(0, cstr(path), buffer, size));
  // One byte more than the text, for the NUL behind it.
  assert.deepEqual(results, results.map((_, size) => size > length ? length : EFBIG));
});

Deno.test("nodeos_file() lists no more names than there is room for", () => {
  const bytes = kernel.list("/proc/sys").reduce((sum, { name }) => sum + name.length + 2, 0);
  const results = withEverySize(bytes + 3, (buffer, size) => native.file(5, cstr("/proc/sys"), buffer, size));
  assert.deepEqual(results, results.map((_, size) => size >= bytes ? bytes : EFBIG));
});

Deno.test("nodeos_file() cuts a link off where the room ends", () => {
  withEverySize(30, (buffer, size) => native.file(2, cstr("/proc/self/exe"), buffer, size));
});

Deno.test("nodeos_file() refuses an action that is none", () => {
  for (const action of [8, -1, 2 ** 31 - 1]) assert.equal(native.file(action, cstr("/proc/version"), new Uint8Array(9), 9), EINVAL);
});

Deno.test("nodeos_errno_text() fills no more than the size it is told", () => {
  const length = "EBUSY\0Device or resource busy".length;
  const results = withEverySize(length + 3, (buffer, size) => native.errnoText(16, buffer, size));
  assert.deepEqual(results, results.map((_, size) => size >= length ? length : EFBIG));
  assert.equal(native.errnoText(16, new Uint8Array(1), -1), EFBIG);
});

Deno.test("nodeos_launch() refuses any request whose strings are not inside it", () => {
  const offset = fc.oneof(
    fc.nat(LaunchLayout.size + 80),
    fc.constantFrom(0, 1, LaunchLayout.size, 2 ** 31, 2 ** 32 - 1),
    fc.nat(2 ** 32 - 1),
  );
  const count = fc.oneof(fc.nat(9), fc.constantFrom(2 ** 16 - 1, 2 ** 16, 2 ** 31, 2 ** 32 - 1));
  const requests = fc.record({
    header: fc.record({
      cgroup: offset,
      tasks: offset,
      taskCount: count,
      argv: offset,
      argc: count,
      envp: offset,
      envc: count,
      cwd: offset,
      search: offset,
    }),
    // No program has such a name.
    strings: fc.array(fc.constantFrom(0, 0x7e), { maxLength: 80 }),
  });
  fc.assert(
    fc.property(requests, ({ header, strings }) => {
      const bytes = new Uint8Array(LaunchLayout.size + strings.length + 1);
      LaunchLayout.write(bytes, { size: LaunchLayout.size, stdio: [-1, -1, -1], ...header });
      bytes.set(strings, LaunchLayout.size);
      const answer = new Uint8Array(LaunchedLayout.size);
      const result = native.launch(bytes, bytes.length, answer);
      const { pid: _, step, error, pidfd } = LaunchedLayout.read(answer);
      assert(result < 0);
      assert.deepEqual({ error, pidfd }, { error: -result, pidfd: -1 });
      assert(step >= 1);
    }),
    { numRuns: 2000 },
  );
});

/** A request to start a program that does not exist. */
function validRequest(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(LaunchLayout.size + 6);
  LaunchLayout.write(bytes, { size: LaunchLayout.size, argv: LaunchLayout.size, argc: 1, stdio: [-1, -1, -1] });
  bytes.set(new TextEncoder().encode("~~~~~"), LaunchLayout.size);
  return bytes;
}

for (const field of ["cwd", "cgroup", "search"] as const) {
  Deno.test(`nodeos_launch() refuses a ${field} that lies behind the request`, () => {
    for (const offset of [validRequest().length, validRequest().length + 1, 2 ** 31, 2 ** 32 - 1]) {
      const bytes = validRequest();
      LaunchLayout.write(bytes, { [field]: offset });
      const answer = new Uint8Array(LaunchedLayout.size);
      assert.equal(native.launch(bytes, bytes.length, answer), EINVAL);
      assert.equal(LaunchedLayout.read(answer).step, 1);
    }
  });
}

Deno.test("nodeos_launch() refuses a request that is too short, of another version, or without its last NUL", () => {
  const launch = (bytes: Uint8Array<ArrayBuffer>, size = bytes.length) => native.launch(bytes, size, new Uint8Array(LaunchedLayout.size));
  assert.equal(launch(validRequest()), -2);
  for (const size of [0, -1, 4, LaunchLayout.size - 1, validRequest().length - 1]) {
    assert.equal(launch(validRequest(), size), EINVAL, `${size}`);
  }
  const other = validRequest();
  LaunchLayout.write(other, { size: LaunchLayout.size - 8 });
  assert.equal(launch(other), EINVAL);
});
