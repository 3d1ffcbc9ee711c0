import assert from "node:assert/strict";
import { PageBuffer } from "../../../lib/paging/buffer.ts";
import { Region, type RegionOptions } from "../../../lib/paging/region.ts";
import { compressedStore, fileStore, objectStore, partsStore, sparseStore } from "../../../lib/paging/stores.ts";
import { kernel } from "../../ffi/host.ts";
import { checkout, denoProcess } from "../../ffi/programs.ts";
import { modes, modeTest, openLibrary, pattern, Scratch } from "./host.ts";

openLibrary();

const mib = 2 ** 20;
const bytes = 2 * mib + 1001;
const expected = pattern(bytes);

function mapped(
  scratch: Scratch,
  options: RegionOptions = {},
  write = false,
): { region: Region; buffer: PageBuffer; path: string } & Disposable {
  const path = scratch.file("data", expected);
  const buffer = new PageBuffer(mib);
  const region = Region.mapSync(fileStore(path, { write }), { buffer, mode: "signal", ...options });
  return {
    region,
    buffer,
    path,
    [Symbol.dispose]() {
      region[Symbol.dispose]();
      buffer[Symbol.dispose]();
    },
  };
}

for (const mode of modes) {
  modeTest(mode, `Region.read() and Region.write() copy at any offset, mode ${mode}, and come to the file`, () => {
    using scratch = new Scratch();
    const wanted = expected.slice();
    {
      using map = mapped(scratch, { mode }, true);
      const { region, path } = map;
      assert.equal(region.bytes, bytes);
      assert.equal(region.name, path);
      for (const [offset, length] of [[0, 1], [4095, 2], [12_345, 100_000], [bytes - 1, 1], [0, bytes], [bytes, 0], [100, 0]]) {
        const into = new Uint8Array(length);
        region.read(offset, into);
        assert.deepEqual(into, wanted.slice(offset, offset + length));
      }
      for (const [offset, length] of [[0, 1], [4095, 2], [12_345, 100_000], [bytes - 3, 3]]) {
        const from = pattern(length, offset);
        region.write(offset, from);
        wanted.set(from, offset);
      }
      const words = new Uint16Array(3);
      region.read(4095, words);
      assert.deepEqual(new Uint8Array(words.buffer), wanted.slice(4095, 4101));
      assert.deepEqual(region.view(Uint8Array).slice(), wanted);
    }
    assert.deepEqual(Deno.readFileSync(`${scratch.directory}/data`), wanted);
  });
}

Deno.test("Region.gather() copies elements from anywhere, and says which one was not there", () => {
  using scratch = new Scratch();
  using map = mapped(scratch);
  const { region, path } = map;
  const offsets = BigUint64Array.from({ length: 500 }, (_, index) => BigInt((index * 48_271 + 3) % (bytes - 4)));
  const into = new Uint32Array(500);
  region.gather(offsets, into);
  const view = new DataView(expected.buffer);
  into.forEach((value, index) => assert.equal(value, view.getUint32(Number(offsets[index]), true)));
  region.gather(new BigUint64Array(0), new Float32Array(0));
  assert.throws(() => region.gather(offsets, new Uint32Array(499)), { name: "RangeError", message: "Cannot gather 500 elements into 499" });
  assert.throws(() => region.gather(BigUint64Array.of(0n, BigInt(bytes - 3)), new Uint32Array(2)), { name: "RangeError" });
  assert.throws(() => region.gather(BigUint64Array.of(2n ** 63n), new Uint32Array(1)), { name: "RangeError" });
  region.evict();
  Deno.truncateSync(path, mib);
  assert.throws(() => region.gather(BigUint64Array.of(0n, BigInt(mib)), new Uint32Array(2)), {
    code: "ENODATA",
    message: new RegExp(`Cannot read 4 bytes at ${mib} of`),
  });
});

Deno.test("views are as long as the region has elements, or as asked, and are gone with it", () => {
  using scratch = new Scratch();
  let view: Uint8Array;
  {
    using map = mapped(scratch);
    view = map.region.view(Uint8Array);
    assert.equal(view.length, bytes);
    assert.equal(map.region.view(Float64Array).length, Math.floor(bytes / 8));
    assert.equal(map.region.view(Uint32Array, 4096, 10).length, 10);
    assert.equal(map.region.view(Uint32Array, 4096)[0], new Uint32Array(expected.buffer, 4096, 1)[0]);
    assert.equal(map.region.view(DataView).getUint8(5000), expected[5000]);
    assert.equal(map.region.view(Uint8Array).buffer, view.buffer);
    assert.throws(() => map.region.view(Uint32Array, 1), RangeError);
    assert.throws(() => map.region.view(Uint8Array, 0, bytes + 1), RangeError);
    assert.equal(view[bytes - 1], expected[bytes - 1]);
  }
  assert.equal(view.length, 0);
});

Deno.test("regions leave no memory, no descriptor and no thread", () => {
  using scratch = new Scratch();
  const path = scratch.file("data", expected);
  const left = () => [
    kernel.list("/proc/self/fd").filter(({ name }) => kernel.link(`/proc/self/fd/${name}`)?.match(/nodeos-paging|userfaultfd/)).length,
    kernel.list("/proc/self/task").length,
  ];
  const mappedBytes = () => Number(kernel.read("/proc/self/statm").split(" ")[0]) * 4096;
  const round = () => {
    for (const mode of modes) {
      if (mode === "thread" && Deno.uid() !== 0) continue;
      using buffer = new PageBuffer(mib, { evictors: 1 });
      using region = Region.mapSync(fileStore(path), { buffer, mode, bytes: 64 * mib });
      region.view(Uint8Array)[mib];
    }
  };
  round();
  const [before, bytesBefore] = [left(), mappedBytes()];
  for (let count = 0; count < 20; count++) round();
  assert.deepEqual(left(), before);
  const grown = mappedBytes() - bytesBefore;
  assert(grown < 64 * mib, `${grown} bytes more are mapped after 40 regions`);
});

Deno.test("a disposed region is used no more, and disposing it again does nothing", async () => {
  using scratch = new Scratch();
  const { region, buffer } = mapped(scratch);
  region[Symbol.dispose]();
  region[Symbol.dispose]();
  await region[Symbol.asyncDispose]();
  for (
    const use of [
      () => region.view(Uint8Array),
      () => region.read(0, new Uint8Array(1)),
      () => region.flush(),
      () => region.statistics(),
      () => region.errorAt(0),
    ]
  ) assert.throws(use, { name: "TypeError", message: /Cannot use the region of .*data: it was disposed/ });
  buffer[Symbol.dispose]();
});

Deno.test("ranges outside of the region are refused, with its size", () => {
  using scratch = new Scratch();
  using map = mapped(scratch, {}, true);
  const { region } = map;
  for (const offset of [-1, 0.5, bytes + 1, NaN, Infinity, 2 ** 53]) {
    const refusal = { name: "RangeError", message: new RegExp(`it has ${bytes}$`) };
    assert.throws(() => region.read(offset, new Uint8Array(0)), refusal, `${offset}`);
    assert.throws(() => region.write(offset, new Uint8Array(0)), refusal);
    assert.throws(() => region.flush(offset, 0), refusal);
    assert.throws(() => region.pin(offset, 1), refusal);
    assert.throws(() => region.errorAt(offset), refusal);
  }
  assert.throws(() => region.read(bytes - 1, new Uint8Array(2)), RangeError);
  assert.throws(() => region.evict(0, bytes + 1), RangeError);
});

Deno.test("flush() brings what was written to the file while the region stays", () => {
  using scratch = new Scratch();
  using map = mapped(scratch, {}, true);
  const { region, path } = map;
  region.view(Uint8Array)[10_000] = 77;
  region.write(20_000, Uint8Array.of(78));
  assert.equal(region.statistics().dirtyPages >= 2, true);
  region.flush();
  const file = Deno.readFileSync(path);
  assert.deepEqual([file[10_000], file[20_000]], [77, 78]);
  assert.equal(region.statistics().dirtyPages, 0);
  assert.equal(region.view(Uint8Array)[10_000], 77);
});

Deno.test("populate(), prefetch(), evict() and pin() do what they say, as statistics() counts it", () => {
  using scratch = new Scratch();
  using map = mapped(scratch, {}, true);
  const { region, buffer } = map;
  assert.equal(region.statistics().residentPages, 0);
  region.populate(0, 65_536);
  assert.equal(region.statistics().residentPages, 16);
  const { faults } = region.statistics();
  region.view(Uint8Array)[30_000];
  assert.equal(region.statistics().faults, faults, "no fault for what was populated");
  {
    using _pin = region.pin(0, 8192);
    assert.equal(region.statistics().pinnedPages, 2);
    region.evict();
    assert.equal(region.statistics().residentPages, 2);
    assert.throws(() => region.pin(), { name: "SysError", code: "ENOMEM", message: /Cannot pin \d+ bytes at 0 of .*data: ENOMEM/ });
    assert.equal(region.statistics().pinnedPages, 2);
  }
  assert.equal(region.statistics().pinnedPages, 0);
  region.evict();
  assert.equal(region.statistics().residentPages, 0);
  region.prefetch(0, 65_536);
  assert.equal(region.view(Uint8Array)[65_535], expected[65_535]);
  assert(region.statistics().readPages >= 16);
  assert(buffer.bytes === mib);
});

Deno.test("a pin that is disposed twice, or after its region, is unpinned once", () => {
  using scratch = new Scratch();
  const { region, buffer } = mapped(scratch);
  const [a, b] = [region.pin(0, 4096), region.pin(0, 4096)];
  a[Symbol.dispose]();
  a[Symbol.dispose]();
  assert.equal(region.statistics().pinnedPages, 1);
  region[Symbol.dispose]();
  b[Symbol.dispose]();
  buffer[Symbol.dispose]();
});

Deno.test("a region may be longer than its store: zeroes are behind, and are not written", () => {
  using scratch = new Scratch();
  {
    using map = mapped(scratch, { bytes: 3 * mib }, true);
    const { region } = map;
    assert.equal(region.bytes, 3 * mib);
    const behind = new Uint8Array(3 * mib - bytes);
    region.read(bytes, behind);
    assert(behind.every((byte) => byte === 0));
    region.write(bytes - 1, Uint8Array.of(1, 2));
  }
  const file = Deno.readFileSync(`${scratch.directory}/data`);
  assert.deepEqual([file.length, file.at(-1)], [bytes, 1]);
});

Deno.test("a region of a file that nobody may write cannot be written", () => {
  using scratch = new Scratch();
  using map = mapped(scratch);
  assert.throws(() => map.region.write(0, Uint8Array.of(1)), { name: "SysError", message: /Cannot write 1 bytes at 0 of .*data: E/ });
});

Deno.test("a file that is cut off under a region fails at its page, with the reason, and the others live", () => {
  using scratch = new Scratch();
  using map = mapped(scratch);
  const { region, path } = map;
  region.read(0, new Uint8Array(4096));
  Deno.truncateSync(path, mib);
  assert.throws(() => region.read(mib + 8192, new Uint8Array(100)), {
    name: "SysError",
    code: "ENODATA",
    message: new RegExp(`Cannot read 100 bytes at ${mib + 8192} of .*data: ENODATA .*; the page at ${mib + 8192} failed`),
  });
  assert.equal(region.errorAt(mib + 8192 + 4095)?.code, "ENODATA");
  assert.equal(region.errorAt(0), null);
  const into = new Uint8Array(4096);
  region.read(mib - 4096, into);
  assert.deepEqual(into, expected.slice(mib - 4096, mib));
  Deno.writeFileSync(path, expected);
  region.forgive();
  region.read(mib + 8192, into);
  assert.equal(region.errorAt(mib + 8192), null);
  assert.deepEqual(into, expected.slice(mib + 8192, mib + 8192 + 4096));
});

for (const mode of modes) {
  modeTest(mode, `a view of a page that the store cannot give ends the program by SIGBUS, mode ${mode}`, async () => {
    using scratch = new Scratch();
    const path = scratch.file("data", expected);
    const { signal, stdout } = await denoProcess(`
      const { Region } = await import("file://${checkout}lib/paging/region.ts");
      const { PageBuffer } = await import("file://${checkout}lib/paging/buffer.ts");
      const { fileStore } = await import("file://${checkout}lib/paging/stores.ts");
      using buffer = new PageBuffer(2 ** 20);
      using region = Region.mapSync(fileStore(${JSON.stringify(path)}), { buffer, mode: "${mode}" });
      const view = region.view(Uint8Array);
      Deno.truncateSync(${JSON.stringify(path)}, 8192);
      console.log(view[4096]);
      console.log(view[100_000]);`).output();
    assert.equal(new TextDecoder().decode(stdout), `${expected[4096]}\n`);
    assert.equal(signal, "SIGBUS");
  });
}

Deno.test("every store of the library is mapped by its description", () => {
  using scratch = new Scratch();
  const path = scratch.file("data", expected);
  using buffer = new PageBuffer(mib);
  const all = (region: Region) => {
    const into = new Uint8Array(region.bytes);
    region.read(0, into);
    return into;
  };
  {
    using region = Region.mapSync(fileStore(new URL(`file://${path}`), { offset: 4096, bytes: 10_000 }), { buffer });
    assert.deepEqual(all(region), expected.slice(4096, 14_096));
  }
  {
    using region = Region.mapSync(partsStore([{ path, fileOffsetBytes: 100, bytes: 5_000 }, { path, bytes: 7_000 }]), { buffer });
    assert.deepEqual(all(region), Uint8Array.from([...expected.slice(100, 5_100), ...expected.slice(0, 7_000)]));
  }
  {
    using region = Region.mapSync(compressedStore(fileStore(path), { tierBytes: mib }), { buffer });
    assert.deepEqual(all(region), expected);
    assert.equal(region.name, `${path}, compressed`);
  }
  {
    using region = Region.mapSync(compressedStore(8 * mib, { tierBytes: 8 * mib, level: 3 }), { buffer });
    region.write(5 * mib, expected);
    region.evict();
    const into = new Uint8Array(bytes);
    region.read(5 * mib, into);
    assert.deepEqual(into, expected);
  }
  const directory = `${scratch.directory}/sparse`;
  {
    using region = Region.mapSync(sparseStore(directory, { write: true, create: true, bytes: mib, granuleBytes: 65_536 }), { buffer });
    region.write(200_000, expected.slice(0, 100));
  }
  {
    using region = Region.mapSync(sparseStore(directory), { buffer });
    assert.equal(region.bytes, mib);
    const found = all(region);
    assert.deepEqual(found.slice(200_000, 200_100), expected.slice(0, 100));
    assert(found.subarray(0, 200_000).every((byte) => byte === 0));
  }
});

/** A command as a user that nobody gave anything. */
function asNobody(args: readonly string[], options: Deno.CommandOptions = {}): Promise<Deno.CommandOutput> {
  const nobody = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
  return new Deno.Command("setpriv", { args: [...nobody, Deno.execPath(), ...args], ...options }).output();
}

const cannotBeNobody = Deno.uid() !== 0
  ? "needs root"
  : Number(kernel.tryRead("/proc/sys/vm/unprivileged_userfaultfd") ?? 1) !== 0
  ? "needs vm.unprivileged_userfaultfd = 0"
  : await asNobody(["--version"]).then(({ success }) => success, () => false)
  ? null
  : "needs setpriv";

Deno.test({
  name: `a user without privilege pages in mode signal, and is told what mode thread needs${
    cannotBeNobody === null ? "" : ` [${cannotBeNobody}]`
  }`,
  ignore: cannotBeNobody !== null,
  async fn() {
    using scratch = new Scratch();
    Deno.chmodSync(scratch.directory, 0o777);
    const path = scratch.file("data", expected);
    const script = `
      import { Region } from "file://${checkout}lib/paging/region.ts";
      import { PageBuffer } from "file://${checkout}lib/paging/buffer.ts";
      import { fileStore } from "file://${checkout}lib/paging/stores.ts";
      using buffer = new PageBuffer(2 ** 20);
      for (const mode of ["auto", "signal", "thread"]) {
        try {
          using region = Region.mapSync(fileStore(${JSON.stringify(path)}), { buffer, mode });
          console.log(mode, region.view(Uint8Array)[5000]);
        } catch (error) {
          console.log(error.name, error.message);
        }
      }`;
    const { stdout } = await asNobody(
      ["run", "-q", "-A", "--no-check", "--no-lock", `data:application/typescript,${encodeURIComponent(script)}`],
      { cwd: scratch.directory, env: { DENO_DIR: `${scratch.directory}/deno`, HOME: scratch.directory } },
    );
    assert.deepEqual(new TextDecoder().decode(stdout).trimEnd().split("\n"), [
      `auto ${expected[5000]}`,
      `signal ${expected[5000]}`,
      `RefusedError Cannot page ${path}: the kernel lets this user have no userfaultfd for mode thread`,
    ]);
  },
});

Deno.test("stores that are not there are refused by name", () => {
  assert.throws(() => Region.mapSync(fileStore("/tmp/nodeos-no-such-file")), {
    name: "NoSuchObjectError",
    message: "Cannot page /tmp/nodeos-no-such-file: there is no such file",
  });
  assert.throws(() => Region.mapSync(objectStore("nodeos-no-such-container", "halo")), {
    name: "NoSuchObjectError",
    message: 'Cannot page object "halo" of container "nodeos-no-such-container": there is none',
    remedy: /no such container/,
  });
  assert.throws(() => Region.mapSync(objectStore("../..", "x")), { name: "NoSuchObjectError" });
  assert.throws(() => Region.mapSync(compressedStore(fileStore("/tmp/nodeos-no-such-file"), { tierBytes: mib })), {
    name: "NoSuchObjectError",
  });
  using scratch = new Scratch();
  assert.throws(() => Region.mapSync(fileStore(scratch.file("short", pattern(10)), { offset: 100 })), {
    name: "UsageError",
    message: /ends before the part/,
  });
});

Deno.test("options that are none are refused by name", () => {
  using scratch = new Scratch();
  const store = fileStore(scratch.file("data", expected));
  // deno-lint-ignore no-explicit-any -- What TypeScript would refuse comes from JSON, too.
  const wrong: [any, RegExp][] = [
    [{ mode: "fast" }, /Cannot use "fast" as mode of a region/],
    [{ memory: "huge" }, /"huge" as memory/],
    [{ tracking: "toString" }, /"toString" as tracking/],
    [{ windowPages: 0 }, /Cannot use 0 as windowPages/],
    [{ threads: -1 }, /threads/],
    [{ pageBytes: 0.5 }, /pageBytes/],
    [{ pageBytes: 5000, mode: "signal" }, /do not fit together/],
  ];
  for (const [options, message] of wrong) assert.throws(() => Region.mapSync(store, options), { name: "UsageError", message });
});

Deno.test("a program with the permission for the library alone reads and writes, and is told what a view needs", async () => {
  using scratch = new Scratch();
  const path = scratch.file("data", expected);
  const { stdout, stderr } = await denoProcess(
    `
    const { Region } = await import("file://${checkout}lib/paging/region.ts");
    const { fileStore } = await import("file://${checkout}lib/paging/stores.ts");
    using region = Region.mapSync(fileStore(${JSON.stringify(path)}, { write: true }));
    const into = new Uint8Array(1);
    region.read(5000, into);
    region.write(5001, into);
    try { region.view(Uint8Array) } catch (error) { console.log(into[0], error.name, error.message) }`,
    {},
    [`--allow-ffi=${checkout}build/libnodeos.so`, `--allow-read=${path}`, `--allow-write=${path}`],
  ).output();
  assert.equal(new TextDecoder().decode(stderr), "");
  assert.equal(
    new TextDecoder().decode(stdout),
    `${expected[5000]} NotCapable Cannot view ${path} as an array: that needs --allow-ffi without a path, and this program was started ` +
      "with less; read() and write() need no more than it has\n",
  );
  assert.equal(Deno.readFileSync(path)[5001], expected[5000]);
});
