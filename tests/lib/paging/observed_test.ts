import assert from "node:assert/strict";
import { KernelRoot } from "../../../ffi/kernel_root.ts";
import { pagingLayoutOf } from "../../../ffi/paging_tables.ts";
import { PageBuffer } from "../../../lib/paging/buffer.ts";
import { countPages, observeAllRegions, observeRegions, processName } from "../../../lib/paging/observed.ts";
import { Region } from "../../../lib/paging/region.ts";
import { compressedStore, fileStore, partsStore } from "../../../lib/paging/stores.ts";
import { openLibrary, pattern, Scratch } from "./host.ts";

openLibrary();
pagingLayoutOf(0, -1);
const kernel = new KernelRoot();
observeAllRegions(kernel);

const mib = 2 ** 20;

Deno.test("observeRegions() shows what a process has mapped, as long as it has", () => {
  using scratch = new Scratch();
  const path = scratch.file("data", pattern(mib + 100));
  using buffer = new PageBuffer(mib);
  assert.deepEqual(observeRegions(kernel, Deno.pid), []);
  {
    using region = Region.mapSync(fileStore(path, { write: true }), { buffer, mode: "signal", windowPages: 1, pageBytes: 8192 });
    region.populate(0, 32_768);
    region.write(8192, Uint8Array.of(1));
    const regions = observeRegions(kernel, Deno.pid)!;
    assert.equal(regions.length, 1);
    const [found] = regions;
    const { pid, name, bytes, pageBytes, pageCount, storeBytes, mode, isWritable, statistics } = found;
    assert.deepEqual([pid, name, bytes, pageBytes, pageCount, storeBytes, mode, isWritable], [
      Deno.pid,
      path,
      mib + 100,
      8192,
      129,
      mib + 100,
      "signal",
      true,
    ]);
    assert.deepEqual(statistics, region.statistics());
    const cells = countPages(found, 1024);
    assert.equal(cells.length, 129);
    assert.deepEqual(cells.slice(0, 5).map(({ clean, dirty, absent }) => [clean, dirty, absent]), [
      [1, 0, 0],
      [0, 1, 0],
      [1, 0, 0],
      [1, 0, 0],
      [0, 0, 1],
    ]);
    assert.deepEqual(countPages(found, 1), [{ absent: 125, clean: 3, dirty: 1, poisoned: 0 }]);
    assert(observeAllRegions(kernel).some(({ pid, id }) => pid === Deno.pid && id === found.id));
    region[Symbol.dispose]();
    assert.deepEqual(countPages(found, 10), []);
  }
  assert.deepEqual(observeRegions(kernel, Deno.pid), []);
});

Deno.test("a region whose store has no name of its own has the one of its description", () => {
  using scratch = new Scratch();
  const path = scratch.file("data", pattern(8192));
  using buffer = new PageBuffer(mib);
  using _parts = Region.mapSync(partsStore([{ path, bytes: 4096 }, { path, bytes: 100 }]), { buffer });
  using _tier = Region.mapSync(compressedStore(mib, { tierBytes: mib }), { buffer });
  assert.deepEqual(observeRegions(kernel, Deno.pid)!.map(({ name }) => name).sort(), ["2 parts of files", "compressed memory"]);
});

Deno.test("a process that is not there has no regions, and no name", () => {
  assert.equal(observeRegions(kernel, 4_194_303), null);
  assert.equal(processName(kernel, 4_194_303), "?");
  assert.equal(processName(kernel, Deno.pid), kernel.read("/proc/self/comm").trim());
});
