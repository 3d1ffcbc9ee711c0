import assert from "node:assert/strict";
import { dirtyPages } from "../../../lib/feature/dirty_pages.ts";
import { linesOf } from "./scene.ts";

const vm = (values: Record<string, number>) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [`/proc/sys/vm/${name}`, `${value}\n`]));
const usual = {
  dirty_background_bytes: 0,
  dirty_background_ratio: 10,
  dirty_bytes: 0,
  dirty_ratio: 20,
  dirty_expire_centisecs: 3000,
  dirty_writeback_centisecs: 500,
};
const ratio = "/proc/sys/vm/dirty_background_ratio <- 1";
const interval = "/proc/sys/vm/dirty_writeback_centisecs <- 100";

Deno.test("dirtyPages calm writes early and often, and leaves the limits of programs as they are", () => {
  assert.deepEqual(linesOf(dirtyPages, vm(usual)), [ratio, interval]);
});

Deno.test("dirtyPages calm leaves a limit in bytes alone: no ratio could be put back beside it", () => {
  assert.deepEqual(linesOf(dirtyPages, vm({ ...usual, dirty_background_bytes: 100_000_000, dirty_background_ratio: 0 })), [interval]);
});

Deno.test("dirtyPages calm raises nothing: neither what is calmer already nor an interval that somebody switched off", () => {
  assert.deepEqual(linesOf(dirtyPages, vm({ ...usual, dirty_background_ratio: 1, dirty_writeback_centisecs: 50 })), []);
  assert.deepEqual(linesOf(dirtyPages, vm({ ...usual, dirty_writeback_centisecs: 0 })), [ratio]);
});

Deno.test("dirtyPages calm stays planned once it is done", () => {
  const machine = vm({ ...usual, dirty_background_ratio: 1, dirty_writeback_centisecs: 100 });
  const originals = { "/proc/sys/vm/dirty_background_ratio": "10", "/proc/sys/vm/dirty_writeback_centisecs": "500" };
  assert.deepEqual(linesOf(dirtyPages, machine, { originals }), [ratio, interval]);
});

Deno.test("dirtyPages changes nothing where the files are hidden", () => {
  assert.deepEqual(linesOf(dirtyPages, {}), []);
});
