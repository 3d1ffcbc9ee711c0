import assert from "node:assert/strict";
import { SysError } from "../../ffi/errors.ts";
import { libraryPath } from "../../ffi/library.ts";
import { type PopulateRequest, runningMemory } from "../../ffi/memory.ts";
import { testOutside, testsInNamespace } from "../namespace.ts";
import { isRoot, kernel, mountOfController, TestCgroup } from "./host.ts";

const memory = runningMemory;
const test = testsInNamespace(import.meta.url);
const base = "/run/nodeos/memory/sim";
const pages = `${base}/4KiB-node0`;
const file = `${pages}/halo`;
const mib = 2 ** 20;

const native = Deno.dlopen(libraryPath(), {
  nodeos_memory_target: { parameters: ["buffer", "buffer", "i32"], result: "i32" },
}).symbols;

// Registered at their first use, which within a test would count as a leak.
memory.file(file);
codeOf(() => memory.remount("/tmp", ""));

/** The error of a call that is refused. */
function codeOf(action: () => unknown): string {
  try {
    action();
    return "none";
  } catch (error) {
    if (error instanceof SysError) return error.code;
    throw error;
  }
}

function request(bytes: number, more: Partial<PopulateRequest> = {}): PopulateRequest {
  return { fromBytes: null, toBytes: bytes, keepBytes: null, node: 0, uid: 1000, gid: 1001, cgroups: [], ...more };
}

function mountPages(sizeBytes = 16 * mib): Disposable {
  memory.mount(pages, "tmpfs", `size=${sizeBytes},mode=755`);
  return { [Symbol.dispose]: () => memory.unmount(pages, "detach") };
}

const names = (directory: string) => [...Deno.readDirSync(directory)].map(({ name }) => name);
const isThere = (path: string) => kernel.read("/proc/self/mountinfo").includes(` ${path} `);

test("MemoryWriter.mount() makes the directory and what is above it, and unmount() removes them again", () => {
  const mask = Deno.umask(0o077);
  memory.mount(pages, "tmpfs", "mpol=bind:0,size=1048576,mode=755");
  Deno.umask(mask);
  const line = kernel.read("/proc/self/mountinfo").split("\n").find((line) => line.includes(` ${pages} `));
  assert.match(line ?? "", / rw,nosuid,nodev,noexec\S* .*- tmpfs nodeos rw,size=1024k,mode=755,.*mpol=bind:0/);
  for (const path of ["/run/nodeos", "/run/nodeos/memory", base, pages]) {
    const { mode, uid } = Deno.statSync(path);
    assert.deepEqual([mode! & 0o7777, uid], [0o755, 0], path);
  }
  assert(memory.isDirectory(pages));
  memory.unmount(pages);
  assert(!isThere(pages));
  assert.deepEqual(names("/run/nodeos"), []);
});

test("MemoryWriter.unmount() leaves what is beside it", () => {
  memory.mount(pages, "tmpfs", "size=1048576");
  memory.mount(`${base}/2MiB-node0`, "tmpfs", "size=1048576");
  memory.unmount(pages);
  assert.deepEqual(names(base), ["2MiB-node0"]);
  memory.unmount(`${base}/2MiB-node0`);
});

test("MemoryWriter.mount() refuses what is mounted already, and leaves nothing of what the kernel refuses", () => {
  assert.equal(codeOf(() => memory.mount(pages, "tmpfs", "mpol=bind:1000")), "EINVAL");
  assert.equal(codeOf(() => memory.mount(pages, "hugetlbfs", "pagesize=3M")), "EINVAL");
  assert.deepEqual(names("/run/nodeos"), []);
  using _pages = mountPages();
  assert.equal(codeOf(() => memory.mount(pages, "tmpfs", "size=1048576")), "EBUSY");
  assert.equal(codeOf(() => memory.mount(`${base}/x`, "proc", "")), "EINVAL");
  assert.equal(codeOf(() => memory.mount(`${base}/x`, "ext4", "")), "EINVAL");
});

test("MemoryWriter.remount() changes the size, and not below what is used", () => {
  using _pages = mountPages(mib);
  memory.populate(file, request(mib));
  memory.remount(pages, `size=${2 * mib}`);
  assert.match(kernel.read("/proc/self/mountinfo"), new RegExp(` ${pages} rw,nosuid,nodev,noexec\\S* .*size=2048k`));
  memory.populate(file, request(2 * mib, { fromBytes: mib, keepBytes: mib }));
  assert.equal(codeOf(() => memory.remount(pages, `size=${mib}`)), "EINVAL");
});

test("MemoryWriter.unmount() with detach works while a file is open, and without it does not", () => {
  memory.mount(pages, "tmpfs", "size=1048576");
  memory.populate(file, request(mib));
  {
    using open = Deno.openSync(file, { read: true, write: true });
    assert.equal(codeOf(() => memory.unmount(pages)), "EBUSY");
    memory.remove(file);
    assert.equal(open.statSync().size, 0);
    memory.unmount(pages, "detach");
  }
  assert.deepEqual(names("/run/nodeos"), []);
});

test("MemoryWriter.populate() makes a file with all of its memory, zeroed, for its owner alone", () => {
  using _pages = mountPages();
  const mask = Deno.umask(0);
  memory.populate(file, request(3 * mib));
  Deno.umask(mask);
  const { device, inode, ...facts } = memory.file(file)!;
  assert.deepEqual(facts, { bytes: 3 * mib, allocatedBytes: 3 * mib, uid: 1000, gid: 1001, mode: 0o600, pageBytes: 4096 });
  assert(inode > 0);
  assert.match(device, /^00:[\da-f]{2,}$/);
  assert(Deno.readFileSync(file).every((byte) => byte === 0));
});

test("MemoryWriter.populate() lets a file grow and keeps its contents", () => {
  using _pages = mountPages();
  memory.populate(file, request(mib));
  using open = Deno.openSync(file, { write: true });
  open.writeSync(new TextEncoder().encode("kept"));
  memory.populate(file, request(5 * mib, { fromBytes: mib, keepBytes: mib, uid: 1002 }));
  const { bytes, allocatedBytes, uid } = memory.file(file)!;
  assert.deepEqual([bytes, allocatedBytes, uid], [5 * mib, 5 * mib, 1002]);
  assert.equal(new TextDecoder().decode(Deno.readFileSync(file).subarray(0, 5)), "kept\0");
});

test("MemoryWriter.populate() fills holes, and keeps what is around them", () => {
  using _pages = mountPages();
  memory.populate(file, request(mib));
  {
    using open = Deno.openSync(file, { write: true });
    open.writeSync(new TextEncoder().encode("kept"));
    open.truncateSync(2 * mib);
  }
  assert.deepEqual([memory.file(file)!.bytes, memory.file(file)!.allocatedBytes], [2 * mib, mib]);
  memory.populate(file, request(2 * mib, { fromBytes: 0, keepBytes: 2 * mib }));
  assert.equal(memory.file(file)!.allocatedBytes, 2 * mib);
  assert.equal(new TextDecoder().decode(Deno.readFileSync(file).subarray(0, 4)), "kept");
});

test("MemoryWriter.populate() leaves no file when there is not enough room for it", () => {
  using _pages = mountPages(mib);
  assert.equal(codeOf(() => memory.populate(file, request(40 * mib))), "ENOSPC");
  assert.equal(memory.file(file), null);
  memory.populate(file, request(mib));
});

test("MemoryWriter.populate() leaves a file as it was that cannot grow", () => {
  using _pages = mountPages(20 * mib);
  memory.populate(file, request(mib));
  assert.equal(codeOf(() => memory.populate(file, request(40 * mib, { fromBytes: mib, keepBytes: mib, uid: 7 }))), "ENOSPC");
  const { bytes, allocatedBytes, uid } = memory.file(file)!;
  assert.deepEqual([bytes, allocatedBytes, uid], [mib, mib, 1000]);
});

test("MemoryWriter.populate() finds no huge pages in an empty pool, and leaves nothing", () => {
  const path = `${base}/2MiB-node0`;
  memory.mount(path, "hugetlbfs", "pagesize=2M,mode=755");
  // Nobody reserved any here, unless this machine belongs to somebody who did.
  const hasPages = Number(kernel.read("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages")) > 0;
  if (!hasPages) assert(["ENOSPC", "ENOMEM"].includes(codeOf(() => memory.populate(`${path}/halo`, request(2 * mib)))));
  assert.equal(codeOf(() => memory.populate(`${path}/halo`, request(mib))), "EINVAL");
  assert.deepEqual(names(path), []);
  memory.unmount(path);
});

test("MemoryWriter.populate() refuses a node that is not there, and sizes that are none", () => {
  using _pages = mountPages();
  const wrong: Partial<PopulateRequest>[] = [
    { node: 1000 },
    { node: 1024 },
    { toBytes: 4095 },
    { toBytes: 0 },
    { toBytes: -4096 },
    { fromBytes: 8192, keepBytes: 0, toBytes: 4096 },
    { fromBytes: null, keepBytes: 0 },
    { fromBytes: 0, keepBytes: null },
  ];
  for (const more of wrong) assert.equal(codeOf(() => memory.populate(file, request(4096, more))), "EINVAL", JSON.stringify(more));
  assert.deepEqual(names(pages), []);
});

test("MemoryWriter.populate() makes no file that is there, and lets none grow that is not", () => {
  using _pages = mountPages();
  assert.equal(codeOf(() => memory.populate(file, request(8192, { fromBytes: 4096, keepBytes: 4096 }))), "ENOENT");
  Deno.symlinkSync("/etc/passwd", file);
  const before = Deno.statSync("/etc/passwd");
  assert.equal(codeOf(() => memory.populate(file, request(8192))), "EEXIST");
  assert.equal(codeOf(() => memory.populate(file, request(8192, { fromBytes: 4096, keepBytes: 4096 }))), "ELOOP");
  assert.equal(codeOf(() => memory.shrink(file, 0, { uid: 1000, gid: 1000 })), "ELOOP");
  assert.deepEqual(Deno.statSync("/etc/passwd"), before);
  assert.equal(memory.file(file), null);
  assert.equal(memory.target(file), "/etc/passwd");
  memory.remove(file);
  assert(Deno.statSync("/etc/passwd").isFile);
});

test("MemoryWriter.populate() touches no file that has a second name", () => {
  using _pages = mountPages();
  memory.populate(file, request(4096));
  Deno.linkSync(file, `${pages}/other`);
  assert.equal(codeOf(() => memory.populate(file, request(8192, { fromBytes: 4096, keepBytes: 4096, uid: 7 }))), "EINVAL");
  assert.deepEqual([memory.file(file)!.bytes, memory.file(file)!.uid], [4096, 1000]);
});

test("MemoryWriter.shrink() frees the tail, keeps the head, and changes the owner", () => {
  using _pages = mountPages();
  memory.populate(file, request(4 * mib));
  const data = new Uint8Array(4 * mib).fill(1);
  Deno.writeFileSync(file, data);
  memory.shrink(file, mib, { uid: 5, gid: 6 });
  const { bytes, allocatedBytes, uid, gid } = memory.file(file)!;
  assert.deepEqual([bytes, allocatedBytes, uid, gid], [mib, mib, 5, 6]);
  assert(Deno.readFileSync(file).every((byte) => byte === 1));
  // What was given back is empty when it comes again.
  memory.populate(file, request(2 * mib, { fromBytes: mib, keepBytes: mib }));
  assert(Deno.readFileSync(file).subarray(mib).every((byte) => byte === 0));
});

test("MemoryWriter.shrink() lets nothing grow, and cuts off no more than there is", () => {
  using _pages = mountPages();
  memory.populate(file, request(mib));
  for (const bytes of [mib + 1, -1]) assert.equal(codeOf(() => memory.shrink(file, bytes, { uid: 0, gid: 0 })), "EINVAL");
  assert.equal(memory.file(file)!.bytes, mib);
  assert.equal(codeOf(() => memory.shrink(`${pages}/none`, 0, { uid: 0, gid: 0 })), "ENOENT");
});

test("MemoryWriter.remove() frees the memory of a file that somebody still has open", () => {
  using _pages = mountPages(mib);
  memory.populate(file, request(mib));
  using _open = Deno.openSync(file, { read: true });
  memory.remove(file);
  assert.equal(memory.file(file), null);
  memory.populate(file, request(mib));
  memory.remove(file);
  assert.equal(codeOf(() => memory.remove(file)), "ENOENT");
});

test("MemoryWriter.link() leads to devices of memory only, and remove() takes it away", () => {
  const path = `${base}/devdax/halo`;
  for (const device of ["/dev/mem", "/dev/dax", "/dev/dax0", "/dev/dax0.0/x", "/etc/passwd", "dax0.0", "/dev/dax0.0 "]) {
    assert.equal(codeOf(() => memory.link(path, device)), "EINVAL", device);
  }
  memory.link(path, "/dev/dax0.0");
  assert.equal(memory.target(path), "/dev/dax0.0");
  assert.equal(memory.file(path), null);
  assert.equal(codeOf(() => memory.link(path, "/dev/dax0.1")), "EEXIST");
  memory.remove(path);
  assert.deepEqual(names("/run/nodeos"), []);
});

test("MemoryWriter changes nothing where somebody else could have put something", () => {
  Deno.mkdirSync("/run/nodeos", { recursive: true });
  Deno.chmodSync("/run/nodeos", 0o777);
  assert.equal(codeOf(() => memory.mount(pages, "tmpfs", "size=1048576")), "EPERM");
  Deno.chmodSync("/run/nodeos", 0o755);
  Deno.chownSync("/run/nodeos", 1000, 1000);
  assert.equal(codeOf(() => memory.mount(pages, "tmpfs", "size=1048576")), "EPERM");
  Deno.chownSync("/run/nodeos", 0, 0);
  Deno.mkdirSync("/run/elsewhere");
  Deno.symlinkSync("/run/elsewhere", "/run/nodeos/memory");
  assert(["ELOOP", "ENOTDIR"].includes(codeOf(() => memory.mount(pages, "tmpfs", "size=1048576"))));
  assert.deepEqual(names("/run/elsewhere"), []);
  Deno.removeSync("/run/nodeos/memory");
  Deno.mkdirSync(base, { recursive: true });
  Deno.symlinkSync("/run/elsewhere", pages);
  assert(["ELOOP", "ENOTDIR"].includes(codeOf(() => memory.mount(pages, "tmpfs", "size=1048576"))));
  assert.deepEqual(names("/run/elsewhere"), []);
  assert(!isThere("/run/elsewhere"));
  Deno.removeSync("/run/nodeos", { recursive: true });
});

const memoryMount = mountOfController("memory");

for (
  const name of ["counts what it allocates for the cgroups that it is told", "ends when their limit is reached, and nothing else does"]
) {
  const isLimit = name.startsWith("ends");
  test(`MemoryWriter.populate() ${name}`, async () => {
    using _pages = mountPages(64 * mib);
    using group = new TestCgroup(memoryMount!, isLimit ? "limit" : "charge");
    const isFirst = kernel.exists(`${group.path}/tasks`);
    const cgroups = [`${group.path}/${isFirst ? "tasks" : "cgroup.procs"}`];
    const used = () => Number(kernel.read(`${group.path}/${isFirst ? "memory.usage_in_bytes" : "memory.current"}`));
    if (isLimit) {
      kernel.write(`${group.path}/${isFirst ? "memory.limit_in_bytes" : "memory.max"}`, `${16 * mib}`);
      const child = new Deno.Command("sleep", { args: ["100"] }).spawn();
      kernel.write(cgroups[0], `${child.pid}`);
      assert.equal(codeOf(() => memory.populate(file, request(32 * mib, { cgroups }))), "ENOMEM");
      assert.equal(memory.file(file), null);
      // A process that was chosen in its stead would be gone by now.
      assert(kernel.read(cgroups[0]).includes(`${child.pid}`));
      child.kill("SIGKILL");
      await child.status;
    } else {
      memory.populate(file, request(32 * mib, { cgroups }));
      assert(used() >= 32 * mib, `${used()}`);
      assert(used() < 40 * mib, `${used()}`);
      memory.remove(file);
      assert(used() < 8 * mib, `${used()}`);
    }
  }, memoryMount === null ? "needs a memory controller" : null);
}

test("MemoryWriter.populate() refuses cgroups that are no kernel files, and too many", () => {
  using _pages = mountPages();
  assert.equal(codeOf(() => memory.populate(file, request(4096, { cgroups: ["/tmp/cgroup.procs"] }))), "EACCES");
  assert.equal(codeOf(() => memory.populate(file, request(4096, { cgroups: ["/sys/fs/cgroup/none/tasks"] }))), "ENOENT");
  const one = "/proc/sys/kernel/ostype";
  assert.notEqual(codeOf(() => memory.populate(file, request(4096, { cgroups: Array(9).fill(one) }))), "none");
  assert.deepEqual(names(pages), []);
});

const outside = [
  "/tmp/x/y",
  "/run/nodeos",
  "/run/nodeos/lock",
  "/run/nodeos/memory",
  "/run/nodeos/memory/",
  "/run/nodeos/memory//x/y",
  "/run/nodeos/memory/x/",
  "/run/nodeos/memory/../x/y",
  "/run/nodeos/memory/x/..",
  "/run/nodeos/memory/x/./y",
  "/run/nodeos/memoryx/a/b",
  "run/nodeos/memory/x/y",
  "/run/nodeos/memory/x/" + "y".repeat(2000),
  "",
];

testOutside({
  name: "MemoryWriter refuses every path outside of its tree [needs root]",
  ignore: !isRoot,
  fn() {
    for (const path of outside) {
      const calls: Record<string, () => void> = {
        mount: () => memory.mount(path, "tmpfs", ""),
        remount: () => memory.remount(path, ""),
        unmount: () => memory.unmount(path),
        populate: () => memory.populate(path, request(4096)),
        shrink: () => memory.shrink(path, 0, { uid: 0, gid: 0 }),
        remove: () => memory.remove(path),
        link: () => memory.link(path, "/dev/dax0.0"),
      };
      for (const [name, call] of Object.entries(calls)) assert.equal(codeOf(call), "EACCES", `${name} ${path}`);
      assert.equal(memory.file(path), null);
      assert.equal(memory.target(path), null);
      assert.equal(memory.isDirectory(path), false);
    }
  },
});

testOutside({
  name: "MemoryWriter.own() takes devices of memory only [needs root]",
  ignore: !isRoot,
  fn() {
    for (const device of ["/dev/null", "/dev/mem", "/dev/zero", "/dev/dax../mem", "/dev/dax0.0/../mem", "/etc/passwd"]) {
      assert.equal(codeOf(() => memory.own(device, 0, { uid: 1000, gid: 1000 })), "EACCES", device);
    }
    assert.equal(codeOf(() => memory.own("/dev/dax99.99", 0, { uid: 1000, gid: 1000 })), "ENOENT");
  },
});

testOutside({
  name: "MemoryFiles finds nothing where there is nothing",
  fn() {
    const path = "/run/nodeos/memory/nobody-is-called-so/4KiB-node0/halo";
    assert.deepEqual([memory.file(path), memory.target(path), memory.isDirectory(path)], [null, null, false]);
    assert.equal(memory.file("/dev/dax99.99"), null);
  },
});

test("nodeos_memory_target() fills no more than the size it is told", () => {
  const path = `${base}/devdax/halo`;
  memory.link(path, "/dev/dax0.0");
  const text = new TextEncoder().encode(`${path}\0`);
  for (const size of [1, 5, 10, 11, 12, 20]) {
    const buffer = new Uint8Array(32).fill(0xa5);
    assert.equal(native.nodeos_memory_target(text, buffer, size), Math.min(size, 11));
    assert(buffer.subarray(size).every((byte) => byte === 0xa5));
  }
  for (const size of [0, -1, -(2 ** 31)]) assert.equal(native.nodeos_memory_target(text, new Uint8Array(1), size), -22);
  memory.remove(path);
});

test("MemoryWriter.setText() replaces a text as a whole, for everybody to read, and removes it with the directories above it", () => {
  const path = `${base}/shares`;
  assert.equal(memory.text(path), null);
  const mask = Deno.umask(0o077);
  memory.setText(path, "one\n");
  using old = Deno.openSync(path);
  memory.setText(path, "policy bind\n");
  Deno.umask(mask);
  assert.equal(memory.text(path), "policy bind\n");
  assert.equal(old.statSync().nlink, 0);
  assert.deepEqual([Deno.statSync(path).mode! & 0o7777, names(base)], [0o644, ["shares"]]);
  memory.setText(path, null);
  assert.deepEqual(names("/run/nodeos"), []);
  assert.equal(codeOf(() => memory.setText(path, null)), "ENOENT");
});

test("MemoryWriter.setText() waits for who has the file locked, and takes over what a dead writer left beside it", async () => {
  const path = `${base}/shares`;
  memory.setText(path, "one\n");
  Deno.writeTextFileSync(`${path}.new`, "half");
  const holder = new Deno.Command("flock", { args: [path, "sleep", "0.5"] }).spawn();
  for (let tries = 0; tries < 500 && isFree(path); tries++) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
  memory.setText(path, "two\n");
  assert(isFree(path));
  assert.deepEqual([memory.text(path), names(base)], ["two\n", ["shares"]]);
  memory.setText(path, null);
  await holder.status;
});

function isFree(path: string): boolean {
  using file = Deno.openSync(path);
  return file.tryLockSync(true);
}

test("MemoryWriter.setText() refuses what is no file of the tree", () => {
  using _pages = mountPages();
  assert.equal(codeOf(() => memory.setText("/run/nodeos/shares", "x")), "EACCES");
  assert.equal(codeOf(() => memory.setText(`${base}/../shares`, "x")), "EACCES");
  Deno.symlinkSync("/etc/passwd", `${base}/link`);
  assert.equal(codeOf(() => memory.setText(`${base}/link`, "x")), "ELOOP");
  assert.equal(codeOf(() => memory.setText(pages, "x")), "EINVAL");
  Deno.removeSync(`${base}/link`);
});
