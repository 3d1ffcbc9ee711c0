import assert from "node:assert/strict";
import { compiled, missing, newPath, pagingFlags, run, test } from "./paging_programs.ts";
import { checkout } from "./programs.ts";

const nothing = await missing();
const client = nothing === ""
  ? await compiled(["gcc", "-std=c17"], [...pagingFlags, `${checkout}tests/ffi/paging/umap_client.c`, "-lnodeos-paging"])
  : "";

for (const compiler of [["gcc", "-std=c99"], ["g++", "-std=c++11", "-xc++"], ["aarch64-linux-gnu-gcc", "-std=c17"]]) {
  test(`nodeos_umap.h compiles with ${compiler.join(" ")}`, await missing(compiler[0]), async () => {
    const source = newPath("alone.c");
    Deno.writeTextFileSync(
      source,
      "#define NODEOS_UMAP_NAMES\n#include <nodeos_umap.h>\n#include <nodeos_umap.h>\nint main(void) { return 0; }\n",
    );
    const flags = pagingFlags.filter((flag) => !/^-(L|Wl)/.test(flag));
    await compiled(compiler, [...flags, "-Wpedantic", source]);
  });
}

/** What a program of UMap may expect, and what UMap does instead (LLNL/umap at ebc5a66). */
const cases: Readonly<Record<string, string>> = {
  "offset": "begins at the offset that is asked for, of any alignment (UMap: at 0)",
  "tail": "reads zeroes behind the end of the file and does not write there (UMap: bytes of other pages)",
  "shared": "takes MAP_SHARED (UMap: an exception)",
  "small-buffer": "works with a buffer of 16 pages (UMap: a segmentation fault)",
  "page-size": "works with pages of 12 KiB (UMap: an abort)",
  "flush-while-evicting": "flushes while pages are evicted (UMap: hangs)",
  "many-times": "gives addresses back (UMap: keeps them)",
  "pin": "pins what is there already, writes it back and unpins (UMap: an abort, data lost, no unpin)",
  "fork": "ends a child that reads a region (UMap: gives it zeroes)",
  "refusals": "refuses by errno and goes on (UMap: an exception or an abort)",
  "direct": "reads and writes past the page cache by a descriptor with O_DIRECT",
  "many-regions": "has 100 regions in one small buffer, and prefetches",
};

for (const [name, words] of Object.entries(cases)) {
  test(`a ported program ${words}`, nothing, async () => {
    for (const mode of ["thread", "signal"]) {
      assert.deepEqual(await run([client, name, newPath("data")], { NODEOS_UMAP_MODE: mode }), { code: 0, out: "fine\n", err: "" }, mode);
    }
  });
}

test("system calls may touch a ported program's absent pages, but in mode signal", nothing, async () => {
  assert.deepEqual(await run([client, "system-call", newPath("data")]), { code: 0, out: "fine\n", err: "" });
  const { code, out } = await run([client, "system-call", newPath("data")], { NODEOS_UMAP_MODE: "signal" });
  assert.deepEqual({ code, line: out.replace(/^line \d+: /, "") }, {
    code: 1,
    line: "not so: write(pipes[1], words + 20 * 512, PAGE) == PAGE (errno 14)\n",
  });
});

test("settings come from the environment, and what has no meaning is refused by the first region", nothing, async () => {
  const env = {
    NODEOS_UMAP_PAGESIZE: "65536",
    NODEOS_UMAP_BUFSIZE: "100",
    NODEOS_UMAP_PAGE_FILLERS: "3",
    NODEOS_UMAP_PAGE_EVICTORS: "1",
    NODEOS_UMAP_EVICT_HIGH_WATER_THRESHOLD: "80",
    NODEOS_UMAP_EVICT_LOW_WATER_THRESHOLD: "60",
    NODEOS_UMAP_READ_AHEAD: "8",
    NODEOS_UMAP_MAX_FAULT_EVENTS: "5",
  };
  assert.deepEqual(await run([client, "settings", newPath("data")], env), { code: 0, out: "65536 100 3 1 80 60 8 5\nfine\n", err: "" });
  const bad = {
    NODEOS_UMAP_PAGESIZE: "5000",
    NODEOS_UMAP_BUFSIZE: "many",
    NODEOS_UMAP_PAGE_FILLERS: "0",
    NODEOS_UMAP_PAGE_EVICTORS: "-1",
    NODEOS_UMAP_EVICT_HIGH_WATER_THRESHOLD: "101",
    NODEOS_UMAP_EVICT_LOW_WATER_THRESHOLD: "101",
    NODEOS_UMAP_READ_AHEAD: "",
    NODEOS_UMAP_MODE: "fast",
  };
  for (const [name, value] of Object.entries(bad)) {
    assert.match((await run([client, "settings", newPath("data")], { [name]: value })).out, /\nInvalid argument\nfine\n$/, name);
  }
});

test("a program in C++ has its own store", await missing("g++"), async () => {
  const flags = [...pagingFlags, "-Wpedantic", `${checkout}ffi/paging/examples/umap_store.cpp`, "-lnodeos-paging"];
  const program = await compiled(["g++", "-std=c++11"], flags);
  const env = { NODEOS_UMAP_BUFSIZE: "64" };
  const { code, out, err } = await run([program, "500000"], env);
  assert.deepEqual({ code, err }, { code: 0, err: "" });
  const [, written] = /^as it should be, (\d+) pages written\n$/.exec(out)!;
  // 100 that it wrote to; with those that a writing stream is given beforehand.
  assert.ok(+written >= 100 && +written < 300, out);
});
