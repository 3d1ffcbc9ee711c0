import assert from "node:assert/strict";
import { SysError } from "../../ffi/errors.ts";
import { PerfGroup } from "../../ffi/perf_group.ts";

// The library opens on first use and stays open: within a test that would count as a leak.
assert.throws(() => new PerfGroup([], { cpu: 0 }), SysError);

const code = (expected: string) => (error: unknown) => error instanceof SysError && error.code === expected;
const settle = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

Deno.test("a group of counters is read at once, and counts on", async () => {
  // Two clocks that the kernel keeps itself, of this process.
  using group = new PerfGroup([{ type: 1, config: 0n }, { type: 1, config: 1n }], { pid: 0 });
  const first = group.read();
  await settle(5);
  const second = group.read();
  assert.equal(first.values.length, 2);
  assert(second.atNs > first.atNs && second.enabledNs >= first.enabledNs);
  assert(second.values.every((value, index) => value >= first.values[index]));
});

Deno.test("a group of counters refuses events that nobody has, and none at all", () => {
  assert.throws(() => new PerfGroup([], { cpu: 0 }), code("EINVAL"));
  assert.throws(() => new PerfGroup([{ type: 1, config: 0n }, { type: 0x7fffffff, config: 1n }], { pid: 0 }), SysError);
  const group = new PerfGroup([{ type: 1, config: 1n }], { pid: 0 });
  group[Symbol.dispose]();
  group[Symbol.dispose]();
  assert.throws(() => group.read(), code("EBADF"));
});
