import assert from "node:assert/strict";
import fc from "fast-check";
import { SysError } from "../../ffi/errors.ts";
import {
  fileFrames,
  frameCounts,
  frameFlags,
  frameOwners,
  type FrameRun,
  mergeFrames,
  pageBytes,
  processFrames,
} from "../../ffi/frames.ts";
import { libraryPath } from "../../ffi/library.ts";
import { runningMemory as memory } from "../../ffi/memory.ts";
import { testOutside, testsInNamespace } from "../namespace.ts";
import { isRoot, kernel, mountOfController, TestCgroup } from "./host.ts";

const mib = 2 ** 20;
const directory = "/run/nodeos/memory/sim/4KiB-node0";

const native = Deno.dlopen(libraryPath(), {
  nodeos_frames_process: { parameters: ["i32", "i64", "i64", "buffer"], result: "i32" },
  nodeos_frames_file: { parameters: ["buffer", "i64", "i64", "buffer"], result: "i32" },
  nodeos_frames_facts: { parameters: ["i32", "i64", "i64", "buffer"], result: "i32" },
}).symbols;

// Registered at their first use, which within a test would count as a leak.
memory.file(directory);
kernel.link("/proc/self/exe");
pageBytes();
try {
  frameFlags(0, 0);
} catch (error) {
  assert(error instanceof SysError);
}

const countOf = (runs: readonly FrameRun[]) => runs.reduce((sum, { count }) => sum + count, 0);

function isDisjoint(a: readonly FrameRun[], b: readonly FrameRun[]): boolean {
  return countOf(mergeFrames([...a, ...b])) === countOf(a) + countOf(b);
}

function makeObject(name: string, bytes: number, cgroups: readonly string[] = []): string {
  memory.populate(`${directory}/${name}`, { fromBytes: null, toBytes: bytes, keepBytes: null, node: 0, uid: 0, gid: 0, cgroups });
  return `${directory}/${name}`;
}

function mountPages(): Disposable {
  memory.mount(directory, "tmpfs", `size=${64 * mib}`);
  return { [Symbol.dispose]: () => memory.unmount(directory, "detach") };
}

testOutside({
  name: "mergeFrames() has every frame once, in ascending runs that are apart",
  fn() {
    const runs = fc.array(fc.record({ frame: fc.nat(60), count: fc.integer({ min: 1, max: 9 }) }));
    fc.assert(fc.property(runs, (runs) => {
      const frames = new Set(runs.flatMap(({ frame, count }) => Array.from({ length: count }, (_, index) => frame + index)));
      const merged = mergeFrames(runs);
      assert.deepEqual(
        merged.flatMap(({ frame, count }) => Array.from({ length: count }, (_, index) => frame + index)),
        [...frames].sort((a, b) => a - b),
      );
      assert(merged.every(({ frame }, index) => index === 0 || merged[index - 1].frame + merged[index - 1].count < frame));
    }));
  },
});

const test = testsInNamespace(import.meta.url);

test("fileFrames() finds every page of an object, and the same ones again", () => {
  using _pages = mountPages();
  const path = makeObject("halo", 8 * mib);
  const runs = fileFrames(path, 8 * mib);
  assert.equal(countOf(runs), 8 * mib / pageBytes());
  assert.deepEqual(fileFrames(path, 8 * mib), runs);
  assert.deepEqual(fileFrames(path, mib).length > 0 && countOf(fileFrames(path, mib)), mib / pageBytes());
  // Asked for more, it finds what there is.
  assert.deepEqual(fileFrames(path, 2 ** 40 / 256), runs);
});

test("fileFrames() finds other frames for another object, and none twice", () => {
  using _pages = mountPages();
  const [a, b] = ["a", "b"].map((name) => fileFrames(makeObject(name, 4 * mib), 4 * mib));
  assert(isDisjoint(a, b));
  assert(!isDisjoint(a, a));
});

test("fileFrames() keeps the frames of the head when an object grows or shrinks", () => {
  using _pages = mountPages();
  const path = makeObject("halo", mib);
  const before = fileFrames(path, mib);
  memory.populate(path, { fromBytes: mib, toBytes: 3 * mib, keepBytes: mib, node: 0, uid: 0, gid: 0, cgroups: [] });
  assert.deepEqual(fileFrames(path, mib), before);
  assert.equal(countOf(fileFrames(path, 3 * mib)), 3 * mib / pageBytes());
  memory.shrink(path, mib, { uid: 0, gid: 0 });
  assert.deepEqual(fileFrames(path, 3 * mib), before);
});

test("fileFrames() fills no hole of a file", () => {
  using _pages = mountPages();
  const path = `${directory}/holes`;
  {
    using file = Deno.openSync(path, { create: true, read: true, write: true });
    file.truncateSync(8 * mib);
    file.seekSync(4 * mib, Deno.SeekMode.Start);
    file.writeSync(new Uint8Array(2 * pageBytes()).fill(1));
  }
  const allocated = memory.file(path)!.allocatedBytes;
  assert.equal(countOf(fileFrames(path, 8 * mib)), 2);
  assert.equal(memory.file(path)!.allocatedBytes, allocated);
});

test("fileFrames() finds nothing in an empty file, and refuses what is no file of memory", () => {
  using _pages = mountPages();
  Deno.writeFileSync(`${directory}/empty`, new Uint8Array(0));
  assert.deepEqual(fileFrames(`${directory}/empty`, mib), []);
  Deno.symlinkSync("/etc/passwd", `${directory}/link`);
  for (
    const [path, code] of [[`${directory}/none`, "ENOENT"], [`${directory}/link`, "ELOOP"], ["/etc/passwd", "EACCES"], [
      directory,
      "EINVAL",
    ]]
  ) {
    assert.throws(() => fileFrames(path, mib), { name: "SysError", code }, path);
  }
});

const memoryMount = mountOfController("memory");

test("frameOwners() says for which cgroup an object is counted", () => {
  using _pages = mountPages();
  using group = new TestCgroup(memoryMount!, "frames");
  const list = `${group.path}/${kernel.exists(`${group.path}/tasks`) ? "tasks" : "cgroup.procs"}`;
  const path = makeObject("halo", mib, [list]);
  const inode = BigInt(Deno.statSync(group.path).ino!);
  for (const { frame, count } of fileFrames(path, mib)) {
    assert.deepEqual(new Set(frameOwners(frame, count)!), new Set([inode]));
    // Flag 14: backed by swap or memory, and not by a disk.
    assert(frameFlags(frame, count).every((flags) => (flags >> 14n & 1n) === 1n));
    assert(frameCounts(frame, count).every((mapped) => mapped === 0n));
  }
  memory.remove(path);
}, memoryMount === null || !kernel.exists("/proc/kpagecgroup") ? "needs a memory controller that tells whose frames are" : null);

testOutside({
  name: "processFrames() finds the memory of this process, by what it is and where it comes from [needs root]",
  ignore: !isRoot,
  fn() {
    const kept = new Uint8Array(32 * mib).fill(1);
    const residentBytes = (name: string) =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(kernel.read("/proc/self/status"))![1]) * 1024;
    const before = { anonymous: residentBytes("RssAnon"), file: residentBytes("RssFile") };
    const runs = processFrames(Deno.pid);
    const ofKind = (kind: string) => countOf(runs.filter((run) => run.kind === kind)) * pageBytes();
    const near = (found: number, expected: number) => Math.abs(found - expected) < 0.3 * expected + 8 * mib;
    assert(near(ofKind("anonymous"), before.anonymous), `${ofKind("anonymous")} of ${before.anonymous}`);
    assert(near(ofKind("file"), before.file), `${ofKind("file")} of ${before.file}`);
    assert(ofKind("anonymous") >= kept.length);
    assert(runs.some(({ kind, mapping }) => kind === "file" && mapping === Deno.execPath()));
    assert(runs.every(({ frame }, index) => index === 0 || runs[index - 1].frame <= frame));
    assert(runs.every(({ mapping }) => !/^\[v(?:dso|var)/.test(mapping)));
    for (const { frame, count, kind } of runs.filter(({ kind }) => kind === "anonymous").slice(0, 50)) {
      // Flag 12; some pages may have gone since.
      assert(frameFlags(frame, count).some((flags) => (flags >> 12n & 1n) === 1n), kind);
    }
  },
});

testOutside({
  name: "processFrames() finds pages of a file in memory that a process maps [needs root and gcc]",
  ignore: !isRoot || !hasCompiler(),
  async fn() {
    await using child = await program(mapper);
    const runs = processFrames(child.pid);
    const shared = runs.filter(({ kind }) => kind === "shared");
    assert.equal(countOf(shared), 4 * mib / pageBytes());
    assert.match(shared[0].mapping, /memfd:unit/);
    assert(countOf(runs.filter(({ kind, mapping }) => kind === "anonymous" && mapping === "")) >= 2 * mib / pageBytes());
    await child[Symbol.asyncDispose]();
    assert.deepEqual(processFrames(child.pid), []);
  },
});

/** Compiles and starts a program that writes a byte when it is ready, and ends when its input does. */
async function program(source: string): Promise<AsyncDisposable & { readonly pid: number }> {
  const directory = Deno.makeTempDirSync();
  try {
    Deno.writeTextFileSync(`${directory}/program.c`, source);
    const { success } = await new Deno.Command("gcc", { args: ["-D_GNU_SOURCE", "-o", `${directory}/program`, `${directory}/program.c`] })
      .output();
    assert(success);
    const child = new Deno.Command(`${directory}/program`, { stdin: "piped", stdout: "piped" }).spawn();
    const reader = child.stdout.getReader();
    await reader.read();
    let ended: Promise<unknown> | undefined;
    const end = async () => {
      await child.stdin.close();
      await reader.cancel();
      await child.status;
    };
    return { pid: child.pid, [Symbol.asyncDispose]: async () => void await (ended ??= end()) };
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

function hasCompiler(): boolean {
  try {
    return new Deno.Command("gcc", { args: ["--version"], stdout: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

/** 4 MiB shared, 2 MiB of its own, and a page that was only read. */
const mapper = `
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
int main(void) {
        int fd = memfd_create("unit", 0);
        char *own = mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *shared, byte;
        if (ftruncate(fd, 4 << 20))
                return 1;
        shared = mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        memset(shared, 1, 4 << 20);
        memset(own, 1, 2 << 20);
        return write(1, "x", 1) != 1 || read(0, &byte, 1);
}`;

testOutside({
  name: "processFrames() finds the few pages of a huge mapping [needs root and gcc]",
  ignore: !isRoot || !hasCompiler(),
  async fn() {
    const scattered = 1000;
    await using child = await program(`
#include <sys/mman.h>
#include <unistd.h>
int main(void) {
        char *far = mmap(NULL, 1ul << 40, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), byte;
        madvise(far, 1ul << 40, MADV_NOHUGEPAGE);
        for (unsigned long i = 0; i < ${scattered}; i++)
                far[i << 30] = 1;
        return write(1, "x", 1) != 1 || read(0, &byte, 1);
}`);
    const runs = processFrames(child.pid).filter(({ kind, mapping }) => kind === "anonymous" && mapping === "");
    const ofGigabytes = new Set(runs.map(({ address }) => address % 2 ** 30)).size;
    assert(countOf(runs) >= scattered && countOf(runs) < scattered + 200, `${countOf(runs)}`);
    assert(ofGigabytes < 200);
  },
});

testOutside({
  name: "the functions behind these refuse windows and kinds that are none",
  fn() {
    const runs = new BigUint64Array(4);
    for (const [pid, first, count] of [[0, 0n, 1n], [-1, 0n, 1n], [1, -1n, 1n], [1, 0n, 0n], [1, 0n, 65537n]] as const) {
      assert.equal(native.nodeos_frames_process(pid, first, count, runs), -22, `${pid} ${first} ${count}`);
    }
    for (const [which, first, count] of [[3, 0n, 1n], [-1, 0n, 1n], [0, -1n, 1n], [0, 0n, -1n], [0, 0n, 2n ** 31n]] as const) {
      assert.equal(native.nodeos_frames_facts(which, first, count, runs), -22, `${which} ${first} ${count}`);
    }
  },
});

testOutside({
  name: "frameFlags() has nothing to say of frames behind the last one [needs root]",
  ignore: !isRoot,
  fn() {
    assert.equal(frameFlags(2 ** 50, 10).length, 0);
    assert.equal(frameFlags(1, 10).length, 10);
  },
});
