import assert from "node:assert/strict";
import { errno, errnoText } from "../../../ffi/errors.ts";
import { listMemory } from "../../../ffi/mapping.ts";
import { runningMemory as memory } from "../../../ffi/memory.ts";
import { allocate, mapObject } from "../../../lib/memory/allocate.ts";
import { kernel } from "../../ffi/host.ts";
import { testOutside, testsInNamespace } from "../../namespace.ts";

const mib = 2 ** 20;
const directory = "/run/nodeos/memory/sim";

// Registered at their first use, which within a test would count as a leak.
listMemory(directory);
memory.file(`${directory}/4KiB-node0/halo`);
errnoText(errno.ENOMEM);
kernel.exists("/sys");

/** Objects `halo` and `mesh`, in file systems of their own, and `raw`, a device that is not there. */
function makeObjects(): Disposable {
  const mounts = ["4KiB-node0", "4KiB-node1"].map((name) => `${directory}/${name}`);
  for (const [index, path] of mounts.entries()) {
    memory.mount(path, "tmpfs", `size=${4 * mib}`);
    const object = { fromBytes: null, toBytes: (index + 1) * mib, keepBytes: null, node: -1, uid: 0, gid: 0, cgroups: [] };
    memory.populate(`${path}/${index === 0 ? "halo" : "mesh"}`, object);
  }
  memory.link(`${directory}/devdax/raw`, "/dev/dax98.76");
  return {
    [Symbol.dispose]() {
      memory.remove(`${directory}/devdax/raw`);
      for (const path of mounts) memory.unmount(path, "detach");
    },
  };
}

/** With an environment variable of its own. */
function withVariable(name: string, value: string | undefined, action: () => void): void {
  const before = Deno.env.get(name);
  try {
    if (value === undefined) Deno.env.delete(name);
    else Deno.env.set(name, value);
    action();
  } finally {
    if (before === undefined) Deno.env.delete(name);
    else Deno.env.set(name, before);
  }
}

const test = testsInNamespace(import.meta.url);

test("mapObject() finds an object by its name, wherever it lies, by what the container told the program", () => {
  using _objects = makeObjects();
  withVariable("NODEOS_MEMORY", directory, () => {
    using halo = mapObject("halo");
    using mesh = mapObject("mesh");
    using again = mapObject("mesh", { offset: mib, bytes: 4096 });
    assert.deepEqual([halo.bytes, mesh.bytes, again.bytes], [mib, 2 * mib, 4096]);
    new Uint8Array(again.buffer)[0] = 3;
    assert.equal(new Uint8Array(mesh.buffer)[mib], 3);
    assert.equal(new Uint8Array(halo.buffer)[0], 0);
  });
});

test("mapObject() refuses a part that is none, and says how much there is", () => {
  using _objects = makeObjects();
  for (const part of [{ offset: mib }, { bytes: 0 }, { bytes: mib + 1 }, { offset: -1 }, { offset: 0.5 }, { offset: 2 * mib, bytes: 1 }]) {
    assert.throws(() => mapObject("halo", { directory, ...part }), {
      name: "UsageError",
      message: /object "halo" from .* it has 1048576$/,
    });
  }
  assert.throws(() => mapObject("halo", { directory, offset: 1 }), { name: "UsageError", message: /offset and size are whole pages/ });
});

test("mapObject() names the objects there are when one is not", () => {
  using _objects = makeObjects();
  const missing = () => mapObject("helo", { directory });
  assert.throws(missing, {
    name: "NoSuchObjectError",
    message: /none of this name; did you mean "halo"\?/,
    remedy: "The container has halo, mesh, raw",
  });
  for (const name of ["", "..", "../sim", "4KiB-node0", "4KiB-node0/halo"]) {
    assert.throws(() => mapObject(name, { directory }), { name: "NoSuchObjectError" }, name);
  }
  // A device that is gone has nothing left.
  assert.throws(() => mapObject("raw", { directory, bytes: 4096 }), { name: "UsageError", message: /object "raw" from 0 on; it has 0$/ });
});

testOutside({
  name: "mapObject() outside of a container says what is missing",
  fn() {
    withVariable("NODEOS_MEMORY", undefined, () => {
      assert.throws(() => mapObject("halo"), { name: "RefusedError", message: /NODEOS_MEMORY does not say where objects are/ });
    });
    for (const directory of ["/run/nodeos/memory/none", "/etc", ""]) {
      assert.throws(() => mapObject("halo", { directory }), { name: "NoSuchObjectError", remedy: "The container has no objects" });
    }
  },
});

testOutside({
  name: "allocate() outside of a container says what is missing",
  fn() {
    for (const value of [undefined, "", "none"]) {
      withVariable("NODEOS_HUGE_PAGES", value, () => {
        assert.throws(() => allocate(mib), { name: "RefusedError", message: /Cannot allocate 1MiB: NODEOS_HUGE_PAGES does not say/ });
      });
    }
  },
});

testOutside({
  name: "allocate() says that the container has not as much left, in pages of no size that it has",
  fn() {
    const [tooMuch, all] = [2 ** 43, "2097152,1073741824"];
    withVariable("NODEOS_HUGE_PAGES", all, () => {
      const message = "Cannot allocate 8TiB: the container has not as much left in huge pages of 2MiB and 1GiB";
      assert.throws(() => allocate(tooMuch), { name: "RefusedError", message });
    });
  },
});

testOutside({
  name: "allocate() refuses sizes that are none",
  fn() {
    for (const bytes of [0, -1, 0.5, NaN, Infinity]) {
      assert.throws(() => allocate(bytes, { pageBytes: [2 * mib] }), { name: "UsageError" }, `${bytes}`);
    }
  },
});
