import assert from "node:assert/strict";
import { errno, errnoText } from "../../../ffi/errors.ts";
import { apply, prepare, undo } from "../../../lib/plan/executor.ts";
import { formatBytes, poolDriver } from "../../../lib/plan/pool.ts";
import type { Change } from "../../../lib/plan/step.ts";
import { FakeKernel } from "../../fake_kernel.ts";

// The sanitizer of tests would take the library, loaded with the first error of a fake, for a leak.
errnoText(errno.EPERM);

const directory = "/sys/devices/system/node/node1/hugepages/hugepages-2048kB";
const path = `${directory}/nr_hugepages`;
const pool = (count: number): Change => ({ kind: "pool", what: path, to: `${count}`, why: "" });
const fake = (compactedCount?: number) =>
  new FakeKernel({ version: 2, cpuCount: 4, nodeCount: 2, hugePages: [{ pageBytes: 2 ** 21, roomCount: 510, compactedCount }] });

Deno.test("a pool gets its pages, and gives them back", () => {
  const machine = fake();
  const before = machine.snapshot();
  const steps = prepare(machine, [pool(510)]);
  assert.equal(steps[0].from, "0");
  apply(machine, steps);
  assert.deepEqual([poolDriver.read(machine, path), machine.read(`${directory}/free_hugepages`).trim()], ["510", "510"]);
  assert.deepEqual(undo(machine, steps), []);
  assert.deepEqual(machine.snapshot(), before);
});

Deno.test("a pool gets the pages that are there once memory was moved together", () => {
  const machine = fake(512);
  const steps = prepare(machine, [pool(512)]);
  apply(machine, steps);
  assert.equal(poolDriver.read(machine, path), "512");
});

Deno.test("a pool that has no room for all of its pages is refused with how many there are, and gets none", () => {
  const machine = fake();
  const before = machine.snapshot();
  const message = /Cannot reserve huge pages of 2 MiB: node 1 has room for 510 of 512, the rest .* \(everything before it was undone\)/;
  assert.throws(() => apply(machine, prepare(machine, [pool(512)])), { name: "RefusedError", message });
  assert.deepEqual(machine.snapshot(), before);
});

Deno.test("a pool whose pages are in use cannot shrink, and says how many are", () => {
  const machine = fake();
  apply(machine, prepare(machine, [pool(10)]));
  machine.files.set(`${directory}/free_hugepages`, "7");
  const message = /Cannot give back huge pages of 2 MiB: node 1 has 3 where 1 are wanted, and 2 of them are in use/;
  assert.throws(() => poolDriver.write(machine, path, "1"), { name: "RefusedError", message });
  poolDriver.write(machine, path, "3");
  assert.equal(poolDriver.read(machine, path), "3");
});

Deno.test("a pool of a machine without NUMA is the machine's", () => {
  const machine = new FakeKernel({ version: 2, cpuCount: 4 });
  const path = "/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages";
  machine.files.set(path, "0");
  machine.write = () => {};
  const message = /Cannot reserve huge pages of 1 GiB: the machine has room for 0 of 2/;
  assert.throws(() => poolDriver.write(machine, path, "2"), { name: "RefusedError", message });
});

Deno.test("a pool that is not there reads null", () => {
  assert.equal(poolDriver.read(new FakeKernel({ version: 2, cpuCount: 4 }), path), null);
});

Deno.test("formatBytes() names the largest unit that divides a size", () => {
  const cases = [[0, "0 bytes"], [1, "1 bytes"], [4096, "4 KiB"], [2 ** 21, "2 MiB"], [3 * 2 ** 29, "1536 MiB"], [
    2 ** 40,
    "1 TiB",
  ]] as const;
  for (const [bytes, text] of cases) assert.equal(formatBytes(bytes), text);
});
