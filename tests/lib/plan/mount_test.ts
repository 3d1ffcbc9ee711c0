import assert from "node:assert/strict";
import { errno, errnoText } from "../../../ffi/errors.ts";
import { isKernelBefore } from "../../../lib/kernel/release.ts";
import { apply, prepare, undo, verify } from "../../../lib/plan/executor.ts";
import { mountDriver, readMount, roomDriver } from "../../../lib/plan/mount.ts";
import type { Change } from "../../../lib/plan/step.ts";
import { FakeKernel } from "../../fake_kernel.ts";
import { MemoryRoot } from "../../machines/memory_root.ts";
import { testOutside, testsInNamespace } from "../../namespace.ts";
import { kernel } from "../../ffi/host.ts";

// The sanitizer of tests would take the library, loaded with the first error of a fake, for a leak.
errnoText(errno.EPERM);
mountDriver.read(kernel, "/run/nodeos/memory/none/4KiB-node0");

const directory = "/run/nodeos/memory/sim/4KiB-node0";
const mount = (to: string, what = directory): Change => ({ kind: "mount", what, to, why: "" });
const room = (to: string): Change => ({ kind: "room", what: directory, to, why: "" });
const fake = () => new FakeKernel({ version: 2, cpuCount: 4, nodeCount: 2, hugePages: [{ pageBytes: 2 ** 21, roomCount: 9 }] });

function mountinfo(...lines: readonly string[]): MemoryRoot {
  return new MemoryRoot({ "/proc/self/mountinfo": lines.map((line, id) => `${id} 1 0:${id} / ${line}\n`).join("") });
}

testOutside({
  name: "readMount() says what of a mount's options a step may speak of, in one order and in one unit",
  fn() {
    const cases = [
      ["rw,nosuid shared:1 - tmpfs nodeos rw,size=262144k,mode=755,inode64,mpol=bind:0,noswap", "tmpfs mpol=bind:0 noswap size=268435456"],
      ["rw - tmpfs nodeos rw,mpol=interleave:0,2-3,size=4k", "tmpfs mpol=interleave:0,2-3 size=4096"],
      ["rw - tmpfs nodeos rw", "tmpfs"],
      ["rw - hugetlbfs nodeos rw,mode=755,pagesize=2M", "hugetlbfs pagesize=2M"],
      ["rw - hugetlbfs nodeos rw,mode=755,pagesize=1024M", "hugetlbfs pagesize=1G"],
      ["rw - hugetlbfs nodeos rw,pagesize=64K", "hugetlbfs pagesize=64K"],
    ];
    for (const [line, value] of cases) assert.equal(readMount(mountinfo(`${directory} ${line}`), directory), value);
  },
});

testOutside({
  name: "readMount() finds the mount that counts: the last one at exactly that directory",
  fn() {
    const files = mountinfo(
      `${directory} rw - tmpfs nodeos rw,size=4k`,
      `${directory}x rw - tmpfs nodeos rw,size=8k`,
      `/run rw - tmpfs nodeos rw,size=16k`,
      `/a\\040b rw - tmpfs nodeos rw,size=32k`,
      `${directory} rw - tmpfs nodeos rw,size=64k`,
    );
    assert.equal(readMount(files, directory), "tmpfs size=65536");
    assert.equal(readMount(files, "/a b"), "tmpfs size=32768");
    assert.equal(readMount(files, "/run/nodeos"), null);
    assert.equal(readMount(new MemoryRoot({}), directory), null);
  },
});

testOutside({
  name: "mountDriver reads null on a machine that is made of files, and refuses to change it",
  fn() {
    const files = new MemoryRoot({});
    assert.equal(mountDriver.read(files, directory), null);
    const writer = Object.assign(files, { write() {}, makeDirectory() {}, removeDirectory() {} });
    assert.throws(() => mountDriver.write(writer, directory, "tmpfs"), { name: "RefusedError", message: /is made of files/ });
  },
});

testOutside({
  name: "a mount is made, changed and undone on a machine in memory",
  fn() {
    const machine = fake();
    const before = machine.snapshot();
    const first = prepare(machine, [mount("tmpfs mpol=bind:1"), room("1048576")]);
    assert.deepEqual(first.map(({ from }) => from), [null, null]);
    apply(machine, first);
    const second = prepare(machine, [mount("tmpfs mpol=bind:2"), room("2097152")]);
    apply(machine, second);
    assert.deepEqual([mountDriver, roomDriver].map((driver) => driver.read(machine, directory)), ["tmpfs mpol=bind:2", "2097152"]);
    assert.deepEqual(undo(machine, second), []);
    assert.deepEqual(verify(machine, first), []);
    assert.deepEqual(undo(machine, first), []);
    assert.deepEqual(machine.snapshot(), before);
  },
});

testOutside({
  name: "a directory that was left without a mount goes when its step is undone",
  fn() {
    const machine = fake();
    machine.directories.add(directory);
    assert.equal(mountDriver.read(machine, directory), "");
    assert.deepEqual(undo(machine, [{ ...mount("tmpfs"), from: null }]), []);
    assert.equal(mountDriver.read(machine, directory), null);
  },
});

testOutside({
  name: "a mount that does not go is said to be left",
  fn() {
    const machine = fake();
    const steps = prepare(machine, [mount("tmpfs noswap")]);
    apply(machine, steps);
    machine.fault = () => errno.EPERM;
    const left = undo(machine, steps);
    assert.equal(left.length, 1);
    assert.match(left[0].found!, /^tmpfs noswap \(Cannot change .*EPERM/);
  },
});

const inNamespace = testsInNamespace(import.meta.url);

inNamespace("mountDriver and roomDriver mount, enlarge and unmount, and read what they wrote", () => {
  const unswapped = isKernelBefore(kernel, 6, 4) ? [] : ["tmpfs mpol=bind:0 noswap", "tmpfs noswap"];
  for (const value of [...unswapped, "tmpfs mpol=bind:0", "tmpfs", "hugetlbfs pagesize=2M"]) {
    const steps = prepare(kernel, [mount(value)]);
    apply(kernel, steps);
    assert.equal(mountDriver.read(kernel, directory), value);
    if (value.startsWith("tmpfs")) {
      assert.equal(roomDriver.read(kernel, directory), "");
      for (const bytes of ["1048576", "8388608", "4096"]) {
        apply(kernel, prepare(kernel, [room(bytes)]));
        assert.deepEqual([mountDriver, roomDriver].map((driver) => driver.read(kernel, directory)), [value, bytes]);
      }
      assert.throws(() => Deno.writeFileSync(`${directory}/large`, new Uint8Array(8192)), /No space left/);
      Deno.removeSync(`${directory}/large`);
    }
    assert.deepEqual(undo(kernel, steps), []);
    assert.deepEqual([mountDriver, roomDriver].map((driver) => driver.read(kernel, directory)), [null, null]);
    assert.deepEqual([...Deno.readDirSync("/run/nodeos")], []);
  }
});

inNamespace("mountDriver unmounts even while somebody has a file open that is gone", () => {
  const steps = prepare(kernel, [mount("tmpfs")]);
  apply(kernel, steps);
  Deno.writeTextFileSync(`${directory}/halo`, "x");
  using _file = Deno.openSync(`${directory}/halo`);
  Deno.removeSync(`${directory}/halo`);
  assert.deepEqual(undo(kernel, steps), []);
  assert.equal(mountDriver.read(kernel, directory), null);
});

inNamespace("a mount that the kernel refuses leaves no directory", () => {
  const steps = prepare(kernel, [mount("tmpfs mpol=bind:999")]);
  assert.throws(() => apply(kernel, steps), {
    name: "RefusedError",
    message: /mount tmpfs \(mpol=bind:999,mode=755\).*EINVAL.*everything before it was undone/,
  });
  assert.deepEqual([...Deno.readDirSync("/run/nodeos")], []);
});
