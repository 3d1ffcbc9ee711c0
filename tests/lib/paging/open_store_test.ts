import assert from "node:assert/strict";
import { KernelRoot } from "../../../ffi/kernel_root.ts";
import { runningMemory as memory } from "../../../ffi/memory.ts";
import { readDaxDevices } from "../../../lib/kernel/dax.ts";
import { mapObject } from "../../../lib/memory/allocate.ts";
import { PageBuffer } from "../../../lib/paging/buffer.ts";
import { Region } from "../../../lib/paging/region.ts";
import { objectStore } from "../../../lib/paging/stores.ts";
import { testsInNamespace } from "../../namespace.ts";
import { openLibrary, pattern } from "./host.ts";

const mib = 2 ** 20;
const directory = "/run/nodeos/memory/sim";
const mount = `${directory}/4KiB-node0`;

openLibrary();
memory.file(`${mount}/halo`);
readDaxDevices(new KernelRoot());

/** Object `halo` of container `sim`, in a file system of its own. */
function makeObject(): Disposable {
  memory.mount(mount, "tmpfs", `size=${4 * mib}`);
  memory.populate(`${mount}/halo`, { fromBytes: null, toBytes: mib, keepBytes: null, node: -1, uid: 0, gid: 0, cgroups: [] });
  return { [Symbol.dispose]: () => memory.unmount(mount, "detach") };
}

const test = testsInNamespace(import.meta.url);

test("an object of a container is a store: what a region writes is in its memory, and the other way round", () => {
  using _object = makeObject();
  using mapped = mapObject("halo", { directory });
  const inside = new Uint8Array(mapped.buffer);
  inside.set(pattern(mib));
  using buffer = new PageBuffer(mib / 4);
  {
    using region = Region.mapSync(objectStore("sim", "halo", { write: true }), { buffer, mode: "signal" });
    assert.equal(region.name, "object halo of container sim");
    assert.deepEqual(region.view(Uint8Array).slice(), pattern(mib));
    region.view(Uint8Array)[5000] = 1;
    region.write(mib - 1, Uint8Array.of(2));
  }
  assert.deepEqual([inside[5000], inside[mib - 1]], [1, 2]);
  using part = Region.mapSync(objectStore("sim", "halo", { offset: 4096, bytes: 4096 }), { buffer });
  assert.equal(part.bytes, 4096);
  const into = new Uint8Array(1);
  part.read(904, into);
  assert.equal(into[0], 1);
});

test("an object that is not there is refused, with those that are", () => {
  using _object = makeObject();
  assert.throws(() => Region.mapSync(objectStore("sim", "hallo")), {
    name: "NoSuchObjectError",
    message: 'Cannot page object "hallo" of container "sim": there is none; did you mean "halo"?',
    remedy: "The container has halo",
  });
});
