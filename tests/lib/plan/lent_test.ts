import assert from "node:assert/strict";
import { errno, errnoText } from "../../../ffi/errors.ts";
import { apply, prepare, undo, verify } from "../../../lib/plan/executor.ts";
import { lentDriver } from "../../../lib/plan/lent.ts";
import type { Change } from "../../../lib/plan/step.ts";
import { FakeKernel } from "../../fake_kernel.ts";
import { MemoryRoot } from "../../machines/memory_root.ts";

// The sanitizer of tests would take the library, loaded with the first error of a fake, for a leak.
errnoText(errno.EPERM);

const path = "/run/nodeos/memory/sim/devdax/halo";
const lent = (to: string): Change => ({ kind: "lent", what: path, to, why: "" });

/** A machine with two devices of memory. */
function machine(): FakeKernel {
  const fake = new FakeKernel({ version: 2, cpuCount: 4 });
  for (const name of ["dax0.0", "dax1.0"]) {
    fake.files.set(`/dev/${name}`, "device 0:0");
    fake.files.set(`/sys/bus/dax/devices/${name}/size`, `${2 ** 30}`);
  }
  return fake;
}

Deno.test("a device is lent, changes hands, is changed for another one, and comes back", () => {
  const fake = machine();
  const before = fake.snapshot();
  const steps = prepare(fake, [lent("/dev/dax0.0 1000:1001")]);
  assert.equal(steps[0].from, null);
  apply(fake, steps);
  assert.deepEqual([fake.files.get("/dev/dax0.0"), fake.files.get(path)], ["device 1000:1001", "-> /dev/dax0.0"]);
  for (const to of ["/dev/dax0.0 7:7", "/dev/dax1.0 1000:1001"]) {
    const more = prepare(fake, [lent(to)]);
    apply(fake, more);
    assert.equal(lentDriver.read(fake, path), to);
    assert.deepEqual(undo(fake, more), []);
    assert.deepEqual(verify(fake, steps), []);
  }
  assert.equal(fake.files.get("/dev/dax1.0"), "device 0:0");
  assert.deepEqual(undo(fake, steps), []);
  assert.deepEqual(fake.snapshot(), before);
});

Deno.test("a device is filled with zeroes, all of it, whenever it is lent", () => {
  const fake = machine();
  const zeroed: [string, number, number][] = [];
  const { own } = fake.memory;
  fake.memory.own = (device, bytes, owner) => {
    zeroed.push([device, bytes, owner.uid]);
    own.call(fake.memory, device, bytes, owner);
  };
  lentDriver.write(fake, path, "/dev/dax0.0 1000:1001");
  lentDriver.write(fake, path, "/dev/dax1.0 1000:1001");
  lentDriver.write(fake, path, null);
  assert.deepEqual(zeroed, [["/dev/dax0.0", 2 ** 30, 1000], ["/dev/dax0.0", 0, 0], ["/dev/dax1.0", 2 ** 30, 1000], ["/dev/dax1.0", 0, 0]]);
});

Deno.test("a device that somebody still maps, or has open, is lent to nobody", () => {
  for (const found of ["maps", "fd"]) {
    const fake = machine();
    fake.files.set("/proc/4711/comm", "solver");
    fake.list = (path) =>
      path === "/proc" ? [{ name: "4711", kind: "directory" }] : path.endsWith("/fd") ? [{ name: "3", kind: "link" }] : [];
    if (found === "maps") fake.files.set("/proc/4711/maps", "7f0000000000-7f0040000000 rw-s 00000000 00:05 123     /dev/dax0.0");
    else fake.link = ((path: string) => path === "/proc/4711/fd/3" ? "/dev/dax0.0" : null) as unknown as typeof fake.link;
    const message = /Cannot lend \/dev\/dax0\.0: it is still open or mapped by solver \(process 4711\).*everything before it was undone/;
    assert.throws(() => apply(fake, prepare(fake, [lent("/dev/dax0.0 1000:1001")])), { name: "RefusedError", message });
    assert.deepEqual([fake.files.get("/dev/dax0.0"), fake.files.get(path)], ["device 0:0", undefined]);
  }
});

Deno.test("a device is taken back whenever its lending breaks off", () => {
  for (let at = 1; at <= 2; at++) {
    const fake = machine();
    const before = fake.snapshot();
    const steps = prepare(fake, [lent("/dev/dax0.0 1000:1001")]);
    fake.changeCount = 0;
    fake.fault = (change) => change === at ? errno.EIO : undefined;
    assert.throws(() => apply(fake, steps), { name: "RefusedError", message: /EIO.*everything before it was undone/ });
    assert.deepEqual(fake.snapshot(), before, `change ${at}`);
  }
});

Deno.test("a link to a device that is gone says so, and goes", () => {
  const fake = machine();
  lentDriver.write(fake, path, "/dev/dax0.0 1000:1001");
  fake.files.delete("/dev/dax0.0");
  assert.equal(lentDriver.read(fake, path), "/dev/dax0.0 gone");
  lentDriver.write(fake, path, null);
  assert.equal(lentDriver.read(fake, path), null);
});

Deno.test("a device that others may open too does not read as lent", () => {
  const fake = machine();
  lentDriver.write(fake, path, "/dev/dax0.0 1000:1001");
  const { file } = fake.memory;
  fake.memory.file = (path) => {
    const found = file.call(fake.memory, path);
    return found && { ...found, mode: 0o660 };
  };
  assert.equal(lentDriver.read(fake, path), "/dev/dax0.0 1000:1001 mode 660");
});

Deno.test("lentDriver refuses what is no device of memory, one that has no size, and machines that are made of files", () => {
  const fake = machine();
  for (const value of ["/dev/sda 0:0", "/dev/dax0.0", "dax0.0 0:0", ""]) {
    assert.throws(() => lentDriver.write(fake, path, value), { name: "SyntaxError" }, value);
  }
  fake.files.set("/sys/bus/dax/devices/dax0.0/size", "0");
  assert.throws(() => lentDriver.write(fake, path, "/dev/dax0.0 1:1"), { name: "RefusedError", message: /does not say how large it is/ });
  assert.equal(lentDriver.read(new MemoryRoot({}), path), null);
});
