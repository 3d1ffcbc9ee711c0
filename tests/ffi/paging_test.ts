import assert from "node:assert/strict";
import { errnoText } from "../../ffi/errors.ts";
import { libraryPath } from "../../ffi/library.ts";
import * as paging from "../../ffi/paging.ts";
import * as stores from "../../ffi/paging_stores.ts";
import * as tables from "../../ffi/paging_tables.ts";
import { modes, modeTest } from "../lib/paging/host.ts";
import { checkout, denoProcess, scratch } from "./programs.ts";

const native = Deno.dlopen(libraryPath(), {
  nodeos_paging_buffer_resize: { parameters: ["i32", "u64"], result: "i32" },
  nodeos_paging_buffer_close: { parameters: ["i32"], result: "i32" },
  nodeos_paging_map: { parameters: ["i32", "i32", "buffer", "buffer"], result: "i32" },
  nodeos_paging_unmap: { parameters: ["i32"], result: "i32" },
  nodeos_paging_range: { parameters: ["i32", "i32", "u64", "u64"], result: "i32" },
  nodeos_paging_read: { parameters: ["i32", "buffer", "u64", "u64"], result: "i32" },
  nodeos_paging_write: { parameters: ["i32", "buffer", "u64", "u64"], result: "i32" },
  nodeos_paging_error: { parameters: ["i32", "u64"], result: "i32" },
  nodeos_paging_statistics: { parameters: ["i32", "buffer"], result: "i32" },
  nodeos_paging_store_facts: { parameters: ["i32", "buffer"], result: "i32" },
  nodeos_paging_store_close: { parameters: ["i32"], result: "i32" },
  nodeos_paging_store_parts: { parameters: ["buffer", "u32", "buffer", "u64", "u32"], result: "i32" },
  nodeos_paging_store_fits: { parameters: ["buffer", "u32", "buffer", "u64"], result: "i32" },
  nodeos_paging_observe: { parameters: ["i32", "i32", "u64", "buffer", "u32"], result: "i32" },
  nodeos_paging_touch: { parameters: ["i32", "i32", "buffer", "buffer", "u64", "buffer", "buffer"], result: "i32" },
}).symbols;

const mib = 2 ** 20;
const [EBADF, EINVAL, ENOENT, ESRCH, EROFS] = [-9, -22, -2, -3, -30];

/** A file of words that tell where they are. */
function makeFile(name: string, bytes: number): string {
  const words = new Float64Array(bytes / 8).map((_, index) => index);
  const path = `${scratch}/${name}`;
  Deno.writeFileSync(path, new Uint8Array(words.buffer));
  return path;
}

const file = makeFile("words", 4 * mib);

/** A region of a file, with a buffer of its own. */
function mapFile(path: string, options: Parameters<typeof paging.mapRegion>[2] = {}, flags = 0, bufferBytes = mib) {
  const buffer = paging.createBuffer({ bytes: BigInt(bufferBytes) });
  const region = paging.mapRegion(buffer, stores.openFileStore(path, flags, 0, 0), options, path);
  return {
    ...region,
    [Symbol.dispose]() {
      paging.unmapRegion(region.handle, path);
      paging.closeBuffer(buffer);
    },
  };
}

// Registered at their first use, which within a test would count as a leak.
{
  using _region = mapFile(file);
  tables.pagingLayoutOf(0, -1);
  errnoText(1);
}

const layouts = {
  bufferOptions: paging.BufferOptionsLayout,
  regionOptions: paging.RegionOptionsLayout,
  statistics: paging.RegionStatisticsLayout,
  part: stores.PartLayout,
  tile: stores.TileLayout,
  facts: stores.StoreFactsLayout,
  request: stores.ServedRequestLayout,
  table: tables.RegionTableLayout,
};

for (const [name, layout] of Object.entries(layouts)) {
  Deno.test(`the layout of paging's ${name} is the compiler's`, () => {
    const type = tables.pagingLayoutTypes[name as keyof typeof layouts];
    const offsets = Object.values(layout.offsets);
    assert.equal(tables.pagingLayoutOf(type, -1), layout.size);
    assert.deepEqual(offsets.map((_, field) => tables.pagingLayoutOf(type, field)), offsets);
    assert(tables.pagingLayoutOf(type, offsets.length) < 0, "C has a field more");
  });
}

Deno.test("every structure of paging is proved here, and pagingLayoutOf() refuses others", () => {
  assert.deepEqual(Object.keys(tables.pagingLayoutTypes).sort(), Object.keys(layouts).sort());
  for (const [type, field] of [[Object.keys(layouts).length, -1], [-1, -1], [0, -2], [0, 2 ** 31 - 1]]) {
    assert.equal(tables.pagingLayoutOf(type, field), EINVAL, `${type}, ${field}`);
  }
});

Deno.test("numbers that are nobody's are refused, whatever is done with them", () => {
  const data = new Uint8Array(64);
  for (const handle of [-1, 12_345, 65_536, 2 ** 31 - 1, -(2 ** 31)]) {
    assert.deepEqual([
      native.nodeos_paging_buffer_resize(handle, 65536n),
      native.nodeos_paging_buffer_close(handle),
      native.nodeos_paging_map(-1, handle, data, data),
      native.nodeos_paging_unmap(handle),
      native.nodeos_paging_range(handle, 0, 0n, 0n),
      native.nodeos_paging_read(handle, data, 1n, 0n),
      native.nodeos_paging_write(handle, data, 1n, 0n),
      native.nodeos_paging_error(handle, 0n),
      native.nodeos_paging_statistics(handle, data),
      native.nodeos_paging_store_facts(handle, data),
      native.nodeos_paging_store_close(handle),
      native.nodeos_paging_touch(handle, 0, data, data, 1n, data, data),
    ], Array(12).fill(EBADF));
  }
});

Deno.test("a store whose buffer is nobody's is ended, and a region's number is nobody's when it is unmapped", () => {
  const store = stores.openFileStore(file, 0, 0, 0);
  const options = new Uint8Array(paging.RegionOptionsLayout.size);
  assert.equal(native.nodeos_paging_map(12_345, store, options, new Uint8Array(16)), EBADF);
  assert.equal(native.nodeos_paging_store_close(store), EBADF);
  let handle: number;
  {
    using region = mapFile(file);
    handle = region.handle;
  }
  assert.equal(native.nodeos_paging_unmap(handle), EBADF);
});

Deno.test("options of another size are refused: they are those of another version", () => {
  const store = stores.openFileStore(file, 0, 0, 0);
  const options = new Uint8Array(paging.RegionOptionsLayout.size);
  paging.RegionOptionsLayout.write(options, { size: 1, shared_fd: -1 });
  assert.equal(native.nodeos_paging_map(-1, store, options, new Uint8Array(16)), EINVAL);
  assert.equal(native.nodeos_paging_store_close(store), EBADF);
});

Deno.test("an action that is none, and words that are no words of the region, are refused", () => {
  using region = mapFile(file);
  for (const action of [-1, 7, 2 ** 31 - 1]) assert.equal(native.nodeos_paging_range(region.handle, action, 0n, 0n), EINVAL);
  for (const offset of [1n, 4n, BigInt(4 * mib), 2n ** 63n]) {
    const [offsets, words] = [BigUint64Array.of(offset), new BigUint64Array(1)];
    assert.equal(native.nodeos_paging_touch(region.handle, 0, offsets, words, 1n, new Uint32Array(1), new BigUint64Array(5)), EINVAL);
  }
});

Deno.test("paths that lie outside of their text are refused", () => {
  const parts = new Uint8Array(stores.PartLayout.size);
  const tiles = new Uint8Array(stores.TileLayout.size);
  const text = new TextEncoder().encode("/etc/passwd\0");
  for (const at of [BigInt(text.length), 2n ** 63n]) {
    stores.PartLayout.write(parts, { path: at, file_offset: 0n, bytes: 1n });
    stores.TileLayout.write(tiles, { path: at, count: 1n, bitpix: 8 });
    assert.equal(native.nodeos_paging_store_parts(parts, 1, text, BigInt(text.length), 0), EINVAL);
    assert.equal(native.nodeos_paging_store_fits(tiles, 1, text, BigInt(text.length)), EINVAL);
  }
  stores.PartLayout.write(parts, { path: 0n, file_offset: 0n, bytes: 1n });
  assert.equal(native.nodeos_paging_store_parts(parts, 1, text, BigInt(text.length - 1), 0), EINVAL, "no NUL at the end");
});

Deno.test("nodeos_paging_observe() reads the table of a region, and no other file of a process", () => {
  const data = new Uint8Array(64);
  using open = Deno.openSync(file);
  void open;
  for (let fd = 0; fd < 20; fd++) assert([EINVAL, ENOENT].includes(native.nodeos_paging_observe(Deno.pid, fd, 0n, data, 64)), `${fd}`);
  assert([ENOENT, ESRCH].includes(native.nodeos_paging_observe(2 ** 22 + 1, 0, 0n, data, 64)));
});

for (const mode of modes) {
  for (const memory of ["copy", "auto"] as const) {
    modeTest(
      mode,
      `the thread of JavaScript reads a view that is four times as large as its buffer, mode ${mode}, memory ${memory}`,
      () => {
        using region = mapFile(file, { mode: paging.regionModes[mode], memory: paging.regionMemories[memory] });
        const words = new Float64Array(paging.regionBuffer(region));
        let sum = 0;
        for (let index = 0; index < words.length; index++) sum += words[index];
        assert.equal(sum, words.length * (words.length - 1) / 2);
        for (let page = 0, index = 7; page < 2000; page++) {
          index = index * 1_103_515_245 + 12_345 & 0x7ffff;
          assert.equal(words[index], index);
        }
        const { read_pages, resident_pages, evicted_pages } = paging.regionStatistics(region.handle);
        assert(read_pages >= 1024n && resident_pages <= 256n && evicted_pages > 768n, `${read_pages} ${resident_pages} ${evicted_pages}`);
      },
    );

    modeTest(mode, `what the thread of JavaScript writes to a view comes to the file, mode ${mode}, memory ${memory}`, () => {
      const path = makeFile(`written-${mode}-${memory}`, 4 * mib);
      {
        using region = mapFile(path, { mode: paging.regionModes[mode], memory: paging.regionMemories[memory] }, stores.storeFlags.write);
        const words = new Float64Array(paging.regionBuffer(region));
        for (let index = 0; index < words.length; index += 3) words[index] = -words[index];
      }
      const words = new Float64Array(Deno.readFileSync(path).buffer);
      words.forEach((word, index) => assert.equal(Math.abs(word - (index % 3 === 0 ? -index : index)), 0));
    });
  }
}

Deno.test("a view is read while the garbage collector works", () => {
  using region = mapFile(file, { mode: paging.regionModes.signal });
  const words = new Float64Array(paging.regionBuffer(region));
  let kept: unknown[] = [];
  for (let round = 0; round < 20_000; round++) {
    const index = Math.imul(round, 2_654_435_761) >>> 13;
    kept.push({ index, value: words[index], text: `${index}`.repeat(20) });
    if (kept.length === 2_000) {
      assert((kept as { index: number; value: number }[]).every(({ index, value }) => index === value));
      kept = [];
    }
  }
});

Deno.test("100 regions share a buffer, and none sees what is another's", () => {
  const buffer = paging.createBuffer({ bytes: BigInt(2 * mib) });
  const regions = Array.from({ length: 100 }, (_, index) => {
    const store = stores.openFileStore(file, 0, index * 8192, 65_536);
    return paging.mapRegion(buffer, store, { mode: paging.regionModes.signal }, `part ${index}`);
  });
  const views = regions.map((region) => new Float64Array(paging.regionBuffer(region)));
  for (let round = 0; round < 3; round++) {
    views.forEach((view, index) => {
      for (let at = 0; at < view.length; at += 300) assert.equal(view[at], index * 1024 + at);
    });
  }
  assert.throws(() => paging.closeBuffer(buffer), { code: "EBUSY" });
  regions.forEach(({ handle }) => paging.unmapRegion(handle, "a part"));
  paging.closeBuffer(buffer);
});

Deno.test("what cannot be written is refused", () => {
  using region = mapFile(file);
  assert([EROFS, -13, -1].includes(paging.writeRegion(region.handle, 0, new Uint8Array(1))));
});

const prelude = `
  const paging = await import("file://${checkout}ffi/paging.ts");
  const stores = await import("file://${checkout}ffi/paging_stores.ts");
  const path = ${JSON.stringify(file)};`;

async function outputOf(script: string, ...permissions: string[]): Promise<{ out: string; err: string }> {
  const { stdout, stderr } = await denoProcess(`${prelude}\n${script}`, {}, permissions).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { out, err };
}

const library = `${checkout}build/libnodeos.so`;

Deno.test("paging works with a permission for the library and the file alone, but for views", async () => {
  const { out, err } = await outputOf(
    `
    const region = paging.mapRegion(-1, stores.openFileStore(path, 0, 0, 0), {}, path);
    const words = new Float64Array(2);
    console.log(paging.readRegion(region.handle, 800, new Uint8Array(words.buffer)), words.join(), paging.mayView());
    paging.unmapRegion(region.handle, path);
    paging.regionBuffer(region);`,
    `--allow-ffi=${library}`,
    `--allow-read=${file}`,
  );
  assert.equal(out, "0 100,101 false\n");
  assert.match(err, /NotCapable: Requires ffi access/);
});

Deno.test("a file that the program may not read, or not write, is not paged", async () => {
  const script = "try { stores.openFileStore(path, FLAGS, 0, 0) } catch (error) { console.log(error.name, error.message) }";
  const read = await outputOf(script.replace("FLAGS", "0"), `--allow-ffi=${library}`);
  assert.equal(read.out, `NotCapable Cannot page ${file}: this program has no permission to read it (--allow-read=${file})\n`);
  const write = await outputOf(script.replace("FLAGS", "1"), `--allow-ffi=${library}`, `--allow-read=${file}`);
  assert.equal(write.out, `NotCapable Cannot page ${file}: this program has no permission to write it (--allow-write=${file})\n`);
});
