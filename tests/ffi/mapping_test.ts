import assert from "node:assert/strict";
import { SysError } from "../../ffi/errors.ts";
import { libraryPath } from "../../ffi/library.ts";
import { listMemory, mapFile, mapHugePages } from "../../ffi/mapping.ts";
import { runningMemory as memory } from "../../ffi/memory.ts";
import { testOutside, testsInNamespace } from "../namespace.ts";
import { kernel } from "./host.ts";
import { checkout, denoProcess } from "./programs.ts";

const mib = 2 ** 20;
const directory = "/run/nodeos/memory/sim/4KiB-node0";
const path = `${directory}/halo`;

const native = Deno.dlopen(libraryPath(), {
  nodeos_map_huge: { parameters: ["i64", "i32", "buffer"], result: "i32" },
  nodeos_map_object: { parameters: ["buffer", "i64", "i64", "buffer"], result: "i32" },
}).symbols;

// Registered at their first use, which within a test would count as a leak.
listMemory(directory);
memory.file(directory);

function makeObject(bytes = 4 * mib): Disposable {
  memory.mount(directory, "tmpfs", `size=${16 * mib}`);
  memory.populate(path, { fromBytes: null, toBytes: bytes, keepBytes: null, node: 0, uid: 0, gid: 0, cgroups: [] });
  return { [Symbol.dispose]: () => memory.unmount(directory, "detach") };
}

const isMapped = () => kernel.read("/proc/self/maps").includes(path);
const test = testsInNamespace(import.meta.url);

test("mapFile() shares the memory of a file with all who map it, and with the file", () => {
  using _object = makeObject();
  using a = mapFile(path, 0, 4 * mib);
  using b = mapFile(path, 0, 4 * mib);
  new Uint32Array(a.buffer)[1000] = 0xdecade;
  assert.equal(new Uint32Array(b.buffer)[1000], 0xdecade);
  assert.equal(new Uint32Array(Deno.readFileSync(path).buffer)[1000], 0xdecade);
  assert.deepEqual([a.bytes, a.buffer.byteLength], [4 * mib, 4 * mib]);
});

test("mapFile() maps a part, and what is written stays when nobody maps it any more", () => {
  using _object = makeObject();
  {
    using part = mapFile(path, 8192, 4096);
    new Uint8Array(part.buffer).fill(7);
  }
  assert(!isMapped());
  using all = mapFile(path, 0, 4 * mib);
  const bytes = new Uint8Array(all.buffer);
  assert.deepEqual([bytes[8191], bytes[8192], bytes[12287], bytes[12288]], [0, 7, 7, 0]);
});

test("a disposed MappedMemory has no bytes, nor have arrays over it, and is unmapped; to dispose again does nothing", () => {
  using _object = makeObject();
  const mapped = mapFile(path, 0, mib);
  const array = new Uint8Array(mapped.buffer);
  array[0] = 1;
  assert(isMapped());
  mapped[Symbol.dispose]();
  mapped[Symbol.dispose]();
  assert(!isMapped());
  assert.deepEqual([mapped.buffer.byteLength, array.length, array[0]], [0, 0, undefined]);
});

test("memory whose buffer was handed on stays mapped for its new owner", () => {
  using _object = makeObject();
  const mapped = mapFile(path, 0, mib);
  const owned = structuredClone(mapped.buffer, { transfer: [mapped.buffer] });
  mapped[Symbol.dispose]();
  new Uint8Array(owned)[5] = 9;
  assert.equal(Deno.readFileSync(path)[5], 9);
  assert(isMapped());
});

test("mapFile() maps nothing behind the end of a file, and nothing that begins within a page", () => {
  using _object = makeObject(mib);
  for (const [offset, bytes] of [[0, mib + 1], [mib, 1], [4096, mib], [-4096, 4096], [0, 0], [0, -1], [1, 4096], [2 ** 52, 2 ** 52]]) {
    assert.throws(() => mapFile(path, offset, bytes), { name: "SysError", code: "EINVAL" }, `${offset} ${bytes}`);
  }
  assert(!isMapped());
});

test("mapFile() follows no link but one to a device of memory", () => {
  using _object = makeObject();
  Deno.symlinkSync(path, `${directory}/link`);
  assert.throws(() => mapFile(`${directory}/link`, 0, 4096), { name: "SysError", code: "ELOOP" });
  const other = "/dev/zero";
  Deno.symlinkSync(other, `${directory}/zero`);
  assert.throws(() => mapFile(`${directory}/zero`, 0, 4096), { name: "SysError", code: "ELOOP" });
  memory.link(`${directory}/dax`, "/dev/dax98.76");
  assert.throws(() => mapFile(`${directory}/dax`, 0, 4096), { name: "SysError", code: "ENOENT" });
  for (const name of ["link", "zero", "dax"]) Deno.removeSync(`${directory}/${name}`);
});

test("listMemory() lists names and kinds, and nothing where nothing is", () => {
  using _object = makeObject();
  memory.link(`${directory}/dax`, "/dev/dax98.76");
  assert.deepEqual(listMemory(directory), [{ name: "dax", kind: "link" }, { name: "halo", kind: "file" }]);
  assert.deepEqual(listMemory("/run/nodeos/memory/sim"), [{ name: "4KiB-node0", kind: "directory" }]);
  assert.deepEqual(listMemory("/run/nodeos/memory/none"), []);
  assert.deepEqual(listMemory(path), []);
  assert.deepEqual(listMemory("/etc"), []);
});

testOutside({
  name: "mapFile() maps no file of others",
  fn() {
    assert.throws(() => mapFile("/etc/passwd", 0, 1), { name: "SysError", code: "EACCES" });
    assert.throws(() => mapFile("/dev/zero", 0, 4096), { name: "SysError", code: "EACCES" });
  },
});

testOutside({
  name: "mapHugePages() says when there are too few",
  fn() {
    // A hundred times what this machine could have.
    const bytes = 2 ** 47 / 16;
    assert.throws(() => mapHugePages(bytes, 2 * mib), (error) => error instanceof SysError && ["ENOMEM", "ENOSYS"].includes(error.code));
    for (const size of [3 * mib, 0, 0.5, -2]) {
      assert.throws(() => mapHugePages(4096, size), { name: "SysError", code: "EINVAL" }, `${size}`);
    }
  },
});

testOutside({
  name: "nodeos_map_huge() and nodeos_map_object() refuse sizes that are none",
  fn() {
    const address = new BigUint64Array(1);
    for (const [bytes, shift] of [[0n, 21], [-1n, 21], [4096n, 21], [4096n, 11], [4096n, -1], [4096n, 41], [4096n, 2 ** 31 - 1]] as const) {
      assert.equal(native.nodeos_map_huge(bytes, shift, address), -22, `${bytes} ${shift}`);
    }
    assert.equal(native.nodeos_map_object(new TextEncoder().encode("/etc/passwd\0"), 0n, 1n, address), -13);
    assert.equal(address[0], 0n);
  },
});

testOutside({
  name: "mapFile() and mapHugePages() need --allow-ffi for everything, and say so",
  async fn() {
    const script = `
      const { mapFile, mapHugePages } = await import(ffi + "mapping.ts");
      for (const call of [() => mapFile("/run/nodeos/memory/sim/4KiB-node0/halo", 0, 4096), () => mapHugePages(4096, 2 ** 21)]) {
        try { call(); } catch (error) { console.log(error.name, error.message); }
      }`;
    const { stdout } = await denoProcess(script, {}, ["--allow-read", "--allow-env", `--allow-ffi=${checkout}build`]).output();
    const lines = new TextDecoder().decode(stdout).trim().split("\n");
    assert.deepEqual(lines.length, 2, lines.join("; "));
    for (const line of lines) assert.match(line, /^NotCapable Cannot map .*: a buffer over mapped memory needs --allow-ffi without a path/);
  },
});
