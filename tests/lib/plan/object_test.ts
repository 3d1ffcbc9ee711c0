import assert from "node:assert/strict";
import { errno, errnoText } from "../../../ffi/errors.ts";
import { apply, prepare, undo, verify } from "../../../lib/plan/executor.ts";
import { objectDriver, splitObject, splitObjectValue } from "../../../lib/plan/object.ts";
import type { Change } from "../../../lib/plan/step.ts";
import { FakeKernel } from "../../fake_kernel.ts";
import { MemoryRoot } from "../../machines/memory_root.ts";
import { testOutside, testsInNamespace } from "../../namespace.ts";
import { kernel } from "../../ffi/host.ts";

// The sanitizer of tests would take the library, loaded with the first error of a fake, for a leak.
errnoText(errno.EPERM);
kernel.memory.file("/run/nodeos/memory/none/4KiB-node0");

const mib = 2 ** 20;
const base = "/run/nodeos/memory/sim";
const [small, huge] = [`${base}/4KiB-node1`, `${base}/2MiB-node1`];
const pool = "/sys/devices/system/node/node1/hugepages/hugepages-2048kB";
const cgroup = "/sys/fs/cgroup/nodeos-sim";

const change = (kind: Change["kind"], what: string, to: string): Change => ({ kind, what, to, why: "" });
const object = (directory: string, bytes: number, { uid = 1000, cgroups = "" } = {}): Change =>
  change("object", `${directory}/halo@1@${cgroups}`, `${bytes} ${uid}:1001`);

/** A machine with 8 huge pages and two file systems of memory. */
function machine(): FakeKernel {
  const fake = new FakeKernel({ version: 2, cpuCount: 4, nodeCount: 2, hugePages: [{ pageBytes: 2 * mib, roomCount: 8 }] });
  apply(
    fake,
    prepare(fake, [
      change("pool", `${pool}/nr_hugepages`, "8"),
      change("mount", small, "tmpfs mpol=bind:1"),
      change("mount", huge, "hugetlbfs pagesize=2M"),
    ]),
  );
  return fake;
}

const freeCount = (fake: FakeKernel) => Number(fake.files.get(`${pool}/free_hugepages`));

testOutside({
  name: "splitObject() and splitObjectValue() take their words apart, and refuse others",
  fn() {
    assert.deepEqual(splitObject("/a/b@c@-1@/x,/y"), { path: "/a/b@c", node: -1, cgroups: ["/x", "/y"] });
    assert.deepEqual(splitObject("/a/b@3@"), { path: "/a/b", node: 3, cgroups: [] });
    assert.deepEqual(splitObjectValue("4096 1000:1001"), { bytes: 4096, uid: 1000, gid: 1001 });
    for (const what of ["", "/a/b", "/a/b@0", "/a/b@x@", "@0"]) assert.throws(() => splitObject(what), SyntaxError, what);
    for (const value of ["", "4096", "4096 1000", "-1 0:0", "4096 a:b", "4096 0:0 x"]) {
      assert.throws(() => splitObjectValue(value), SyntaxError, value);
    }
  },
});

testOutside({
  name: "objectDriver reads null on a machine that is made of files",
  fn() {
    assert.equal(objectDriver.read(new MemoryRoot({}), object(small, 1).what), null);
  },
});

for (const [directory, name] of [[small, "small"], [huge, "huge"]]) {
  testOutside({
    name: `an object in ${name} pages is made, grows, shrinks, changes hands and goes, on a machine in memory`,
    fn() {
      const fake = machine();
      const before = fake.snapshot();
      const made = prepare(fake, [object(directory, 4 * mib)]);
      assert.equal(made[0].from, null);
      apply(fake, made);
      const after = fake.snapshot();
      for (const wish of [object(directory, 8 * mib), object(directory, 2 * mib), object(directory, 4 * mib, { uid: 7 })]) {
        const steps = prepare(fake, [wish]);
        apply(fake, steps);
        assert.equal(objectDriver.read(fake, wish.what), wish.to);
        assert.deepEqual(verify(fake, steps), []);
        assert.deepEqual(undo(fake, steps), []);
        assert.deepEqual(fake.snapshot(), after);
      }
      assert.deepEqual(undo(fake, made), []);
      assert.deepEqual(fake.snapshot(), before);
    },
  });
}

testOutside({
  name: "an object of which memory is missing reads as what it has, and gets the rest when it is written again",
  fn() {
    const fake = machine();
    const steps = prepare(fake, [object(small, 4 * mib)]);
    apply(fake, steps);
    fake.files.set(`${small}/halo`, `${4 * mib} ${mib} 1000:1001 1`);
    assert.deepEqual(verify(fake, steps).map(({ found }) => found), [`${mib} 1000:1001`]);
    apply(fake, steps);
    assert.deepEqual(verify(fake, steps), []);
  },
});

testOutside({
  name: "an object that finds too few huge pages is refused with how many there are, and nothing is left",
  fn() {
    const fake = machine();
    apply(fake, prepare(fake, [change("object", `${huge}/other@1@`, `${14 * mib} 0:0`)]));
    const before = fake.snapshot();
    const message = /Cannot give object halo 4 MiB: node 1 has 1 of 2 huge pages of 2 MiB free \(everything before it was undone\)/;
    assert.throws(() => apply(fake, prepare(fake, [object(huge, 4 * mib)])), { name: "RefusedError", message });
    assert.deepEqual(fake.snapshot(), before);
    assert.equal(freeCount(fake), 1);
  },
});

testOutside({
  name: "an object that does not fit is refused with what limits it: the container, or the node's memory",
  fn() {
    const fake = machine();
    const why = (error: number | undefined, files: Record<string, string>, wish: Change) => {
      for (const [path, text] of Object.entries(files)) fake.files.set(path, text);
      if (error !== undefined) fake.fault = (_, path) => path.endsWith("/halo") ? error : undefined;
      try {
        apply(fake, prepare(fake, [wish]));
        return "made";
      } catch (error) {
        return (error as Error).message;
      } finally {
        fake.fault = () => undefined;
      }
    };
    fake.makeDirectory(cgroup);
    fake.files.set(`${cgroup}/memory.max`, `${5 * mib}`);
    const seated = object(small, 4 * mib, { cgroups: cgroup });
    const meminfo = "/sys/devices/system/node/node1/meminfo";
    assert.match(why(errno.ENOMEM, { [meminfo]: "Node 1 MemFree:     1200 kB" }, seated), /4 MiB: node 1 has 1 MiB free/);
    assert.match(why(errno.ENOMEM, { [meminfo]: "Node 1 MemFree: 99999999 kB" }, seated), /container may have 5 MiB \(.*memory\.max\)/);
    fake.files.set(`${cgroup}/hugetlb.2MB.max`, `${2 * mib}`);
    assert.match(why(errno.ENOSPC, {}, object(huge, 4 * mib, { cgroups: cgroup })), /container may have 2 MiB \(.*hugetlb\.2MB\.max\)/);
    // Other refusals stay what they are.
    assert.match(why(errno.EPERM, {}, seated), /EPERM/);
    assert.equal(why(undefined, {}, seated), "made");
  },
});

testOutside({
  name: "an object is counted for the cgroups of either version",
  fn() {
    const joined: (readonly string[])[] = [];
    for (const version of [1, 2] as const) {
      const fake = new FakeKernel({ version, cpuCount: 4, nodeCount: 2 });
      apply(fake, prepare(fake, [change("mount", small, "tmpfs")]));
      const directories = version === 1 ? ["/sys/fs/cgroup/cpuset/sim", "/sys/fs/cgroup/memory/sim"] : ["/sys/fs/cgroup/sim"];
      for (const directory of directories) fake.makeDirectory(directory);
      const { populate } = fake.memory;
      fake.memory.populate = (path, request) => {
        joined.push(request.cgroups);
        populate.call(fake.memory, path, request);
      };
      apply(fake, prepare(fake, [object(small, 4096, { cgroups: directories.join() })]));
    }
    assert.deepEqual(joined, [["/sys/fs/cgroup/cpuset/sim/tasks", "/sys/fs/cgroup/memory/sim/tasks"], ["/sys/fs/cgroup/sim/cgroup.procs"]]);
  },
});

const inNamespace = testsInNamespace(import.meta.url);
const real = `${base}/4KiB-node0`;
const realObject = (bytes: number, uid = 1000) => change("object", `${real}/halo@0@`, `${bytes} ${uid}:1001`);

inNamespace("an object is made, grows, shrinks, changes hands and goes, with its contents", () => {
  const mounted = prepare(kernel, [change("mount", real, "tmpfs mpol=bind:0")]);
  apply(kernel, mounted);
  const made = prepare(kernel, [realObject(2 * mib)]);
  apply(kernel, made);
  Deno.writeFileSync(`${real}/halo`, new Uint8Array(2 * mib).fill(1), { create: false });
  assert.deepEqual(verify(kernel, made), []);
  for (
    const [wish, sum] of [[realObject(8 * mib), 2 * mib], [realObject(mib), mib], [realObject(mib, 7), mib], [
      realObject(2 * mib),
      mib,
    ]] as const
  ) {
    apply(kernel, prepare(kernel, [wish]));
    assert.equal(objectDriver.read(kernel, wish.what), wish.to);
    const found = Deno.readFileSync(`${real}/halo`).reduce((total, byte) => total + byte, 0);
    assert.equal(found, sum, wish.to);
  }
  // With the room that it has, only we make it larger.
  apply(kernel, prepare(kernel, [change("room", real, `${2 * mib}`)]));
  assert.throws(() => Deno.writeFileSync(`${real}/halo`, new Uint8Array(3 * mib), { append: true, create: false }), /No space left/);
  Deno.truncateSync(`${real}/halo`, 2 * mib);
  apply(kernel, prepare(kernel, [realObject(4 * mib), change("room", real, `${4 * mib}`)]));
  assert.deepEqual(verify(kernel, [...prepare(kernel, [realObject(4 * mib), change("room", real, `${4 * mib}`)])]), []);
  assert.deepEqual(undo(kernel, [...mounted, ...made]), []);
  assert.deepEqual([...Deno.readDirSync("/run/nodeos")], []);
});

inNamespace("a plan with an object that finds no huge pages changes nothing", () => {
  const directory = `${base}/1GiB-node0`;
  const steps = prepare(kernel, [
    change("mount", directory, "hugetlbfs pagesize=1G"),
    change("object", `${directory}/halo@0@`, `${2 ** 30} 1:1`),
  ]);
  const message = /Cannot give object halo 1 GiB: node 0 has 0 of 1 huge pages of 1 GiB free \(everything before it was undone\)/;
  assert.throws(() => apply(kernel, steps), { name: "RefusedError", message });
  assert.deepEqual([...Deno.readDirSync("/run/nodeos")], []);
}, hasGigabytePool() ? null : "needs an empty pool of 1 GiB");

function hasGigabytePool(): boolean {
  return kernel.tryRead("/sys/devices/system/node/node0/hugepages/hugepages-1048576kB/free_hugepages")?.trim() === "0";
}

testOutside({
  name: "whenever it is killed, what hands out memory is put back by whoever finds its steps",
  fn() {
    const start = () => {
      const fake = new FakeKernel({ version: 2, cpuCount: 4, nodeCount: 2, hugePages: [{ pageBytes: 2 * mib, roomCount: 8 }] });
      fake.files.set("/dev/dax0.0", "device 0:0");
      fake.files.set("/sys/bus/dax/devices/dax0.0/size", "4096");
      return fake;
    };
    const plan: Change[] = [
      change("pool", `${pool}/nr_hugepages`, "8"),
      change("mount", small, "tmpfs mpol=bind:1"),
      object(small, 4 * mib),
      change("mount", huge, "hugetlbfs pagesize=2M"),
      object(huge, 4 * mib),
      change("lent", `${base}/devdax/raw`, "/dev/dax0.0 1000:1001"),
    ];
    for (const faults of ["moments", "kill before", "kill after"] as const) {
      for (let at = 1, met = true; met; at++) {
        const fake = start();
        const before = fake.snapshot();
        const steps = prepare(fake, plan);
        fake.changeCount = fake.momentCount = 0;
        if (faults === "moments") fake.killAt = at;
        else fake.fault = (index) => index === at ? faults : undefined;
        try {
          apply(fake, steps);
        } catch (error) {
          assert(error instanceof Error);
        }
        met = fake.isDead;
        fake.restart();
        assert.deepEqual(undo(fake, steps), [], `${faults} ${at}`);
        assert.deepEqual(fake.snapshot(), before, `${faults} ${at}`);
      }
    }
  },
});
