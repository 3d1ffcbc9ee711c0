import assert from "node:assert/strict";
import { checkout, scratch } from "./programs.ts";

const sources = `${checkout}ffi/paging/`;
const programs = `${checkout}tests/ffi/paging/`;
const common = ["-std=c17", "-g", "-Wall", "-Wextra", "-Werror", "-pthread", `-I${sources}`];
/** Errors of memory and arithmetic end a program. */
const checked = [...common, "-O1", "-fsanitize=address,undefined", "-fno-omit-frame-pointer"];

interface Ending {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(command: readonly string[], env: Record<string, string> = {}): Promise<Ending> {
  const { code, stdout, stderr } = await new Deno.Command(command[0], { args: command.slice(1), env, cwd: scratch, stdin: "null" })
    .output();
  return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
}

async function succeeds(command: readonly string[], env: Record<string, string> = {}): Promise<void> {
  assert.deepEqual(await run(command, env), { code: 0, out: "", err: "" }, command.join(" "));
}

let count = 0;
const newPath = (name: string) => `${scratch}/store-${count++}-${name}`;

function newDirectory(): string {
  const path = newPath("directory");
  Deno.mkdirSync(path);
  return path;
}

async function lacks(compiler: string): Promise<string> {
  try {
    const { success } = await new Deno.Command(compiler, { args: ["--version"], stdout: "null", stderr: "null" }).output();
    return success ? "" : ` [needs ${compiler}]`;
  } catch {
    return ` [needs ${compiler}]`;
  }
}
const noGcc = await lacks("gcc");

/** A test that needs what is missing, or nothing. */
function test(name: string, fn: () => Promise<void>, missing = noGcc): void {
  Deno.test({ name: `${name}${missing}`, ignore: missing !== "", fn });
}

const storeFiles = [...Deno.readDirSync(sources)].filter(({ name }) => /^store\w*\.c$/.test(name)).map(({ name }) => sources + name);
const made = new Map<string, Promise<string>>();

/** Makes something once, and gives its path. */
function once(key: string, make: () => Promise<string>): Promise<string> {
  const promise = made.get(key) ?? make();
  made.set(key, promise);
  return promise;
}

/** Compiles all stores. */
function stores(flags: readonly string[]): Promise<string> {
  return once(flags.join(" "), async () => {
    const path = newPath("stores.o");
    await succeeds(["gcc", ...flags, "-r", ...storeFiles, `${programs}store_kinds.c`, "-o", path]);
    return path;
  });
}

/** Compiles a program with the stores. */
function program(name: string, flags: readonly string[]): Promise<string> {
  return once([name, ...flags].join(" "), async () => {
    const path = newPath(name);
    await succeeds(["gcc", ...flags, `${programs}${name}.c`, await stores(flags), "-o", path, "-lm"]);
    return path;
  });
}

/** Compiles a program with what programs of users are linked with. */
function withEngine(name: string): Promise<string> {
  return once(`${name} with the engine`, async () => {
    const path = newPath(name);
    const linked = [`-L${checkout}build`, "-lnodeos-paging", `-Wl,-rpath,${checkout}build`, "-lm"];
    await succeeds(["gcc", ...common, "-O2", `${programs}${name}.c`, `${programs}store_kinds.c`, ...linked, "-o", path]);
    return path;
  });
}

async function conforms(kind: string, flags: readonly string[], tests: readonly string[]): Promise<void> {
  const path = await program("store_conformance", flags);
  for (const test of tests) await succeeds([path, kind, newDirectory(), test]);
}

/** Every store, and what it can do beside reading. */
const kinds: Record<string, { survives?: boolean; hasWholePages?: boolean; missing?: string }> = {
  "file": { survives: true, hasWholePages: true },
  "file-at-odd-offset": { survives: true },
  "file-direct": { survives: true, hasWholePages: true },
  "file-direct-at-odd-offset": { survives: true },
  "descriptor": { survives: true, hasWholePages: true },
  "parts": { survives: true, hasWholePages: true },
  "parts-of-odd-sizes": { survives: true },
  "parts-direct": { survives: true },
  "sparse": { survives: true, hasWholePages: true },
  "sparse-direct": { survives: true, hasWholePages: true },
  "fits": {},
  "compressed": {},
  "compressed-before-file": { survives: true, hasWholePages: true },
  "served": { survives: true },
};

const noZstd = noGcc || (noLibrary("libzstd.so.1") ? " [needs libzstd.so.1]" : "");

function noLibrary(name: string): boolean {
  try {
    Deno.dlopen(name, {}).close();
    return false;
  } catch {
    return true;
  }
}

for (const [kind, { survives, hasWholePages }] of Object.entries(kinds)) {
  const missing = kind.startsWith("compressed") ? noZstd : noGcc;

  test(`store ${kind} reads what was written, any range from any thread, and nothing beyond its end`, async () => {
    await conforms(kind, checked, ["random", "threads", "few-descriptors", "ends", ...(survives ? ["again"] : [])]);
  }, missing);

  test(`store ${kind} works in a signal handler on a stack of 8 KiB, and asks malloc for nothing`, async () => {
    await conforms(kind, [...common, "-O2", "-DCOUNT_ALLOCATIONS"], ["signal"]);
  }, missing);

  for (const mode of ["signal", "thread"]) {
    test(`store ${kind} works under a region of mode ${mode} whose buffer is small`, async () => {
      await succeeds([await withEngine("store_regions"), kind, newDirectory(), mode]);
    }, missing || (mode === "thread" && Deno.uid() !== 0 ? " [needs root]" : ""));
  }

  if (hasWholePages) {
    test(`store ${kind} has whole pages after kill -9, and what was synced`, async () => {
      await conforms(kind, [...common, "-O2", "-DCOUNT_ALLOCATIONS"], ["killed"]);
    }, missing);
  }
}

const fileErrors: Record<string, string> = {
  "refuse-files": "nodeos_store_file() refuses what is no file, is too short, or makes no sense",
  "truncated": "a file that is truncated fails with ENODATA behind its new end, and nowhere else",
  "full": "a file that cannot grow fails with the kernel's reason",
  "descriptors": "nodeos_store_descriptor() refuses what is not open for it, and writes where it is told to",
  "many-parts": "a store of 500 files has few descriptors open, and knows a file that was replaced",
  "refuse-parts": "nodeos_store_parts() refuses files that are missing or too short",
  "refuse-sparse": "nodeos_store_sparse() refuses other sizes, alien files and a second writer",
  "broken-metadata": "nodeos_store_sparse() refuses metadata that makes no sense",
  "huge-sparse": "a sparse store of a tebibyte has the one file that was written",
  "refuse-fits": "nodeos_store_fits() refuses what it cannot decode, and a truncated tile harms no other",
};
for (const [name, sentence] of Object.entries(fileErrors)) {
  test(sentence, async () => {
    await succeeds([await program("store_errors", checked), newDirectory(), name]);
  });
}

const freeHugePages = Number(Deno.readTextFileSync("/proc/meminfo").match(/^HugePages_Free: *(\d+)/m)?.[1] ?? 0);
test("a file of huge pages can be read and written", async () => {
  await succeeds([await program("store_errors", checked), newDirectory(), "huge-pages"]);
}, noGcc || (freeHugePages < 2 ? " [needs two huge pages]" : ""));

test("a file of huge pages says ENOSPC when none is free", async () => {
  await succeeds([await program("store_errors", checked), newDirectory(), "no-huge-pages"]);
}, noGcc || (freeHugePages > 0 ? " [needs no free huge page]" : ""));

const servedErrors: Record<string, string> = {
  "answers": "a served request ends with its answer, and wrong answers are refused",
  "pieces": "a served store is asked for 1 MiB at a time",
  "time-limit": "a served request fails with ETIMEDOUT, and what comes too late touches nothing",
  "stopped": "who waits for a served store that is stopped gets the reason",
  "stop-at-any-time": "a stop between any two steps leaves nobody waiting",
  "replaced": "another server may answer what one has taken",
  "many": "100 threads are served by one thread, and by three",
  "refuse": "nodeos_store_served_new() refuses what makes no sense, and numbers that are gone are refused",
};
for (const [name, sentence] of Object.entries(servedErrors)) {
  test(sentence, async () => {
    await succeeds([await program("store_served_errors", checked), name]);
  });
}

const compressedErrors: Record<string, string> = {
  "refuse": "nodeos_store_compressed() refuses what makes no sense, and closes the store below",
  "full": "a compressed store without one below fails with ENOSPC, and keeps what it has",
  "failing-writes": "a compressed store keeps what the store below did not take, and gives it later",
  "keeps": "a compressed store asks the store below once, and writes neighbours at once",
};
for (const [name, sentence] of Object.entries(compressedErrors)) {
  test(sentence, async () => {
    await succeeds([await program("store_compressed_errors", checked), name]);
  }, noZstd);
}

for (
  const [sentence, flags, env] of [
    ["a compressed page that does not unpack is EIO, and others live", [], {}],
    ["nodeos_store_compressed() says EOPNOTSUPP of a libzstd that lacks what it calls", ["-DFAKE_ZSTD_OLD"], { FAKE_ZSTD_OLD: "1" }],
  ] as [string, string[], Record<string, string>][]
) {
  test(sentence, async () => {
    const directory = newDirectory();
    await succeeds(["gcc", ...common, ...flags, "-shared", "-fPIC", `${programs}fake_zstd.c`, "-o", `${directory}/libzstd.so.1`]);
    await succeeds([await program("store_compressed_errors", checked), "broken"], { ...env, LD_LIBRARY_PATH: directory });
  });
}

for (const compiler of [["gcc", "-std=c99"], ["g++", "-std=c++11", "-xc++"], ["aarch64-linux-gnu-gcc", "-std=c17"]]) {
  test(`store_served.h compiles with ${compiler.join(" ")}`, async () => {
    const source = newPath("alone.c");
    Deno.writeTextFileSync(source, `#include "store_served.h"\n#include "store_served.h"\nint main(void) { return 0; }\n`);
    await succeeds([...compiler, "-Wall", "-Wextra", "-Werror", "-Wpedantic", `-I${sources}`, source, "-o", newPath("alone")]);
  }, await lacks(compiler[0]));
}

test("all stores compile for aarch64", async () => {
  const flags = ["-std=c17", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared"];
  await succeeds(["aarch64-linux-gnu-gcc", ...flags, ...storeFiles, "-o", newPath("aarch64.so")]);
}, await lacks("aarch64-linux-gnu-gcc"));
