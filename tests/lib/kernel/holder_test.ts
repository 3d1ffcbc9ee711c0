import assert from "node:assert/strict";
import { errno } from "../../../ffi/errors.ts";
import { readHolders } from "../../../lib/kernel/holder.ts";
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
    { pid: 3, name: "viewer", maps: false },
    { pid: 5, name: "", maps: true },
    { pid: 20, name: "solver", maps: true },
  ]);
});

Deno.test("readHolders() finds this process by a file that it has open", () => {
  const path = Deno.makeTempFileSync();
  using _file = Deno.openSync(path);
  Deno.removeSync(path);
  assert.deepEqual(readHolders(kernel, path).map(({ pid, maps }) => [pid, maps]), [[Deno.pid, false]]);
  assert.deepEqual(readHolders(kernel, `${path}-none`), []);
});
