import assert from "node:assert/strict";
import { architectureOfAudit, architectures, auditArch, hostArchitecture } from "../../../lib/syscall/arch.ts";

Deno.test("auditArch has the kernel's numbers: 64 bits, little-endian, and the machine as in ELF", () => {
  const wide = 0x80000000, little = 0x40000000;
  assert.equal(auditArch.x86_64, wide + little + 62);
  assert.equal(auditArch.aarch64, wide + little + 183);
});

Deno.test("architectureOfAudit() inverts auditArch, and knows no other", () => {
  for (const architecture of architectures) assert.equal(architectureOfAudit(auditArch[architecture]), architecture);
  for (const other of [0, 0x40000003, /* i386 */ 0xc00000f3 /* riscv64 */]) assert.equal(architectureOfAudit(other), null);
});

Deno.test("hostArchitecture() is what Deno was built for", () => {
  assert.equal(hostArchitecture(), Deno.build.arch);
});
