import assert from "node:assert/strict";
import { errno } from "../../../ffi/errors.ts";
import { classDriver, schemataDriver, splitSchemata } from "../../../lib/plan/resource_class.ts";
// Loads the library before the tests, which would take it for a leak.
import "../../captured.ts";
import { FakeKernel } from "../../fake_kernel.ts";

const root = "/sys/fs/resctrl";
const path = `${root}/a`;
const machineWithClass = () => {
  const machine = new FakeKernel({ version: 2, cpuCount: 4, caches: { cpusPerCache: 2 } });
  classDriver.write(machine, path, "");
  return machine;
};

Deno.test("classDriver makes and removes a class with all that is in it", () => {
  const machine = machineWithClass();
  assert.equal(classDriver.read(machine, path), "");
  machine.write(`${path}/cpus_list`, "1");
  classDriver.write(machine, path, null);
  assert.equal(classDriver.read(machine, path), null);
  assert.equal(machine.read(`${root}/cpus_list`), "0-3\n");
});

Deno.test("schemataDriver reads and writes one value and leaves the others", () => {
  const machine = machineWithClass();
  assert.equal(schemataDriver.read(machine, `${path}:L3:1`), "fffff");
  schemataDriver.write(machine, `${path}:L3:1`, "f0");
  schemataDriver.write(machine, `${path}:MB:0`, "30");
  assert.deepEqual(["L3:0", "L3:1", "MB:0", "MB:1"].map((what) => schemataDriver.read(machine, `${path}:${what}`)), [
    "fffff",
    "f0",
    "30",
    "100",
  ]);
});

Deno.test("schemataDriver reads null where there is no such class, resource or domain, and writes nothing for it", () => {
  const machine = machineWithClass();
  for (const what of [`${root}/none:L3:0`, `${path}:L2:0`, `${path}:L3:7`]) assert.equal(schemataDriver.read(machine, what), null);
  const before = machine.snapshot();
  schemataDriver.write(machine, `${path}:L3:0`, null);
  assert.deepEqual(machine.snapshot(), before);
});

Deno.test("schemataDriver passes on why the kernel refuses a value", () => {
  const write = (value: string) => () => schemataDriver.write(machineWithClass(), `${path}:L3:0`, value);
  assert.throws(write("5"), { errno: errno.EINVAL, message: /EINVAL .*; the kernel says "The mask 5 has non-consecutive 1-bits"$/ });
  assert.throws(write("0"), { message: /"Mask out of range"$/ });
  assert.throws(write("xyz"), { message: /"Non-hex character in the mask xyz"$/ });
});

Deno.test("splitSchemata() parts what a step names", () => {
  assert.deepEqual(splitSchemata(`${path}:L3CODE:12`), { directory: path, resource: "L3CODE", domain: 12 });
});
