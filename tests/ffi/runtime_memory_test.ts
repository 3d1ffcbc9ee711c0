import assert from "node:assert/strict";
import { checkout, scratch } from "./programs.ts";

const runtime = `${checkout}ffi/runtime/`;
const programs = `${checkout}tests/ffi/`;
const library = `${checkout}build/`;
const manual = Deno.readTextFileSync(`${runtime}MEMORY.md`);
const arenaFiles = [
  "arena",
  "arena_books",
  "arena_cache",
  "arena_fault",
  "arena_grow",
  "arena_api",
  "memory_map",
  "memory_share",
  "memory_share_file",
]
  .map((name) => `${runtime}${name}.c`);
const warnings = ["-g", "-Wall", "-Wextra", "-Werror", "-pthread", `-I${runtime}`];
const linked = [`-L${library}`, "-lnodeos-rt", `-Wl,-rpath,${library}`];

interface Ending {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(command: readonly string[], env: Record<string, string> = {}): Promise<Ending> {
  // A preloaded sanitizer of this process is none of the programs'.
  const { code, stdout, stderr } = await new Deno.Command(command[0], { args: command.slice(1), env, cwd: scratch, stdin: "null" })
    .output();
  return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
}

async function isThere(command: string): Promise<boolean> {
  try {
    return (await new Deno.Command(command, { args: ["--version"], stdout: "null", stderr: "null" }).output()).success;
  } catch {
    return false;
  }
}

let fileCount = 0;
const newPath = (name: string) => `${scratch}/${fileCount++}-${name}`;

/** Compiles a program, and gives its path. */
async function compiled(compiler: readonly string[], args: readonly string[]): Promise<string> {
  const path = newPath("program");
  assert.deepEqual(await run([...compiler, ...args, "-o", path]), { code: 0, out: "", err: "" });
  return path;
}

/** The examples of the manual in one language. */
function examples(language: string): string[] {
  return [...manual.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"))].map(([, text]) => text);
}

function written(name: string, text: string): string {
  const path = newPath(name);
  Deno.writeTextFileSync(path, text);
  return path;
}

/** A directory like a container's with objects. */
function objects(sizes: Readonly<Record<string, number>> = {}): string {
  const path = newPath("objects");
  Deno.mkdirSync(`${path}/4KiB-node0`, { recursive: true });
  for (const [name, bytes] of Object.entries(sizes)) {
    Deno.writeTextFileSync(`${path}/4KiB-node0/${name}`, "");
    Deno.truncateSync(`${path}/4KiB-node0/${name}`, bytes);
  }
  return path;
}

const lacks = async (command: string) => await isThere(command) ? "" : ` [needs ${command}]`;
const noGcc = await lacks("gcc");
const noFortran = noGcc || await lacks("gfortran");

/** A test that needs what is missing, or nothing. */
function test(name: string, fn: () => Promise<void>, missing = noGcc): void {
  Deno.test({ name: `${name}${missing}`, ignore: missing !== "", fn });
}

for (const compiler of [["gcc", "-std=c99"], ["g++", "-std=c++11", "-xc++"], ["aarch64-linux-gnu-gcc", "-std=c17"]]) {
  test(`nodeos_memory.h compiles with ${compiler.join(" ")}`, async () => {
    const source = written("alone.c", `#include "nodeos_memory.h"\n#include "nodeos_memory.h"\nint main(void) { return 0; }\n`);
    await compiled(compiler, [...warnings, "-Wpedantic", source]);
  }, await lacks(compiler[0]));
}

test("the examples of the manual in C do what it says", async () => {
  const [halo, heap] = examples("c");
  const program = await compiled(["gcc", "-std=c99"], [...warnings, "-Wpedantic", written("halo.c", halo), ...linked]);
  const NODEOS_MEMORY = objects({ halo: 1 << 20 });
  assert.deepEqual(await run([program], { NODEOS_MEMORY }), { code: 0, out: "1024 KiB, at a multiple of 64: yes\n", err: "" });
  assert.deepEqual(await run([program], { NODEOS_MEMORY: objects() }), { code: 1, out: "", err: "halo: No such file or directory\n" });
  const small = await run([program], { NODEOS_MEMORY: objects({ halo: 4096 }) });
  assert.deepEqual(small, { code: 1, out: "", err: "column: Invalid argument\n" });
  const second = await compiled(["gcc", "-std=c99"], [...warnings, "-Wpedantic", written("heap.c", heap), ...linked]);
  assert.deepEqual(await run([second]), { code: 1, out: "", err: "64 MiB on node 0: No such file or directory\n" });
});

test("the example of the manual in Fortran does what it says", async () => {
  const module = newPath("modules");
  Deno.mkdirSync(module);
  const [example] = examples("fortran");
  const flags = ["-std=f2018", "-Wall", "-Wextra", "-Werror", `-J${module}`, `${runtime}nodeos_memory.f90`];
  const program = await compiled(["gfortran"], [...flags, written("halo.f90", example), ...linked]);
  const NODEOS_MEMORY = objects({ halo: 1 << 20 });
  assert.deepEqual(await run([program], { NODEOS_MEMORY }), { code: 0, out: "131072 cells, sum of the block 2000.0\n", err: "" });
  assert.match((await run([program], { NODEOS_MEMORY: objects() })).err, /there is no object halo/);
  assert.match((await run([program], { NODEOS_MEMORY: objects({ halo: 4096 }) })).err, /halo is too small/);
}, noFortran);

/** Builds of the arena: as it is; with every check and small "large" blocks; with the thread sanitizer, which does not know fork. */
const builds: Readonly<Record<string, readonly string[]>> = {
  "": ["-O2"],
  " under the address and undefined-behaviour sanitizers": [
    "-O1",
    "-DLARGE_FROM=(1<<20)",
    "-DNODEOS_DEBUG",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover",
  ],
  " under the thread sanitizer": ["-O1", "-DNO_FORK", "-fsanitize=thread"],
};

for (const [name, flags] of Object.entries(builds)) {
  test(`an arena keeps every block of 8 threads apart from the others, through fork and exhaustion${name}`, async () => {
    const program = await compiled(["gcc", "-std=gnu17"], [...flags, ...warnings, `${programs}runtime_memory_stress.c`, ...arenaFiles]);
    const seed = crypto.getRandomValues(new Uint32Array(1))[0] + 1;
    const { code, out, err } = await run([program, name === "" ? "4000" : "1500", `${seed}`], { TSAN_OPTIONS: "halt_on_error=1" });
    assert.deepEqual({ code, err, last: out.trim().split("\n").at(-1) }, { code: 0, err: "", last: "fine" }, `seed ${seed}: ${out}`);
    assert.match(out, /^1 MiB: .* exhausted at times\n(?:.*\n)128 MiB: .* never exhausted\n/);
  });
}

for (const [name, flags] of Object.entries(builds).slice(0, 2)) {
  test(`objects, huge pages, nodes and arenas do what nodeos_memory.h says${name}`, async () => {
    const flagged = [...flags, ...warnings, `${programs}runtime_memory_client.c`, ...arenaFiles];
    const program = await compiled(["gcc", "-std=gnu17"], flagged);
    assert.deepEqual(await run([program, objects()]), { code: 0, out: "fine\n", err: "" });
  });
}

test("the library alone ends a program that frees what it must not, and says what it was", async () => {
  const program = await compiled(["gcc", "-std=gnu17"], [...warnings, `${programs}runtime_memory_client.c`, ...linked]);
  const line = (what: string) => new RegExp(`^nodeos: Cannot use the block at 0x[0-9a-f]+: it ${what}\n$`);
  const free = line("is free already"), unknown = line("was never allocated here, or what is in front of it was overwritten");
  const mistakes = {
    "twice": free,
    "twice-large": free,
    "twice-flushed": free,
    "freed-realloc": free,
    "inside": unknown,
    "askew": unknown,
    "foreign": unknown,
    "unmapped": unknown,
    "overflow": unknown,
  };
  for (const [mistake, expected] of Object.entries(mistakes)) {
    const { code, out, err } = await run([program, objects(), mistake]);
    assert.deepEqual({ code, out }, { code: 134, out: "" }, mistake);
    assert.match(err, expected, mistake);
  }
});

test("a debug build sees that somebody wrote into a free block", async () => {
  const source = written(
    "late.c",
    `#include <sys/mman.h>
#include <sys/resource.h>
#include "nodeos_memory.h"
int main(void) {
        static const struct rlimit none;
        void *range = mmap(0, 8 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        struct nodeos_arena *arena = nodeos_arena_new(range, 8 << 20);
        char *block = nodeos_arena_malloc(arena, 100);
        setrlimit(RLIMIT_CORE, &none);
        nodeos_arena_free(arena, block);
        block[50] = 1;
        return nodeos_arena_malloc(arena, 100) == block;
}
`,
  );
  const program = await compiled(["gcc", "-std=gnu17"], ["-DNODEOS_DEBUG", ...warnings, source, ...arenaFiles]);
  assert.match((await run([program])).err, /it was written to after it was freed\n$/);
});

/** The environment that gives a program "huge pages" of ordinary memory, so that the same code runs where there are no others. */
function preloaded(env: Record<string, string> = {}): Record<string, string> {
  return {
    LD_PRELOAD: `${library}libnodeos-preload.so`,
    NODEOS_HUGE_PAGES: "2097152",
    NODEOS_PRELOAD_PAGES: "ordinary",
    ...env,
  };
}

/** How much of a report lies in huge pages, by its words. */
function reported(err: string): Record<string, number> {
  const [, taken, heap, mappings, statics] = /of (\d+) KiB taken: heap (\d+) KiB, mappings (\d+) KiB, static data (\d+) KiB/.exec(err)!;
  const [, fallbacks] = /fallbacks (\d+) KiB/.exec(err)!;
  return { taken: +taken, heap: +heap, mappings: +mappings, statics: +statics, fallbacks: +fallbacks };
}

const preloadable = async () =>
  await compiled(["gcc", "-std=gnu17"], [...warnings, "-O1", "-Wno-use-after-free", `${programs}runtime_memory_preloaded.c`]);

for (const how of ["", "threads"]) {
  test(`a preloaded program may do with parts of mappings what it likes${how && `, with ${how}`}`, async () => {
    const program = await preloadable();
    // What the test takes for granted is so without us.
    assert.deepEqual(await run([program, how]), { code: 0, out: "fine\n", err: "" });
    assert.deepEqual(await run([program, how], preloaded()), { code: 0, out: "fine\n", err: "" });
    const { code, err } = await run([program, how], preloaded({ NODEOS_PRELOAD_REPORT: "1" }));
    assert.equal(code, 0);
    const { taken, heap, mappings, statics, fallbacks } = reported(err);
    // 9 MiB of zeros and 3 MiB of integers, without what does not fill a page.
    assert.ok([8192, 10240, 12288].includes(statics), err);
    assert.deepEqual({ taken, mappings, fallbacks }, { taken: heap + statics, mappings: 0, fallbacks: 0 }, err);
  });
}

test("malloc's family keeps every block of 8 threads apart from the others, through fork", async () => {
  const program = await compiled(["gcc", "-std=gnu17"], ["-DMALLOC", "-O2", ...warnings, `${programs}runtime_memory_stress.c`]);
  assert.deepEqual(await run([program, "4000", "7"], preloaded()), { code: 0, out: "fine\n", err: "" });
  // A pool that is exhausted again and again.
  assert.deepEqual(await run([program, "4000", "8"], preloaded({ NODEOS_PRELOAD_PAGES: `ordinary:${40 << 20}` })), {
    code: 0,
    out: "fine\n",
    err: "",
  });
});

test("a preloaded program gets ENOMEM when its pages are exhausted, and ordinary ones only where that is allowed", async () => {
  const program = await preloadable();
  const env = preloaded({ NODEOS_PRELOAD_PAGES: `ordinary:${40 << 20}`, NODEOS_PRELOAD_REPORT: "1" });
  const { code, out, err } = await run([program, "exhaust"], env);
  assert.equal(code, 0, out);
  assert.match(out, /^1[34] mappings\n$/);
  assert.equal(reported(err).fallbacks, 0);
  const sh = await run(["sh", "-c", "exit 0"], { ...env, NODEOS_PRELOAD_PAGES: `ordinary:${1 << 20}` });
  assert.equal(sh.code, 125);
  assert.match(sh.err, /^nodeos: Cannot start sh: the huge pages of its container do not suffice for its first 2048 KiB; give it more, or/);
  const fallback = { ...env, NODEOS_PRELOAD_PAGES: `ordinary:${1 << 20}`, NODEOS_MEMORY_FALLBACK: "1" };
  const third = await run([program], fallback);
  assert.deepEqual({ code: third.code, out: third.out }, { code: 0, out: "fine\n" });
  assert.ok(reported(third.err).fallbacks > 60 << 10, third.err);
});

for (const policy of ["bind", "interleave", "preferred"]) {
  test(`a preloaded program keeps to its container's shares of nodes, as they are at each moment (${policy})`, async () => {
    const source = Deno.readTextFileSync(`${programs}runtime_memory_share.c`).replaceAll("policy bind", `policy ${policy}`);
    const program = await compiled(["gcc", "-std=gnu17"], [...warnings, "-O1", written("share.c", source)]);
    const [shares, counts] = [written("shares", `policy ${policy}\n`), newPath("numa_stat")];
    const env = preloaded({ NODEOS_HUGE_SHARES: shares });
    assert.deepEqual(await run([program, shares, counts], env), { code: 0, out: "fine\n", err: "" });
    // What the test takes for granted is not so without shares.
    assert.match((await run([program, shares, counts], preloaded())).err, /Assertion `!fits\(2\) && !fits\(20\)/);
  });
}

test("a preloaded program does not fault for memory that it had in the step before", async () => {
  const program = await preloadable();
  const faults = async (env = {}) => Number(/^(\d+) faults\n$/.exec((await run([program, "steps"], env)).out)![1]);
  assert.ok(await faults(preloaded()) < 10);
  // What it is compared with does.
  assert.ok(await faults() > 1000);
});

test("a preloaded program that frees twice ends with a line", async () => {
  const { code, err } = await run([await preloadable(), "twice"], preloaded());
  assert.equal(code, 134);
  assert.match(err, /^nodeos: Cannot use the block at 0x[0-9a-f]+: it is free already\n$/);
});

test("without NODEOS_HUGE_PAGES a preloaded program has what it would have had", async () => {
  const program = await preloadable();
  const env = { LD_PRELOAD: `${library}libnodeos-preload.so`, NODEOS_PRELOAD_REPORT: "1" };
  assert.deepEqual(await run([program], env), { code: 0, out: "fine\n", err: "" });
  assert.deepEqual(await run([program], { ...env, NODEOS_HUGE_PAGES: "" }), { code: 0, out: "fine\n", err: "" });
  const maps = await run(["cat", "/proc/self/maps"], env);
  assert.match(maps.out, /\[heap\]/);
  assert.doesNotMatch((await run(["cat", "/proc/self/maps"], preloaded())).out, /\[heap\]/);
});

/** Programs that somebody else wrote; each has to say what it says without us. */
const others: Readonly<Record<string, readonly string[]>> = {
  sort: ["bash", "-c", "seq 100000 -1 1 | sort -n | md5sum"],
  bash: ["bash", "-c", "for i in 1 2 3; do (echo $(echo $i | cat)) & wait; done"],
  python3: [
    "python3",
    "-c",
    "import threading, os\nx = [bytearray(10**7) for _ in range(3)]\nt = [threading.Thread(target=lambda: [str(i) for i in range(20000)]) " +
    "for _ in range(4)]\n[a.start() for a in t]; [a.join() for a in t]\np = os.fork()\nif p == 0: x[0][5] = 1; os._exit(0)\n" +
    "print(os.waitpid(p, 0)[1], x[0][5], len({i: str(i) for i in range(100000)}))",
  ],
  git: ["git", "-C", checkout, "log", "--oneline", "-3"],
  "gcc -O2": ["gcc", "-std=c17", "-O2", "-S", "-o", "-", "-fverbose-asm", `${runtime}arena.c`],
  "gcc -fopenmp": ["./openmp"],
  deno: [Deno.execPath(), "eval", "console.log(new Float64Array(1e6).fill(2).reduce((a, b) => a + b))"],
  "stress-ng --malloc": ["stress-ng", "-q", "--malloc", "2", "--malloc-ops", "20000", "--verify"],
  "stress-ng --vm": ["stress-ng", "-q", "--vm", "2", "--vm-bytes", "16M", "--vm-ops", "5000", "--verify"],
  "stress-ng --mmap": ["stress-ng", "-q", "--mmap", "1", "--mmap-bytes", "16M", "--mmap-ops", "4", "--verify"],
};
const openmp = `#include <stdio.h>
#include <stdlib.h>
static double a[1000000], b[1000000];
int main(void) {
        double sum = 0;
#pragma omp parallel for reduction(+ : sum)
        for (int i = 0; i < 1000000; i++) {
                double *x = malloc(i % 500 + 8);
                a[i] = i;
                *x = b[i] + a[i];
                sum += *x;
                free(x);
        }
        printf("%.0f\\n", sum);
        return 0;
}
`;

for (const [name, command] of Object.entries(others)) {
  const program = name.split(" ")[0] === "gcc" ? "gcc" : command[0];
  test(`${name} works preloaded`, async () => {
    if (name === "gcc -fopenmp") {
      await compiled(["gcc"], ["-O1", "-fopenmp", written("openmp.c", openmp)]).then((path) => Deno.renameSync(path, `${scratch}/openmp`));
    }
    const env = { OMP_NUM_THREADS: "4", NO_COLOR: "1" };
    const plain = await run(command, env);
    assert.equal(plain.code, 0, plain.err);
    assert.deepEqual(await run(command, { ...env, ...preloaded() }), plain);
  }, noGcc || await lacks(program));
}
