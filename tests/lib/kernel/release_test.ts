import assert from "node:assert/strict";
import { isKernelBefore } from "../../../lib/kernel/release.ts";
import { MemoryRoot } from "../../machines/memory_root.ts";

const machine = (release: string) => new MemoryRoot({ "/proc/sys/kernel/osrelease": `${release}\n` });

Deno.test("isKernelBefore() compares numbers, not digits", () => {
  for (const release of ["6.1.0-50-amd64", "6.8.12", "5.15.0-rc3", "5.9"]) {
    assert.equal(isKernelBefore(machine(release), 6, 9), true, release);
  }
  for (const release of ["6.9.0", "6.12", "6.19-rc1", "7.2.12+deb13-amd64"]) {
    assert.equal(isKernelBefore(machine(release), 6, 9), false, release);
  }
});

Deno.test("isKernelBefore() takes a kernel that does not say its version for a new one", () => {
  assert.equal(isKernelBefore(machine("unknown"), 6, 9), false);
  assert.equal(isKernelBefore(new MemoryRoot({}), 6, 9), false);
});
