import assert from "node:assert/strict";
import { PageBuffer } from "../../../lib/paging/buffer.ts";
import { Region, type RegionOptions } from "../../../lib/paging/region.ts";
import { compressedStore, httpStore, workerStore, type WorkerStoreOptions } from "../../../lib/paging/stores.ts";
import type { FailingOptions } from "./stores/failing.ts";
import { modes, modeTest, openLibrary, pattern, storeModule } from "./host.ts";

openLibrary();

const mib = 2 ** 20;
const bytes = 2 * mib + 1001;

/** A store in memory that this thread sees, too. */
function makeMemory(): { memory: SharedArrayBuffer; inside: Uint8Array; expected: Uint8Array<ArrayBuffer> } {
  const memory = new SharedArrayBuffer(bytes);
  const inside = new Uint8Array(memory);
  const expected = pattern(bytes);
  inside.set(expected);
  return { memory, inside, expected };
}

const memoryStore = (memory: SharedArrayBuffer, options: WorkerStoreOptions & { isAsync?: boolean } = {}) =>
  workerStore(storeModule("memory"), { ...options, options: { memory, isAsync: options.isAsync } });

const failingStore = (options: FailingOptions, more: WorkerStoreOptions = {}) => workerStore(storeModule("failing"), { ...more, options });

for (const mode of modes) {
  for (
    const [title, options] of [
      ["one worker", {}],
      ["three workers", { workers: 3 }],
      ["answers that come later", { isAsync: true, parallel: 4 }],
    ] as const
  ) {
    modeTest(mode, `the main thread waits for pages of a worker, mode ${mode}, with ${title}`, async () => {
      const { memory, inside, expected } = makeMemory();
      using buffer = new PageBuffer(mib);
      {
        await using region = await Region.map(memoryStore(memory, { ...options, write: true }), { buffer, mode, windowPages: 16 });
        const view = region.view(Uint8Array);
        assert.equal(view.length, bytes);
        for (let offset = 0; offset < bytes; offset += 4096) assert.equal(view[offset], expected[offset], `${offset}`);
        for (let round = 0, offset = 1; round < 50; round++) {
          offset = (offset * 48_271) % 2_147_483_647;
          assert.equal(view[offset % bytes], expected[offset % bytes]);
        }
        for (let offset = 5; offset < bytes; offset += 12_288) view[offset] = 255 - expected[offset];
        region.write(bytes - 2, Uint8Array.of(1, 2));
        region.flush();
        assert.equal(inside[5], 255 - expected[5]);
        view[4096] = 42;
      }
      assert.equal(inside[4096], 42);
      expected[4096] = 42;
      expected.set([1, 2], bytes - 2);
      for (let offset = 5; offset < bytes; offset += 12_288) expected[offset] = 255 - expected[offset];
      assert.deepEqual(inside.slice(), Uint8Array.from(expected));
    });
  }
}

async function withRegion(store: ReturnType<typeof workerStore>, use: (region: Region) => void, options: RegionOptions = {}) {
  using buffer = new PageBuffer(mib);
  await using region = await Region.map(store, { buffer, mode: "signal", windowPages: 1, ...options });
  use(region);
}

Deno.test("what a store throws reaches Region.read() in its words and Region.errorAt(), and the other pages live", async () => {
  await withRegion(failingStore({ how: "throw", from: mib / 2 }), (region) => {
    const into = new Uint8Array(100);
    region.read(4096, into);
    assert(into.every((byte) => byte === 1));
    assert.throws(() => region.read(mib - 100, into), {
      name: "SysError",
      code: "ENODATA",
      message: new RegExp(
        `^Cannot read 100 bytes at ${mib - 100} of file:.*failing.ts: ENODATA \\(no data available\\); ` +
          `the page at ${mib - 4096} failed: no medium at ${mib - 4096}$`,
      ),
    });
    assert.deepEqual(region.errorAt(mib - 1), { code: "ENODATA", message: `no medium at ${mib - 4096}` });
    assert.equal(region.errorAt(4096), null);
    region.read(0, into);
  });
});

Deno.test("what a store does not write is told by flush(), and again when the region is disposed", async () => {
  using buffer = new PageBuffer(mib);
  const region = await Region.map(failingStore({ how: "write" }, { write: true }), { buffer, mode: "signal" });
  region.write(10_000, Uint8Array.of(1));
  const refusal = (action: RegExp) => ({
    name: "SysError",
    code: "ENOSPC",
    message: new RegExp(`${action.source}.*failing.ts: ENOSPC .*the disk is full$`),
  });
  assert.throws(() => region.flush(), refusal(/^Cannot flush 1048576 bytes at 0 of /));
  assert.equal(region.view(Uint8Array)[10_000], 1);
  assert.equal(region.errorAt(10_000)?.message, "the disk is full");
  await assert.rejects(async () => await region[Symbol.asyncDispose](), refusal(/^Cannot write back all of /));
});

Deno.test("a page that failed once is there when it is asked for again", async () => {
  await withRegion(failingStore({ how: "once" }), (region) => {
    const into = new Uint8Array(1);
    assert.throws(() => region.read(0, into), { code: "EIO", message: /a hiccup$/ });
    region.forgive();
    region.read(0, into);
    assert.equal(into[0], 1);
  });
});

Deno.test("a worker that ends, or is ended by an exception, leaves no one waiting", async () => {
  for (const how of ["exit", "uncaught"] as const) {
    await withRegion(failingStore({ how, from: 8192 }, { limitMs: 20_000 }), (region) => {
      const into = new Uint8Array(1);
      region.read(0, into);
      assert.throws(() => region.read(8192, into), { name: "SysError", code: "EIO" }, how);
      assert.throws(() => region.read(0x4000, into), { name: "SysError", code: "EIO" }, how);
    });
  }
});

Deno.test("a store that never answers is given up after its time limit", async () => {
  await withRegion(failingStore({ how: "never", from: 8192 }, { limitMs: 1_000, parallel: 2 }), (region) => {
    const into = new Uint8Array(1);
    assert.throws(() => region.read(8192, into), { name: "SysError", code: "ETIMEDOUT" });
    region.read(0, into);
    assert.equal(region.errorAt(8192)?.code, "ETIMEDOUT");
  });
});

Deno.test("a store may load modules while the main thread loads others, and waits for its pages", async () => {
  using buffer = new PageBuffer(mib);
  await using region = await Region.map(workerStore(storeModule("lazy"), { limitMs: 20_000 }), { buffer, mode: "signal", windowPages: 1 });
  const view = region.view(Uint8Array);
  for (let page = 0; page < 20; page++) {
    const loading = import(`./stores/nothing.ts?main-${page}`);
    assert.equal(view[page * 4096], 42);
    await Promise.resolve();
    assert.equal(view[(page + 100) * 4096], 42);
    assert.equal((await loading).default, 42);
  }
});

Deno.test("modules that are no stores, and stores that do not open, are refused with the reason", async () => {
  const refused = (store: ReturnType<typeof workerStore>, message: RegExp) => assert.rejects(Region.map(store), { message });
  await refused(failingStore({ how: "open" }), /Cannot open the store: the disk is gone/);
  await refused(failingStore({ how: "short" }), /neither a PageStore nor/);
  await refused(workerStore(storeModule("nothing")), /neither a PageStore nor a function/);
  await refused(workerStore(storeModule("there-is-none")), /Cannot open the store: .*there-is-none/);
  await refused(failingStore({ how: "throw" }, { write: true }), /Cannot write to the store of .*: it has no method write/);
  await refused(failingStore({ how: "throw" }, { workers: 0 }), /Cannot use 0 workers/);
});

Deno.test("Region.mapSync() says that a worker has to start", () => {
  const { memory } = makeMemory();
  for (const store of [memoryStore(memory), compressedStore(memoryStore(memory), { tierBytes: mib })]) {
    assert.throws(() => Region.mapSync(store), { name: "UsageError", message: /its worker has to start/, remedy: /await Region.map/ });
  }
});

Deno.test("a tier of compressed memory lies above a worker's store", async () => {
  const { memory, inside, expected } = makeMemory();
  using buffer = new PageBuffer(mib);
  {
    await using region = await Region.map(compressedStore(memoryStore(memory, { write: true }), { tierBytes: 8 * mib }), { buffer });
    const into = new Uint8Array(bytes);
    region.read(0, into);
    assert.deepEqual(into, expected);
    region.write(100, Uint8Array.of(9));
    region.evict();
  }
  assert.equal(inside[100], 9);
});

Deno.test("a region of a worker's store that is disposed at once, without waiting, leaves nothing", async () => {
  const { memory, inside } = makeMemory();
  using region = await Region.map(memoryStore(memory, { write: true }));
  region.write(0, Uint8Array.of(99));
  region[Symbol.dispose]();
  assert.equal(inside[0], 99);
});

/** Runs the tests' web server in a worker: this thread waits for pages, and could not answer. */
async function serverWorker(): Promise<{ url: string } & Disposable> {
  const worker = new Worker(new URL("./stores/http_worker.ts", import.meta.url), { type: "module" });
  const url = await new Promise<string>((resolve) => worker.addEventListener("message", ({ data }) => resolve(data), { once: true }));
  return { url, [Symbol.dispose]: () => worker.terminate() };
}

Deno.test("a file of a web server is a region, that the main thread reads as an array", async () => {
  using server = await serverWorker();
  using buffer = new PageBuffer(mib);
  await using region = await Region.map(httpStore(`${server.url}/good`, { timeoutMs: 5_000 }), { buffer });
  const expected = pattern(300_000);
  assert.deepEqual(region.view(Uint8Array).slice(), expected);
  assert.equal(region.name, `${server.url}/good`);
});

Deno.test("a web server that becomes ill is an exception with its status, at the pages that were not read before", async () => {
  using server = await serverWorker();
  await withRegion(httpStore(`${server.url}/ill`, { timeoutMs: 5_000 }), (region) => {
    const into = new Uint8Array(4096);
    region.read(0, into);
    assert.throws(() => region.read(200_000, into), { code: "EIO", message: /\/ill: the server answers with status 500$/ });
    region.read(0, into);
    assert.deepEqual(into, pattern(4096));
  });
});

Deno.test("a web server that is too slow is ETIMEDOUT", async () => {
  using server = await serverWorker();
  await withRegion(httpStore(`${server.url}/slow`, { timeoutMs: 200 }), (region) => {
    assert.throws(() => region.read(0, new Uint8Array(1)), { code: "ETIMEDOUT", message: /no answer within 200 ms$/ });
  });
});

Deno.test("a web server without the file is refused when it is mapped", async () => {
  using server = await serverWorker();
  await assert.rejects(Region.map(httpStore(`${server.url}/none`)), {
    message: /Cannot open the store: .*\/none: there is no such file \(status 404\)/,
  });
});
