import assert from "node:assert/strict";
import fc from "fast-check";
import { errno, errnoText, SysError } from "../../../ffi/errors.ts";
import { MsrDevices, msrWriteMask } from "../../../ffi/msr.ts";
import { apply, prepare, undo, verify } from "../../../lib/plan/executor.ts";
import { formatMsr, formatRegister, msrDriver, powerDriver, splitMsr } from "../../../lib/plan/power.ts";
import { intel, PowerMachine, typicalLimits } from "../power/machines.ts";

// The library opens on first use and stays open: within a test that would count as a leak.
errnoText(errno.ENOENT);
msrWriteMask(0);
assert.throws(() => new MsrDevices("/nowhere"), SysError);

const what = "msr:0:0x610:0x1ffff";

Deno.test("splitMsr() inverts formatMsr(), and refuses other texts", () => {
  const place = fc.record({
    driver: fc.constantFrom("msr" as const, "msr-safe" as const),
    cpu: fc.nat(4095),
    address: fc.nat(2 ** 32 - 1),
    mask: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  }, { noNullPrototype: true });
  fc.assert(fc.property(place, (place) => assert.deepEqual(splitMsr(formatMsr(place)), place)));
  for (const text of ["", "0:0x610:0x1", "msr:0:610:0x1", "msr:-1:0x610:0x1", "other:0:0x610:0x1", "msr:0:0x610:0x1 "]) {
    assert.throws(() => splitMsr(text), SyntaxError, text);
  }
});

Deno.test("a step on a register changes its bits alone, and goes back bit for bit", () => {
  using machine = new PowerMachine(intel);
  machine.setRegister(0, 0x610, typicalLimits | 1n << 60n);
  const steps = prepare(machine, [{ kind: "msr", what, to: "0x18320", why: "100 W" }]);
  assert.equal(steps[0].from, formatRegister(typicalLimits & 0x1ffffn));
  apply(machine, steps);
  assert.equal(machine.register(0, 0x610), typicalLimits & ~0x1ffffn | 1n << 60n | 0x18320n);
  assert.deepEqual(verify(machine, steps), []);
  assert.deepEqual(undo(machine, steps), []);
  assert.equal(machine.register(0, 0x610), typicalLimits | 1n << 60n);
});

Deno.test("a register of a CPU that is not there has no value, and of one that is forbidden says so", () => {
  using machine = new PowerMachine(intel);
  assert.equal(msrDriver.read(machine, "msr:9:0x610:0x1ffff"), null);
  assert.equal(msrDriver.read(machine, "msr-safe:0:0x610:0x1ffff"), null);
  assert.equal(msrDriver.read({ ...machine, base: "/nowhere" } as PowerMachine, what), null);
  assert.throws(() => msrDriver.write(machine, "msr:0:0x1a0:0x1", "0x1"), (error) => error instanceof SysError && error.code === "EACCES");
  msrDriver.write(machine, "msr:0:0x1a0:0x1", null);
});

Deno.test("limits of firmware are those of the running machine only", () => {
  using machine = new PowerMachine(intel);
  assert.equal(powerDriver.read(machine, "hsmp:0"), null);
  powerDriver.write(machine, "hsmp:0", "1000");
});
