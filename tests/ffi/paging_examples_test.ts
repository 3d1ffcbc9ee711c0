import assert from "node:assert/strict";
import { compiled, missing, newPath, pagingFlags, run, test } from "./paging_programs.ts";
import { checkout } from "./programs.ts";

const nothing = await missing();

async function example(name: string): Promise<string> {
  return await compiled(["gcc", "-std=c17", "-O2"], [...pagingFlags, `${checkout}ffi/paging/examples/${name}.c`, "-lnodeos-paging"]);
}

function directory(): string {
  const path = newPath("data");
  Deno.mkdirSync(path);
  return path;
}

/** The whole programs of the manual in C. */
const programs = [...Deno.readTextFileSync(`${checkout}ffi/paging/PAGING.md`).matchAll(/^```c\n(.*?)^```$/gms)]
  .map(([, text]) => text).filter((text) => text.includes("int main("));

test("the examples of the manual do what it says", nothing, async () => {
  const [values, squares] = await Promise.all(programs.map(async (text) => {
    const path = newPath("example.c");
    Deno.writeTextFileSync(path, text);
    return await compiled(["gcc", "-std=c99"], [...pagingFlags, "-Wpedantic", path, "-lnodeos-paging"]);
  }));
  assert.deepEqual(await run([values, newPath("values")]), { code: 0, out: "549755289600, at most 1 MiB in memory\n", err: "" });
  assert.deepEqual(await run([values, "/nowhere/values"]), {
    code: 1,
    out: "",
    err: "Cannot map /nowhere/values: No such file or directory\n",
  });
  assert.deepEqual(await run([squares]), { code: 0, out: "9000000000000000000\n", err: "" });
});

test("system calls on pages of a region end as the manual says", nothing, async () => {
  const path = newPath("data");
  Deno.writeFileSync(path, new Uint8Array(65536));
  const program = await compiled(["gcc", "-std=c17"], [...pagingFlags, `${checkout}tests/ffi/paging/system_calls.c`, "-lnodeos-paging"]);
  const { code, out, err } = await run([program, path]);
  assert.deepEqual({ code, err }, { code: 0, err: "" });
  const [signal, scan, thread] = out.split("\n");
  assert.equal(signal, "signal: absent -14 -14, pinned 8192 -14, written to 8192");
  // Before Linux 6.7 there is no such tracking.
  assert.match(scan, /^signal, scan: (absent -14 -14, pinned 8192 8192, written to 8192|Operation not supported)$/);
  assert.equal(thread, "thread: absent 8192 8192, pinned 8192 8192, written to 8192");
});

test("values of four times the buffer are sorted, by one thread and by three", nothing, async () => {
  const program = await example("sort");
  for (const threads of ["1", "3"]) {
    const { code, out, err } = await run([program, directory(), "500001", "1000000", threads]);
    assert.deepEqual({ code, err }, { code: 0, err: "" });
    assert.match(out, /^500001 values of \d+ runs in [\d.]+ s with a buffer of 976 KiB: sorted\n$/);
  }
  const small = await run([program, directory(), "5000000", "65536", "2"]);
  assert.deepEqual(small, { code: 2, out: "", err: "Cannot sort: the buffer is too small for so many values and threads\n" });
});

test("a graph of four times the buffer is searched, and the tree is one of shortest paths", nothing, async () => {
  const program = await example("bfs");
  const { code, out, err } = await run([program, directory(), "14", "655360", "3"]);
  assert.deepEqual({ code, err }, { code: 0, err: "" });
  assert.match(
    out,
    /^12597 of 16384 vertices in \d levels, 524288 edges, in [\d.]+ s with a buffer of 640 KiB: a tree of shortest paths\n$/,
  );
  const none = await run([program, "/nowhere", "14", "655360", "3"]);
  assert.deepEqual(none, { code: 1, out: "", err: "Cannot map an array: No such file or directory\n" });
});
