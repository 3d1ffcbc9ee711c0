import assert from "node:assert/strict";
import { errno } from "../../../ffi/errors.ts";
import { readHolders, readMappers } from "../../../lib/kernel/holder.ts";
import { kernel } from "../../ffi/host.ts";
import { MemoryRoot } from "../../machines/memory_root.ts";

kernel.link("/proc/self/exe");

Deno.test("readHolders() finds who maps a file and who has it open, and nobody else", () => {
  const maps = (path: string) => `7f0000000000-7f0000001000 rw-s 00000000 00:2a 7                          ${path}\n`;
  const files = new MemoryRoot({
    "/proc/1/maps": maps("/usr/lib/init"),
    "/proc/1/fd/0": { link: "/dev/null" },
    "/proc/1/comm": "init\n",
    "/proc/20/maps": maps("/x/halo"),
    "/proc/20/comm": "solver\n",
    "/proc/3/fd/7": { link: "/x/halo" },
    "/proc/3/comm": "viewer\n",
    "/proc/4/maps": maps("/x/halo2"),
    "/proc/5/maps": maps("/x/halo (deleted)"),
    "/proc/6/maps": { errno: errno.EACCES },
    "/proc/7/comm": "ended\n",
    "/proc/sys/kernel/ostype": "Linux",
  });
  assert.deepEqual(readHolders(files, "/x/halo"), [
    { pid: 3, name: "viewer", endBytes: 0 },
    { pid: 5, name: "", endBytes: 4096 },
    { pid: 20, name: "solver", endBytes: 4096 },
  ]);
});

Deno.test("readHolders() finds this process by a file that it has open", () => {
  const path = Deno.makeTempFileSync();
  using _file = Deno.openSync(path);
  Deno.removeSync(path);
  assert.deepEqual(readHolders(kernel, path).map(({ pid, endBytes }) => [pid, endBytes]), [[Deno.pid, 0]]);
  assert.deepEqual(readHolders(kernel, `${path}-none`), []);
});

Deno.test("readMappers() says how far a file is mapped, and leaves out who has it open only", () => {
  const path = "/run/nodeos/memory/sim/4KiB-node0/halo";
  const files = new MemoryRoot({
    "/proc/12/maps": [
      `7f0000000000-7f0000002000 rw-s 00003000 00:2a 2          ${path}`,
      `7f0000010000-7f0000011000 r--s 00000000 00:2a 2          ${path}`,
      "7f0000020000-7f0000021000 r--p 00000000 00:2a 9          /usr/lib/libc.so.6",
      "",
    ].join("\n"),
    "/proc/12/comm": "solver\n",
    "/proc/13/maps": `7f0000000000-7f0000002000 rw-s 00000000 00:2a 2     ${path}-other\n`,
    "/proc/14/fd/3": { link: path },
  });
  assert.deepEqual(readMappers(files, path), [{ pid: 12, name: "solver", endBytes: 0x5000 }]);
});
