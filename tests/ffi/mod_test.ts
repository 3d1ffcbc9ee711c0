import assert from "node:assert/strict";
import { capabilities, clockNs, effectiveUid, probeSyscall, syscallProbes } from "../../ffi/mod.ts";
import { cstr, libraryPath } from "../../ffi/library.ts";
import { kernel } from "./host.ts";

Deno.test("cstr() ends UTF-8 with a NUL, and refuses one inside", () => {
  assert.deepEqual([...cstr("aé")], [0x61, 0xc3, 0xa9, 0]);
  assert.deepEqual([...cstr("")], [0]);
  assert.throws(() => cstr("a\0b"), { name: "TypeError", message: /Cannot pass "a\\u0000b" to the kernel: it contains a NUL byte/ });
});

Deno.test("libraryPath() names a library that is there", () => {
  assert(Deno.statSync(libraryPath()).isFile);
});

Deno.test("clockNs() goes forward with CLOCK_MONOTONIC", () => {
  const [first, second] = [clockNs(), clockNs()];
  assert(0n < first && first <= second);
  // Uptime counts suspension as well, and in hundredths of a second.
  assert(Number(second) <= Number(kernel.read("/proc/uptime").split(" ")[0]) * 1e9 + 1e7);
});

Deno.test("effectiveUid() and capabilities() are those of /proc/self/status", () => {
  const status = kernel.read("/proc/self/status");
  assert.equal(effectiveUid(), Number(/^Uid:\t\d+\t(\d+)/m.exec(status)?.[1]));
  assert.equal(capabilities(), BigInt(`0x${/^CapEff:\t([0-9a-f]+)/m.exec(status)?.[1]}`));
});

Deno.test("probeSyscall() finds what the launcher itself needs, and answers for everything else", () => {
  assert.equal(probeSyscall("clone3"), 1);
  assert.equal(probeSyscall("openat2"), 1);
  assert.equal(probeSyscall("pidfdOpen"), 1);
  for (const which of Object.keys(syscallProbes) as (keyof typeof syscallProbes)[]) assert(probeSyscall(which) >= -4095);
});
