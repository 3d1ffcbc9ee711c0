import assert from "node:assert/strict";
import { errno, SysError } from "../../ffi/errors.ts";
import { cpusetMount, isRoot, kernel, TestCgroup, unifiedMount } from "./host.ts";

const mount = cpusetMount ?? unifiedMount;

/** A file outside of the roots: should a guard fail, a test that tries to write is to hurt nobody. */
const bait = Deno.makeTempFileSync({ prefix: "nodeos-bait-" });
globalThis.addEventListener("unload", () => Deno.removeSync(bait));

/** The names of the errors with which each way of asking for a path is refused; `ok` where it is not. */
function answers(path: string): string[] {
  const asks = [
    () => kernel.read(path),
    () => kernel.tryRead(path),
    () => kernel.list(path),
    () => kernel.write(path, "1"),
    () => kernel.makeDirectory(`${path}/nodeos-test`),
    () => kernel.removeDirectory(path),
  ];
  return asks.map((ask) => {
    try {
      ask();
      return "ok";
    } catch (error) {
      assert(error instanceof SysError);
      return error.code;
    }
  });
}

// First of all: later tests make the buffer larger.
Deno.test("KernelRoot.list() has room for more names than its buffer had", () => {
  const files: Deno.FsFile[] = [];
  try {
    for (let i = 0; i < 12_000; i++) files.push(Deno.openSync("/dev/null"));
    const names = kernel.list("/proc/self/fd").map(({ name }) => name);
    assert(names.length >= files.length);
    // Each name takes its length and two bytes more.
    assert(names.reduce((sum, name) => sum + name.length + 2, 0) > 64 * 1024, "the list is too short to be a test");
    assert.equal(new Set(names).size, names.length);
    assert(names.every((name) => /^\d+$/.test(name)));
  } catch (error) {
    // A machine with a low limit of open files cannot make the list: say so rather than pass for nothing.
    if (!(error instanceof Error) || !/os error 24/.test(error.message)) throw error;
    assert(files.length < 12_000, `only ${files.length} files may be open here`);
  } finally {
    for (const file of files) file.close();
  }
});

Deno.test({
  name: "KernelRoot.read() has room for a file larger than its buffer [needs /proc/kallsyms]",
  ignore: !kernel.exists("/proc/kallsyms"),
  fn() {
    const text = kernel.read("/proc/kallsyms");
    assert(text.length > 64 * 1024);
    assert.equal(text.length, Deno.readTextFileSync("/proc/kallsyms").length);
    assert(text.endsWith("\n"));
  },
});

Deno.test("KernelRoot.read() reads small files after a large one: /proc/sys refuses to be asked for megabytes", () => {
  assert.equal(kernel.read("/proc/sys/kernel/random/boot_id"), Deno.readTextFileSync("/proc/sys/kernel/random/boot_id"));
});

Deno.test("KernelRoot takes what is not there for absent, and passes everything else on", () => {
  for (const path of ["/proc/none", "/sys/none/below", "/proc/4194305/stat", "/proc/version/below"]) {
    assert.equal(kernel.tryRead(path), null);
    assert.deepEqual(kernel.list(path), []);
    assert.equal(kernel.link(path), null);
    assert(!kernel.exists(path));
    assert.throws(() => kernel.read(path), { name: "SysError", message: new RegExp(`^Cannot read ${path}: E`) });
  }
  assert.throws(() => kernel.tryRead("/proc"), { errno: 21 });
});

Deno.test("KernelRoot.list() is ordered and tells directories, links and files apart", () => {
  const entries = kernel.list("/proc/self");
  const kindOf = (name: string) => entries.find((entry) => entry.name === name)?.kind;
  assert.deepEqual([kindOf("task"), kindOf("exe"), kindOf("stat")], ["directory", "link", "file"]);
  assert.deepEqual(entries.map(({ name }) => name), entries.map(({ name }) => name).sort());
  assert(!entries.some(({ name }) => name === "." || name === ".."));
  assert.equal(kernel.list("/proc").find(({ name }) => name === "self")?.kind, "link");
});

Deno.test("KernelRoot.link() has the text of a link, without following it", () => {
  assert.equal(kernel.link("/proc/self"), `${Deno.pid}`);
  assert.equal(kernel.link("/proc/self/exe"), Deno.readLinkSync("/proc/self/exe"));
  assert.equal(kernel.link("/proc/version"), null);
});

Deno.test("KernelRoot.exists() tells what is there from what may be written", () => {
  assert(kernel.exists("/proc/version"));
  assert(kernel.exists("/proc/sys/kernel"));
  assert(!kernel.exists("/proc/none"));
  assert.equal(kernel.exists("/proc/sys/kernel/hostname", "write"), isRoot);
});

for (
  const path of [bait, "/", "", "/dev/null", "/dev", "/procx/version", "/sysfoo", "proc/version", "/run"]
) {
  Deno.test(`KernelRoot does not reach ${JSON.stringify(path)}`, () => {
    assert.deepEqual(new Set(answers(path)), new Set(["EACCES"]));
    assert.throws(() => kernel.link(path), { code: "EACCES" });
    assert(!kernel.exists(path));
  });
}

for (
  const path of [
    `/proc/..${bait}`,
    `/sys/..${bait}`,
    `/sys/fs/../..${bait}`,
    `/proc/self/../..${bait}`,
    `/proc/sys/../..${bait}`,
    "/proc/sys/../version",
    "/sys/..",
  ]
) {
  Deno.test(`KernelRoot does not climb out by ${path}`, () => {
    // A write that /proc does not allow at all is refused before the path is looked at.
    assert(answers(path).every((answer) => ["EXDEV", "EACCES", "EINVAL"].includes(answer)), answers(path).join());
    assert(!kernel.exists(path));
  });
}

for (
  const path of [
    `/proc/self/root${bait}`,
    "/proc/thread-self/root/etc",
    "/proc/self/cwd/.",
    "/proc/self/exe",
    "/proc/self/fd/0",
    "/proc/self/ns/mnt",
  ]
) {
  Deno.test(`KernelRoot does not follow the magic link in ${path}`, () => {
    const [read, tried, listed] = answers(path);
    assert.deepEqual([read, tried, listed], ["ELOOP", "ELOOP", "ELOOP"]);
    assert(!kernel.exists(path));
  });
}

for (
  const path of [
    "/proc/self/mem",
    "/proc/thread-self/mem",
    `/proc/self/task/${Deno.pid}/mem`,
    "/proc/kcore",
    "/proc/self/../kcore",
    "/proc//self//mem",
  ]
) {
  Deno.test(`KernelRoot never opens memory, such as ${path}`, () => {
    assert.deepEqual(new Set(answers(path).slice(0, 4)), new Set(["EACCES"]));
    assert(!kernel.exists(path));
  });
}

Deno.test("KernelRoot.read() does not take memory under another name of the same file either", () => {
  for (const path of ["/proc/self/mem/", "/proc/self/mem/."]) assert.equal(kernel.tryRead(path), null);
});

Deno.test("KernelRoot.list() finds devices of the class mem, which are not memory", () => {
  assert(kernel.list("/sys/class/mem").some(({ name }) => name === "null"));
});

for (
  const path of [
    "/proc/self/oom_score_adj",
    "/proc/self/comm",
    "/proc/sysrq-trigger",
    "/proc/./sys/kernel/hostname",
    "/proc//sys/kernel/hostname",
  ]
) {
  Deno.test(`KernelRoot.write() refuses ${path}: of /proc, only sys and irq may be written`, () => {
    const before = path.startsWith("/proc/self") ? kernel.read(path) : "";
    assert.throws(() => kernel.write(path, "1"), { name: "SysError", code: "EACCES" });
    if (before !== "") assert.equal(kernel.read(path), before);
  });
}

Deno.test("KernelRoot refuses a NUL in a path or a value, before anything is asked of the kernel", () => {
  for (
    const ask of [
      () => kernel.read("/proc/version\0"),
      () => kernel.tryRead("/proc/\0version"),
      () => kernel.list("/proc\0/etc"),
      () => kernel.link("/proc/self\0"),
      () => kernel.exists("/proc/version\0"),
      () => kernel.write("/proc/sys/kernel/none", "1\x00"),
      () => kernel.makeDirectory("/sys/fs/cgroup/\0"),
      () => kernel.removeDirectory("/sys/fs/cgroup/\0"),
    ]
  ) assert.throws(ask, TypeError);
});

Deno.test("KernelRoot.makeDirectory() and removeDirectory() refuse a path without a last part, or one that is too long", () => {
  for (const path of ["/sys/fs/cgroup/.", "/sys/fs/cgroup/..", "/sys/fs/cgroup/"]) {
    assert.throws(() => kernel.makeDirectory(path), { code: "EINVAL" });
    assert.throws(() => kernel.removeDirectory(path), { code: "EINVAL" });
  }
  assert.throws(() => kernel.makeDirectory(`/sys/${"x/".repeat(3000)}y`), { code: "ENAMETOOLONG" });
  assert.throws(() => kernel.makeDirectory("/proc/nodeos-test"), { code: "EACCES" });
});

Deno.test({
  name: "KernelRoot.write() changes a file in one call, says what the kernel refuses, and never creates one [needs root and cgroups]",
  ignore: mount === null,
  fn() {
    using group = new TestCgroup(mount!, "write");
    const file = `${group.path}/${cpusetMount ? "notify_on_release" : "cgroup.max.depth"}`;
    assert.equal(kernel.read(`${group.path}/cgroup.procs`), "");
    kernel.write(file, "1");
    assert.equal(kernel.read(file), "1\n");
    assert(kernel.exists(file, "write"));
    assert.throws(() => kernel.write(file, "a long way from a number"), {
      errno: errno.EINVAL,
      message: /^Cannot write "a long way from a number" to \/sys/,
    });
    assert.throws(() => kernel.write(`${group.path}/none`, "1"), SysError);
    assert(!kernel.exists(`${group.path}/none`));
  },
});

Deno.test({
  name: "KernelRoot makes, lists and removes cgroups, even one named mem [needs root and cgroups]",
  ignore: mount === null,
  fn() {
    using group = new TestCgroup(mount!, "directories");
    const child = `${group.path}/mem`;
    kernel.makeDirectory(child);
    assert.throws(() => kernel.makeDirectory(child), { errno: errno.EEXIST });
    assert(kernel.list(child).some(({ name }) => name === "cgroup.procs"));
    assert.throws(() => kernel.removeDirectory(group.path), { errno: errno.EBUSY });
    kernel.removeDirectory(child);
    assert.throws(() => kernel.removeDirectory(child), { errno: errno.ENOENT });
  },
});

Deno.test("KernelRoot reads through links that go up while others rename files elsewhere", async () => {
  // A link of sysfs such as ../../devices/virtual/net/lo.
  const path = "/sys/class/net/lo/ifindex";
  const directory = Deno.makeTempDirSync({ prefix: "nodeos-test-" });
  const script = `Deno.mkdirSync("a"); console.log("on"); for (;;) { Deno.renameSync("a", "b"); Deno.renameSync("b", "a"); }`;
  const args = ["eval", "--no-config", script];
  const others = new Deno.Command(Deno.execPath(), { args, cwd: directory, stdin: "null", stdout: "piped" }).spawn();
  try {
    const output = others.stdout.getReader();
    await output.read();
    const found = new Set<string>();
    for (let count = 0; count < 20_000; count++) found.add(kernel.read(path));
    assert.deepEqual([...found], ["1\n"]);
    await output.cancel();
  } finally {
    others.kill("SIGKILL");
    await others.status;
    Deno.removeSync(directory, { recursive: true });
  }
});
