import assert from "node:assert/strict";
import { PageBuffer } from "../../../lib/paging/buffer.ts";
import { Region } from "../../../lib/paging/region.ts";
import { fileStore } from "../../../lib/paging/stores.ts";
import { openLibrary, pattern, Scratch } from "./host.ts";

openLibrary();

const mib = 2 ** 20;

Deno.test("a PageBuffer that is none is refused, with what is the least", () => {
  for (const bytes of [0, -1, 0.5, NaN, Infinity, 2 ** 53]) assert.throws(() => new PageBuffer(bytes), { name: "UsageError" });
  assert.throws(() => new PageBuffer(65_535), { name: "UsageError", message: /less than 16 pages \(65536 bytes\)/ });
  assert.throws(() => new PageBuffer(mib, { lowPercent: 90, highPercent: 80 }), { name: "UsageError", message: /do not ascend to 100/ });
  assert.throws(() => new PageBuffer(mib, { highPercent: 101 }), { name: "UsageError" });
});

Deno.test("a PageBuffer is not ended while regions use it, and again is nothing", () => {
  using scratch = new Scratch();
  const buffer = new PageBuffer(mib);
  {
    using region = Region.mapSync(fileStore(scratch.file("f", pattern(8192))), { buffer, mode: "signal" });
    region.read(0, new Uint8Array(1));
    assert.throws(() => buffer[Symbol.dispose](), { name: "RefusedError", message: /regions use it/, remedy: "Dispose its regions first" });
    assert.equal(buffer.bytes, mib);
  }
  buffer[Symbol.dispose]();
  buffer[Symbol.dispose]();
  assert.throws(() => Region.mapSync(fileStore("/etc/hostname"), { buffer }), { name: "TypeError", message: /it was disposed/ });
});

Deno.test("PageBuffer.resize() evicts what is above, and gives room", () => {
  using scratch = new Scratch();
  using buffer = new PageBuffer(4 * mib);
  using region = Region.mapSync(fileStore(scratch.file("f", pattern(2 * mib))), { buffer, mode: "signal" });
  region.populate();
  assert.equal(region.statistics().residentPages, 512);
  buffer.resize(mib);
  assert(region.statistics().residentPages <= 256);
  assert.equal(buffer.bytes, mib);
  buffer.resize(4 * mib);
  region.populate();
  assert.equal(region.statistics().residentPages, 512);
  assert.throws(() => buffer.resize(4096), { name: "UsageError" });
  using _pin = region.pin();
  assert.throws(() => buffer.resize(mib), { name: "RefusedError", message: /pinned/ });
});
