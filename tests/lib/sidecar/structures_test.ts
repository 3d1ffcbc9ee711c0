import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeStructure } from "../../../lib/sidecar/structures.ts";
import { calls } from "../../../lib/syscall/table.ts";

const encoder = new TextEncoder();

/** The bytes that a C program prints of what a call fills. */
async function filledBy(compiler: string, code: string): Promise<Uint8Array> {
  const directory = Deno.makeTempDirSync();
  try {
    const source = `#define _GNU_SOURCE
#include <stdio.h>
#include <fcntl.h>
#include <unistd.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <sys/syscall.h>
#include <time.h>
int main(int c, char **v) { (void) c; static union { struct stat stat; struct statx statx; struct statfs statfs; struct timespec time; char bytes[65536]; } u; long n; ${code} return fwrite(&u, 1, n, stdout) != (size_t) n; }\n`;
    Deno.writeTextFileSync(`${directory}/a.c`, source);
    const built = await new Deno.Command(compiler, { args: ["-o", `${directory}/a`, `${directory}/a.c`], stderr: "piped" }).output();
    assert.ok(built.success, new TextDecoder().decode(built.stderr));
    Deno.writeTextFileSync(`${directory}/file`, "twelve bytes");
    Deno.utimeSync(`${directory}/file`, 1_000_000_001, 1_000_000_002);
    const { stdout, success } = await new Deno.Command(`${directory}/a`, { args: [directory] }).output();
    assert.ok(success);
    return stdout;
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

const here = Deno.build.arch;
const hasCompiler = await new Deno.Command("gcc", { args: ["--version"], stdout: "null", stderr: "null" }).output().then(
  () => true,
  () => false,
);

Deno.test({
  name: `decodeStructure() reads what this kernel fills${hasCompiler ? "" : " [needs gcc]"}`,
  ignore: !hasCompiler,
  async fn() {
    // deno-lint-ignore no-explicit-any
    const decoded = async (call: string, code: string): Promise<any> => decodeStructure(call, await filledBy("gcc", code), here);
    const stat = await decoded("newfstatat", 'chdir(v[1]); syscall(SYS_newfstatat, AT_FDCWD, "file", &u.stat, 0); n = sizeof(u.stat);');
    assert.deepEqual([stat.size, stat.mode & 0o170000, stat.nlink, stat.uid], [12, 0o100000, 1, Deno.uid()]);
    assert.deepEqual([stat.atime, stat.mtime], [{ seconds: 1_000_000_001, nanoseconds: 0 }, { seconds: 1_000_000_002, nanoseconds: 0 }]);
    const statx = await decoded("statx", 'chdir(v[1]); statx(AT_FDCWD, "file", 0, 0xfff, &u.statx); n = sizeof(u.statx);');
    assert.deepEqual([statx.size, statx.mtime.seconds, statx.mode & 0o170000], [12, 1_000_000_002, 0o100000]);
    const statfs = await decoded("statfs", 'statfs("/proc", &u.statfs); n = sizeof(u.statfs);');
    assert.deepEqual([statfs.type, statfs.namelen], [0x9fa0, 255]);
    const entries = await decoded("getdents64", "n = syscall(SYS_getdents64, open(v[1], O_RDONLY), &u, sizeof(u));");
    // deno-lint-ignore no-explicit-any
    const named = entries.map(({ name, type }: any) => `${name} ${type}`).sort();
    assert.deepEqual(named, [". directory", ".. directory", "a file", "a.c file", "file file"]);
    const names = await decoded("uname", "n = 390; syscall(SYS_uname, &u);");
    assert.deepEqual([names.sysname, names.nodename, names.release], ["Linux", Deno.hostname(), Deno.osRelease()]);
    const time = await decoded("clock_gettime", "clock_gettime(CLOCK_REALTIME, &u.time); n = sizeof(u.time);");
    assert.ok(Math.abs(time.seconds - Date.now() / 1000) < 60);
  },
});

Deno.test("decodeStructure() reads links, names and pairs of descriptors", () => {
  assert.equal(decodeStructure("readlinkat", encoder.encode("target"), "x86_64"), "target");
  assert.equal(decodeStructure("getcwd", encoder.encode("/a\0rest"), "x86_64"), "/a");
  assert.deepEqual(decodeStructure("listxattr", encoder.encode("user.a\0user.b\0"), "x86_64"), ["user.a", "user.b"]);
  assert.deepEqual(decodeStructure("pipe2", new Uint8Array(new Int32Array([3, 4]).buffer), "x86_64"), [3, 4]);
  assert.equal(decodeStructure("read", encoder.encode("data"), "x86_64"), undefined);
});

Deno.test("decodeStructure() writes what no number holds as text", () => {
  const bytes = new Uint8Array(144);
  new DataView(bytes.buffer).setBigUint64(8, 2n ** 63n, true);
  assert.equal((decodeStructure("fstat", bytes, "x86_64") as { ino: unknown }).ino, `${2n ** 63n}`);
});

Deno.test("decodeStructure() of any bytes gives plain data or nothing, and never fails or hangs", () => {
  fc.assert(fc.property(fc.constantFrom(...calls.map(({ name }) => name)), fc.uint8Array({ maxLength: 400 }), (name, bytes) => {
    const decoded = decodeStructure(name, bytes, "x86_64");
    if (decoded !== undefined) JSON.stringify(decoded);
  }));
});
