import assert from "node:assert/strict";
import { compiled, type Ending, missing, newPath, pagingFlags, run, test } from "./paging_programs.ts";
import { checkout, scratch } from "./programs.ts";

const library = `${checkout}build/libnodeos-paging-preload.so`;
const nothing = await missing();
const client = nothing === "" ? await compiled(["gcc", "-std=c17"], [...pagingFlags, `${checkout}tests/ffi/paging/preload_client.c`]) : "";

/** The environment of a program whose mappings of some files come through regions; the buffer is much smaller than the files. */
function preloaded(files: string, more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { LD_PRELOAD: library, NODEOS_PAGING_FILES: files, NODEOS_PAGING_BUFFER: "256K", ...more };
}

const verbose = { NODEOS_PAGING_VERBOSE: "1" };

/** The counts of the last line, of a program that says what it did. */
function counts({ err }: Ending): { mapped: number; handedOver: number; faults: number; read: number; written: number } {
  const line = /(\d+) mappings through regions, (\d+) of them handed over; (\d+) faults; pages of 4 KiB: (\d+) read, (\d+) written/.exec(
    err,
  );
  assert.ok(line, err);
  const [mapped, handedOver, faults, read, written] = line.slice(1).map(Number);
  return { mapped, handedOver, faults, read, written };
}

const cases: Readonly<Record<string, string>> = {
  "parts": "unmaps parts of a mapping, and maps others in their place",
  "protection": "changes rights, also to write what it mapped to read",
  "end-of-file": "gets SIGBUS behind the end of the file, until that is longer",
  "private": "keeps what it writes to a private mapping from the file, and loses it by MADV_DONTNEED",
  "sizes": "makes mappings longer and shorter, here and elsewhere",
  "descriptors": "closes the descriptor, and keeps its locks on the file",
  "threads": "writes from several threads",
  "calls": "mixes system calls with accesses",
  "fork": "has children that see what they should",
};

for (const [name, words] of Object.entries(cases)) {
  test(`a preloaded program ${words}`, nothing, async () => {
    const fine = { code: 0, out: "fine\n", err: "" }, path = newPath("data");
    // What the test takes for granted is so without us.
    assert.deepEqual(await run([client, name, path]), fine);
    assert.deepEqual(await run([client, name, path], preloaded(path)), fine);
    const told = await run([client, name, path], preloaded(path, verbose));
    assert.equal(told.code, 0);
    assert.ok(counts(told).mapped > 0 && counts(told).faults > 0, told.err);
  });
}

for (const kind of ["shared", "private"]) {
  test(`what a preloaded program does at random to a ${kind} mapping ends as a model of it says`, nothing, async () => {
    const program = await compiled(["gcc", "-std=c17"], [...pagingFlags, `${checkout}tests/ffi/paging/preload_random.c`]);
    const path = newPath("data");
    // The first found pages that were read ahead, in a part that was unmapped, where writes were expected.
    for (const seed of [2205717659, ...crypto.getRandomValues(new Uint32Array(5))]) {
      const command = [program, kind, `${seed}`, "4000", path];
      const fine = { code: 0, out: "fine\n", err: "" };
      assert.deepEqual(await run(command), fine, `seed ${seed}, plain`);
      assert.deepEqual(await run(command, preloaded(path, { NODEOS_PAGING_BUFFER: "128K" })), fine, `seed ${seed}`);
    }
  });
}

test("mappings that have to agree are the kernel's", nothing, async () => {
  const path = newPath("data");
  const { code, out, err } = await run([client, "agree", path], preloaded(path, verbose));
  assert.deepEqual({ code, out }, { code: 0, out: "fine\n" });
  assert.match(err, /the kernel's from now on: another one of the same part of the file has to agree with it\n/);
  assert.match(err, /is mapped by the kernel: it has to agree with another mapping\n/);
});

for (const name of ["exit", "exit-at-once"]) {
  test(`what a preloaded program wrote is in the file after its ${name.replaceAll("-", " ")}`, nothing, async () => {
    const path = newPath("data");
    assert.match((await run([client, name, path], preloaded(path))).out, /^fine\n/);
    const words = new BigUint64Array(Deno.readFileSync(path).buffer);
    for (let page = 0; page < 512; page++) assert.equal(words[page * 512], BigInt(page));
  });
}

test("only files that are named come through regions, and none without a name", nothing, async () => {
  const path = newPath("data");
  const other = await run([client, "private", path], preloaded("/nowhere/*:*.other", verbose));
  assert.deepEqual(other, { code: 0, out: "fine\n", err: "" });
  assert.deepEqual(await run([client, "private", path], preloaded("", verbose)), { code: 0, out: "fine\n", err: "" });
  assert.equal(counts(await run([client, "private", path], preloaded(`/nowhere/*:${scratch}/*-data`, verbose))).mapped, 1);
});

test("a preloaded program says what is left to the kernel, and why", nothing, async () => {
  const path = newPath("data");
  const { err } = await run([client, "protection", path], preloaded(path, verbose));
  assert.match(err, /a mapping of 2048 KiB is the kernel's from now on: it is to be written to, and was mapped to be read\n/);
  assert.match((await run([client, "fork", path], preloaded(path, verbose))).err, /the kernel's from now on: a child shares it\n/);
});

test("a preloaded program does not start with settings that have no meaning", nothing, async () => {
  const start = async (env: Readonly<Record<string, string>>) => await run(["/bin/true"], preloaded("/nowhere", env));
  const { code, err } = await start({ NODEOS_PAGING_BUFFER: "10K" });
  assert.equal(code, 125);
  assert.match(err, /^nodeos: Cannot start \w+: NODEOS_PAGING_BUFFER is no size of 16 pages and more, such as 256M\n$/);
  assert.equal((await start({ NODEOS_PAGING_BUFFER: "many" })).code, 125);
  assert.match((await start({ NODEOS_PAGING_MODE: "fast" })).err, /NODEOS_PAGING_MODE is neither thread nor signal\n$/);
});

test("without privilege mappings stay the kernel's, but in mode signal", nothing || await missing("setpriv"), async () => {
  const directory = Deno.makeTempDirSync({ prefix: "nodeos-preload-" }), path = `${directory}/data`;
  try {
    Deno.chmodSync(directory, 0o777);
    Deno.copyFileSync(client, `${directory}/client`);
    Deno.copyFileSync(library, `${directory}/preload.so`);
    Deno.chmodSync(`${directory}/client`, 0o755);
    Deno.chmodSync(`${directory}/preload.so`, 0o755);
    const user = async (mode: string) => {
      const env = preloaded(path, { ...verbose, NODEOS_PAGING_MODE: mode });
      delete env.LD_PRELOAD;
      const words = Object.entries({ ...env, LD_PRELOAD: `${directory}/preload.so` }).map(([name, value]) => `${name}=${value}`);
      const argv = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "env", ...words, `${directory}/client`, "private", path];
      return await run(argv);
    };
    const thread = await user("thread");
    assert.deepEqual({ code: thread.code, out: thread.out }, { code: 0, out: "fine\n" });
    if (Deno.readTextFileSync("/proc/sys/vm/unprivileged_userfaultfd").trim() === "0") {
      assert.match(thread.err, /data is mapped by the kernel: Operation not permitted\n/);
    }
    const signal = await user("signal");
    assert.deepEqual({ code: signal.code, out: signal.out }, { code: 0, out: "fine\n" });
    assert.equal(counts(signal).mapped, 1);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

const python = `
import hashlib, mmap, os, sys
path, size = sys.argv[1], 3 << 20
data = bytes((i * 7 + (i >> 8)) & 255 for i in range(1 << 16)) * (size >> 16)
with open(path, "wb") as file: file.write(data)
file = open(path, "r+b")
pages = mmap.mmap(file.fileno(), 0)
print(hashlib.md5(pages).hexdigest(), pages.find(data[70000:70100], 66000))
for i in range(0, size, 9973): pages[i] = i & 255
os.pwrite(file.fileno(), b"hello", 5000)
print(hashlib.md5(pages).hexdigest(), pages[5000:5005])
pages.flush()
pages.resize(size + 10000)
pages[size + 9999] = 7
print(len(pages), pages[size:] == bytes(9999) + b"\\x07")
pages.close()
copy = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
file.close()
for i in range(0, size, 5003): copy[i] = 1
child = os.fork()
if child == 0: os._exit(copy[5003] + copy[5004])
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), hashlib.md5(copy).hexdigest())
print(hashlib.md5(open(path, "rb").read()).hexdigest())
`;

test("python3 maps, writes, resizes, copies and forks, preloaded", nothing || await missing("python3"), async () => {
  const path = newPath("python"), command = ["python3", "-c", python, path];
  const plain = await run(command);
  assert.equal(plain.code, 0, plain.err);
  assert.deepEqual(await run(command, preloaded(path)), plain);
  const { mapped, read, written } = counts(await run(command, preloaded(path, verbose)));
  assert.ok(mapped >= 2 && read > 2000 && written > 500, `${mapped} mapped, ${read} read, ${written} written`);
});

test("git reads packs, preloaded", nothing || await missing("git"), async () => {
  const directory = newPath("repository");
  Deno.mkdirSync(directory);
  const git = ["git", "-C", directory, "-c", "user.name=a", "-c", "user.email=a@b", "-c", "core.packedGitWindowSize=64k"];
  const script = Array.from({ length: 20 }, (_, i) => {
    const lines = Array.from({ length: 2000 }, (_, j) => `${(j * (i + 17)) % 1009} ${j} ${i > j / 100 ? i : 0}`).join("\n");
    return `commit refs/heads/main\ncommitter a <a@b> ${1e9 + i} +0000\ndata 1\n${i % 10}\nM 644 inline file${
      i % 3
    }\ndata ${lines.length}\n${lines}\n`;
  }).join("");
  assert.equal((await run([...git, "init", "-q", "-b", "main"])).code, 0);
  assert.equal((await run([...git, "fast-import", "--quiet", "--max-pack-size=100m"], {}, script)).code, 0);
  assert.equal((await run([...git, "repack", "-qad"])).code, 0);
  for (const command of [["log", "-p", "--all"], ["fsck", "--full"], ["verify-pack", "-v", ".git/objects/pack/pack-*.idx"]]) {
    const line = command[0] === "verify-pack" ? ["sh", "-c", `cd ${directory} && git ${command.join(" ")}`] : [...git, ...command];
    const plain = await run(line);
    assert.equal(plain.code, 0, plain.err);
    assert.deepEqual(await run(line, preloaded(`${directory}/.git/*`)), plain, command[0]);
  }
  assert.ok(counts(await run([...git, "log", "-p"], preloaded("*.pack:*.idx", verbose))).mapped >= 2);
});

const sql = `PRAGMA mmap_size=268435456;
CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT);
WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 20000)
  INSERT INTO t SELECT x, hex(x * x * x) || 'abcdefghijklmnop' FROM c;
UPDATE t SET b = b || 'zz' WHERE a % 7 = 0;
CREATE INDEX i ON t(b);
SELECT count(*), sum(length(b)) FROM t;
DELETE FROM t WHERE a % 3 = 0;
VACUUM;
PRAGMA integrity_check;
SELECT count(*), sum(length(b)), min(b), max(b) FROM t;
`;

test("sqlite3 reads by mapping what it writes, preloaded", nothing || await missing("sqlite3"), async () => {
  const [one, other] = [newPath("one.db"), newPath("other.db")];
  const plain = await run(["sqlite3", one], {}, sql);
  assert.equal(plain.code, 0, plain.err);
  const told = await run(["sqlite3", other], preloaded(other, verbose), sql);
  assert.deepEqual({ code: told.code, out: told.out }, { code: 0, out: plain.out });
  assert.ok(counts(told).read > 100, told.err);
  assert.deepEqual(Deno.readFileSync(other), Deno.readFileSync(one));
});

test("the linker gold maps what it reads and what it writes, preloaded", nothing || await missing("ld.gold"), async () => {
  const [object, one, other] = [newPath("client.o"), newPath("one"), newPath("other")];
  assert.equal((await run(["gcc", "-g", "-c", `${checkout}tests/ffi/paging/preload_client.c`, "-o", object])).code, 0);
  const link = (to: string) => ["gcc", "-fuse-ld=gold", object, "-o", to];
  assert.deepEqual(await run(link(one)), { code: 0, out: "", err: "" });
  assert.ok(counts(await run(link(other), preloaded(`${object}:${other}:*.a:*.so*`, verbose))).written > 5);
  assert.deepEqual(Deno.readFileSync(other), Deno.readFileSync(one));
});

test("file writes to its private mapping of magic, preloaded", nothing || await missing("file"), async () => {
  const plain = await run(["file", "/bin/sh", library]);
  assert.equal(plain.code, 0, plain.err);
  assert.deepEqual(await run(["file", "/bin/sh", library], preloaded("*/magic.mgc")), plain);
});

const perl = `use GDBM_File;
my $path = shift;
my %table;
tie(%table, 'GDBM_File', $path, GDBM_NEWDB, 0640) or die "$path: $!";
for my $i (1 .. 6000) {
  $table{"k" . ($i * 7919 % 20011)} = "v$i" x (1 + $i % 9);
  delete $table{"k" . ($i * 31 % 20011)} if $i % 5 == 0;
}
untie %table;
tie(%table, 'GDBM_File', $path, GDBM_READER, 0640) or die "$path: $!";
my ($count, $bytes) = (0, 0);
while (my ($key, $value) = each %table) { $count++; $bytes += length($key) + length($value); }
print "$count $bytes\\n";
`;
const noGdbm = nothing || ((await run(["perl", "-MGDBM_File", "-e1"])).code === 0 ? "" : " [needs perl with GDBM_File]");

test("perl makes a GDBM database in mappings that grow, preloaded", noGdbm, async () => {
  const [one, other] = [newPath("one"), newPath("other")];
  const plain = await run(["perl", "-e", perl, one]);
  assert.equal(plain.code, 0, plain.err);
  const told = await run(["perl", "-e", perl, other], preloaded(other, verbose));
  assert.deepEqual({ code: told.code, out: told.out }, { code: 0, out: plain.out });
  assert.ok(counts(told).written > 100, told.err);
  assert.deepEqual(Deno.readFileSync(other), Deno.readFileSync(one));
});
