import assert from "node:assert/strict";
import { checkout, scratch } from "./programs.ts";

const programs = `${checkout}tests/ffi/paging/`;
const engine = `${checkout}ffi/paging/`;
const library = `${checkout}build/`;
const warnings = ["-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread", `-I${engine}`];
const signal = "1";
const thread = "2";
const modes = [["signal", signal], ["thread", thread]] as const;

interface Ending {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(command: readonly string[], env: Record<string, string> = {}): Promise<Ending> {
  const { code, stdout, stderr } = await new Deno.Command("timeout", {
    args: ["240", ...command],
    env: { TMPDIR: scratch, ...env },
    cwd: scratch,
    stdin: "null",
  }).output();
  return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
}

const compiled = new Map<string, Promise<string>>();

/** Compiles a program once, and gives its path. */
function program(name: string): Promise<string> {
  const path = `${scratch}/paging-${name}`;
  const known = compiled.get(name) ?? (async () => {
    const args = [...warnings, `${programs}${name}.c`, "-o", path, `-L${library}`, "-lnodeos-paging", `-Wl,-rpath,${library}`];
    assert.deepEqual(await run(["gcc", ...args]), { code: 0, out: "", err: "" });
    return path;
  })();
  compiled.set(name, known);
  return known;
}

/** Runs a probe that says nothing when all is well. */
async function probe(name: string, what: string, mode: string, env: Record<string, string> = {}): Promise<void> {
  assert.deepEqual(
    await run([await program(name), what, mode], env),
    { code: 0, out: "", err: "" },
    `${what} ${mode} ${JSON.stringify(env)}`,
  );
}

const said: Record<string, Record<string, string>> = {
  data: {
    offset_of_the_store: "shows a store from its offset on",
    tail: "has zeroes behind the end of the store, and writes nothing there",
    larger_than_the_store: "has zeroes where it is larger than its store",
    sixteen_pages: "works with a buffer of sixteen pages",
    page_sizes: "works with pages of 12 KiB, 64 KiB and 2 MiB",
    wrong_options: "refuses wrong options, and closes the store",
    fixed_address: "lies at the address that is asked for, and nowhere else",
    many_times: "leaks nothing when it is mapped 200 times",
    hundred_regions: "shares a buffer with 99 others",
    windows: "reads streams ahead, and nothing else",
    pins: "keeps what is pinned, and flush writes it",
    system_calls: "serves system calls, in mode signal after populate",
    without_faults: "is read and written without a fault",
    resize: "follows its buffer's limit",
    plain: "is a plain mapping where nothing more is asked",
    evictors: "is kept below the high watermark by threads",
    scanned: "knows which pages were written without a fault",
  },
  expect: {
    one_fault: "takes one fault for a page that is read and then written, where others were",
    only_read: "does not write back what was only read, even where it expected a write",
    out_of_reach: "does not touch itself what the program has made unreadable",
    back_again: "writes back what is again as it was once",
    failed_once: "writes what it expected, and could not write, later",
    given_up: "expects no writes any more of who only reads",
  },
  failures: {
    read_errors: "fails at the page that cannot be read, and only there",
    truncated_file: "fails behind the end of a file that became shorter",
    write_errors: "keeps what cannot be written until it can",
    moved_back: "keeps windows of a stream that could not be written",
    nothing_can_be_written: "fails new pages rather than exceed the limit",
    all_pinned: "leaves room beside pinned pages",
    read_only: "is SIGSEGV for writes when it is only for reading",
    nested: "may be what another region's store reads from",
    unsafe_neighbour: "whose store is not for signal handlers shares a buffer with mode signal",
  },
  process: {
    forked: "is not there in a child of fork",
    cancelled: "survives threads that end in a fault",
    signals: "is touched by handlers of signals",
    unmapped_while_faulting: "ends as SIGSEGV for threads that touch it while it is unmapped",
    overlapping: "takes overlapping requests",
    shared: "shares its memory with another process",
    foreign_signals: "passes on signals that are not its own",
    unmapped_by_the_program: "loses what the program unmaps, and touches nothing there",
    dropped_by_the_program: "brings again what the program drops",
  },
  edges: {
    protected_within_a_page: "has parts of pages with rights of their own",
    dropped_when_dirty: "brings again what was written and dropped, and what was expected to be written",
    dropped_within_a_page: "brings again a part of a larger page, and keeps what was written to the rest",
    dropped_and_failing: "fails at what was dropped and cannot be read, until it is forgiven",
    unreadable_when_dirty: "writes back what the program has made unreadable",
    unmapped_within_a_page: "is SIGBUS where a part of a page is unmapped",
    unmapped_at_once: "is unmapped right after a part of it was",
    evicted_while_unmapped: "goes while others evict, and what comes to its addresses stays",
    no_such_entry: "fails at a page whose store says that there is no such thing",
    buffer_of_the_parent: "is not mapped in a child with a buffer of its parent",
    much_smaller: "follows its buffer's limit also with what stores read into",
    smaller_than_pages: "keeps its buffer from a limit of fewer than sixteen of its pages",
    reverted_after_a_failure: "is written again where a write failed and the content came back",
    without_threads: "that has no thread to evict is refused, and leaves nothing behind",
  },
  drops: {
    pages: "brings again what the program drops while others write it back, and loses no other write",
    larger_pages: "does so with parts of larger pages",
  },
};

for (const [name, probes] of Object.entries(said)) {
  for (const [what, sentence] of Object.entries(probes)) {
    // These take minutes on an emulated machine.
    const ignore = ["edges", "drops"].includes(name) && Deno.env.has("NODEOS_GUEST");
    Deno.test({
      name: `a region ${sentence}${ignore ? " [needs a faster machine]" : ""}`,
      ignore,
      fn: async () => {
        for (const [, mode] of modes) await probe(name, what, mode);
      },
    });
  }
}

Deno.test("a region takes no more than 2 KiB of a stack for signals, and what the kernel saves there", async () => {
  // A sanitizer that is preloaded takes more.
  await probe("expect", "small_stack", signal, { LD_PRELOAD: "" });
});

Deno.test("a region works without each ability that older kernels lack", async () => {
  for (
    const without of [
      "move",
      "poison",
      "scan",
      "batch",
      "device",
      "syscall",
      "minor",
      "huge",
      "events",
      "move,poison,scan,batch,minor,huge,events",
    ]
  ) {
    for (const [, mode] of modes) {
      const probes = [["data", "sixteen_pages"], ["data", "windows"], ["failures", "read_only"], ["process", "shared"]];
      // Without poison, who touches a page that cannot be had has no reason in mode thread, but hears that it failed.
      probes.push(["failures", "read_errors"]);
      for (const [name, what] of probes) await probe(name, what, mode, { NODEOS_PAGING_WITHOUT: without });
    }
  }
});

Deno.test("a region that the kernel lacks something for is refused", async () => {
  const lacking = [["lacking_protection", "wp"], ["lacking_all", "device,syscall"], ["lacking_kinds", "move,scan,minor"]];
  for (const [what, without] of lacking) {
    for (const [, mode] of modes) await probe("data", what, mode, { NODEOS_PAGING_WITHOUT: without });
  }
});

Deno.test({
  name: "a user without privilege has regions of mode signal [needs root]",
  ignore: Deno.uid() !== 0 || Deno.readTextFileSync("/proc/sys/vm/unprivileged_userfaultfd").trim() !== "0",
  fn: async () => {
    // Where that user may look: the test's own directory is not for others.
    const directory = Deno.makeTempDirSync({ prefix: "nodeos-paging-" });
    try {
      Deno.chmodSync(directory, 0o755);
      Deno.copyFileSync(await program("process"), `${directory}/process`);
      Deno.copyFileSync(`${library}libnodeos-paging.so`, `${directory}/libnodeos-paging.so`);
      for (const [, mode] of modes) {
        const command = ["setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups", `${directory}/process`, "no_privilege", mode];
        assert.deepEqual(await run(command, { LD_LIBRARY_PATH: directory }), { code: 0, out: "", err: "" });
      }
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
  },
});

const seconds = Deno.env.get("NODEOS_PAGING_SECONDS") ?? "1";
const [bytes, limit] = Deno.env.has("NODEOS_PAGING_BYTES")
  ? [Deno.env.get("NODEOS_PAGING_BYTES")!, `${64 << 20}`]
  : [`${64 << 20}`, `${16 << 20}`];
const copied = "1", moved = "2", tracked = "0", scanned = "2";

for (
  const [how, ...options] of [["copied in mode signal", signal, copied, tracked], ["moved in mode thread", thread, moved, tracked], [
    "scanned in mode signal",
    signal,
    copied,
    scanned,
  ]]
) {
  Deno.test(`eight threads read what they wrote, within the limit, with pages ${how}`, async () => {
    const path = `${scratch}/paging-stress.dat`;
    const { code, out, err } = await run([await program("stress"), path, bytes, limit, seconds, ...options]);
    Deno.removeSync(path);
    assert.deepEqual({ code, err, ok: out.startsWith("ok: ") }, { code: 0, err: "", ok: true }, out);
  });
}

Deno.test("eight threads read what they wrote under sanitizers", async () => {
  const path = `${scratch}/paging-sanitized`;
  // The engine with the one store that it needs.
  const stores = ["store", "store_file", "store_medium", "store_transfer", "store_bounce", "store_direct"];
  const sources = [...Deno.readDirSync(engine)].map(({ name }) => name)
    .filter((name) => /^(?!preload|flat|store|umap).*\.c$/.test(name)).concat(stores.map((name) => `${name}.c`));
  const args = [...warnings, "-O0", "-std=gnu17", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", `${programs}stress.c`];
  assert.deepEqual(await run(["gcc", ...args, ...sources.map((name) => `${engine}${name}`), "-o", path]), {
    code: 0,
    out: "",
    err: "",
  });
  for (const mode of [signal, thread]) {
    const file = `${scratch}/paging-stress.dat`;
    const { code, out, err } = await run([path, file, `${16 << 20}`, `${4 << 20}`, "1", mode, "0", "0", "sanitized"], {
      ASAN_OPTIONS: "detect_leaks=0:handle_sigbus=0:handle_segv=0:allow_user_segv_handler=1",
    });
    Deno.removeSync(file);
    assert.deepEqual({ code, err, ok: out.startsWith("ok: ") }, { code: 0, err: "", ok: true }, out);
  }
});

Deno.test("what is done at random to three regions of one buffer ends as a model of it says", async () => {
  // NODEOS_PAGING_SEEDS=400 NODEOS_PAGING_RANDOM="300 4 3" hunts: with four threads, and with pages that are scanned.
  const count = Number(Deno.env.get("NODEOS_PAGING_SEEDS") ?? "2");
  const how = (Deno.env.get("NODEOS_PAGING_RANDOM") ?? "300 1 2").split(" ");
  for (const seed of [1, 2, 3, 4, 5, 6, ...crypto.getRandomValues(new Uint32Array(count))]) {
    assert.deepEqual(await run([await program("random"), `${seed}`, ...how]), { code: 0, out: "fine\n", err: "" }, `seed ${seed}`);
  }
});

Deno.test("a program that is killed while it writes back leaves whole pages, and all that it flushed", async () => {
  const pages = 2048, words = 512;
  for (const [, mode] of modes) {
    for (const delay of [150, 230]) {
      const path = `${scratch}/paging-kill.dat`;
      Deno.writeFileSync(path, new Uint8Array(pages * 4096));
      const child = new Deno.Command(await program("kill"), {
        args: [path, `${pages}`, mode],
        stdin: "null",
        stdout: "piped",
        stderr: "inherit",
      })
        .spawn();
      await new Promise((resolve) => setTimeout(resolve, delay));
      child.kill("SIGKILL");
      const { stdout, signal: ended } = await child.output();
      assert.equal(ended, "SIGKILL");
      const flushed = [...new TextDecoder().decode(stdout).matchAll(/^flushed (\d+)$/gm)].at(-1)?.[1] ?? "0";
      const content = new BigUint64Array(Deno.readFileSync(path).buffer);
      for (let page = 0; page < pages; page++) {
        const round = content[page * words];
        assert.ok(round >= BigInt(flushed), `page ${page} holds round ${round}, and ${flushed} is flushed`);
        assert.ok(content.subarray(page * words, (page + 1) * words).every((word) => word === round), `page ${page} is a mix`);
      }
      Deno.removeSync(path);
    }
  }
});
