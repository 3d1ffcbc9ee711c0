import assert from "node:assert/strict";
import fc from "fast-check";
import { clockNs } from "../../../../ffi/mod.ts";
import { RefusedError } from "../../../../lib/errors.ts";
import { allowMask, formatAllowList, parseAllowList } from "../../../../lib/power/providers/msr_safe.ts";
import { Registry } from "../../../../lib/power/registry.ts";
import { intel, PowerMachine } from "../machines.ts";

// The library opens on first use and stays open: within a test that would count as a leak.
clockNs();
{
  using machine = new PowerMachine(intel);
  using _registry = Registry.open(machine);
}

const registers = fc.uniqueArray(
  fc.record({ address: fc.nat(2 ** 32 - 1), writeMask: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) }, { noNullPrototype: true }),
  { selector: ({ address }) => address, maxLength: 30 },
);

Deno.test("parseAllowList() inverts formatAllowList()", () => {
  fc.assert(fc.property(registers, (list) => assert.deepEqual(parseAllowList(formatAllowList(list)), list)));
});

Deno.test("parseAllowList() takes comments, empty lines, and letters of either case", () => {
  assert.deepEqual(parseAllowList("# MSR  Mask\n\n0x610 0x00FFffff00ffffff # limit\n  0xE7\t0x0\n"), [
    { address: 0x610, writeMask: 0x00ffffff00ffffffn },
    { address: 0xe7, writeMask: 0n },
  ]);
  assert.deepEqual(parseAllowList(""), []);
});

Deno.test("parseAllowList() refuses other lines with their number", () => {
  for (const line of ["0x610", "610 0x0", "0x610 ff", "0x610 0x0 0x0", "0x1ffffffff 0x0", "0x610 0x10000000000000000", "0x610 -1"]) {
    assert.throws(
      () => parseAllowList(`# first\n${line}\n`),
      (error) => error instanceof SyntaxError && /line 2/.test(error.message),
      line,
    );
  }
  assert.throws(() => parseAllowList("0x10 0x0\n0x010 0x1\n"), /line 2 .* twice/);
});

Deno.test("allowMask() of a register that is not on the list is 0", () => {
  assert.equal(allowMask([{ address: 0x610, writeMask: 1n }], 0x610), 1n);
  assert.equal(allowMask([{ address: 0x610, writeMask: 1n }], 0x611), 0n);
});

Deno.test("a registry on msr-safe sets what its allow-list has, and nothing else", () => {
  const list = "0x606 0x0\n0x610 0x0000000000ffffff\n0x19a 0x0\n";
  using machine = new PowerMachine({ ...intel, device: "msr_safe", files: { ...intel.files, "/dev/cpu/msr_allowlist": list } });
  using registry = Registry.open(machine);
  assert.equal(registry.find("package0/energy").provider, "msr-safe");
  assert.equal(registry.plan("package0/power-limit", 100)[0].what, "msr-safe:0:0x610:0x1ffff");
  for (const name of ["package0/power-limit-short", "dram0/power-limit", "cpu0/duty-cycle"]) {
    assert.throws(
      () => registry.plan(name, 100),
      (error) => error instanceof RefusedError && /allow-list of msr-safe/.test(error.message),
      name,
    );
  }
});
