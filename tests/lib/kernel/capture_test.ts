import assert from "node:assert/strict";
import { CapturedRoot } from "../../../ffi/captured_root.ts";
import { errno } from "../../../ffi/errors.ts";
import { capture, expandPattern } from "../../../lib/kernel/capture.ts";
import { readCgroupLayout } from "../../../lib/kernel/cgroup.ts";
import { readDevices } from "../../../lib/kernel/device.ts";
import { readIrqs } from "../../../lib/kernel/irq.ts";
import { readTasks } from "../../../lib/kernel/process.ts";
import { readTopology } from "../../../lib/kernel/topology.ts";
import { live } from "../../machines/live.ts";
import { machine } from "../../machines/machine.ts";
import { MemoryRoot } from "../../machines/memory_root.ts";

async function inDirectory(use: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "nodeos-capture-" });
  try {
    await use(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

// The small ones: files are written one by one.
for (const name of ["vm-cgroup1", "arm-board", "holes", "power9-smt4", "xeon-2s"]) {
  Deno.test(`capture() of ${name} reads the same as ${name}`, () =>
    inDirectory(async (directory) => {
      const original = machine(name);
      await capture(original, directory);
      const copy = new CapturedRoot(directory);
      assert.deepEqual(readTopology(copy), readTopology(original));
      assert.deepEqual(readDevices(copy), readDevices(original));
      assert.deepEqual(readIrqs(copy), readIrqs(original));
      assert.deepEqual(readCgroupLayout(copy), readCgroupLayout(original));
      const anonymous = readTasks(original).map((task) => task.isKernelThread ? task : { ...task, name: "user" });
      assert.deepEqual(readTasks(copy), anonymous);
    }));
}

Deno.test("capture() of the running machine can be replayed, and names no program", () =>
  inDirectory(async (directory) => {
    const report = await capture(live, `${directory}/new`);
    assert.ok(report.fileCount > 50 && report.contentBytes > 1000);
    const [now, copy] = [readTopology(live), readTopology(new CapturedRoot(report.directory))];
    assert.deepEqual([copy.cpus, copy.cores, copy.caches], [now.cpus, now.cores, now.caches]);
    const names = readTasks(new CapturedRoot(report.directory)).filter(({ isKernelThread }) => !isKernelThread).map(({ name }) => name);
    assert.deepEqual([...new Set(names)], ["user"]);
    const own = `${report.directory}/proc/${Deno.pid}/task/${Deno.pid}`;
    assert.deepEqual([...Deno.readDirSync(own)].map(({ name }) => name).sort(), ["stat", "status"]);
    assert.ok(!Deno.readTextFileSync(`${own}/stat`).includes("deno"));
  }));

Deno.test("capture() leaves a directory that has something in it as it is", () =>
  inDirectory(async (directory) => {
    await Deno.writeTextFile(`${directory}/mine`, "kept");
    await assert.rejects(capture(machine("holes"), directory), {
      name: "RefusedError",
      exitCode: 1,
      message: /has files in it, such as mine/,
    });
    assert.deepEqual([...Deno.readDirSync(directory)].map(({ name }) => name), ["mine"]);
  }));

Deno.test("capture() goes on when the kernel refuses a file, and reports it", () =>
  inDirectory(async (directory) => {
    const files = new MemoryRoot({
      "/proc/meminfo": "MemTotal: 1 kB\n",
      "/proc/cmdline": { errno: errno.EACCES },
      "/proc/irq/3/smp_affinity_list": { errno: errno.EIO },
    });
    const { fileCount, linkCount, contentBytes, refusals } = await capture(files, directory);
    assert.deepEqual({ fileCount, linkCount, contentBytes }, { fileCount: 1, linkCount: 0, contentBytes: 15 });
    assert.deepEqual(refusals, [{ path: "/proc/irq/3/smp_affinity_list", why: "EIO" }, { path: "/proc/cmdline", why: "EACCES" }]);
  }));

Deno.test("capture() makes absolute links relative, and gives cgroups of users a number for a name", () =>
  inDirectory(async (directory) => {
    const cgroup = (name: string) => ({ [`/sys/fs/cgroup/${name}/cpuset.cpus`]: `${name.length}\n` });
    const files = new MemoryRoot({
      "/sys/class/net/eth0": { link: "/sys/devices/soc/eth0" },
      "/sys/devices/soc/eth0/numa_node": "0\n",
      "/proc/self/mountinfo": "26 23 0:24 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
      ...cgroup("system.slice"),
      ...cgroup("secret-project"),
      ...cgroup("nodeos-sim"),
    });
    await capture(files, directory);
    assert.equal(Deno.readLinkSync(`${directory}/sys/class/net/eth0`), "../../../sys/devices/soc/eth0");
    assert.equal(Deno.readTextFileSync(`${directory}/sys/class/net/eth0/numa_node`), "0\n");
    const groups = [...Deno.readDirSync(`${directory}/sys/fs/cgroup`)].map(({ name }) => name).sort();
    assert.deepEqual(groups, ["group-1", "nodeos-sim", "system.slice"]);
  }));

Deno.test("expandPattern() knows text, digits and choices", () => {
  const files = new MemoryRoot({ "/sys/cpu0/a.b": "", "/sys/cpu1/a.b": "", "/sys/cpufreq/a.b": "", "/sys/cpu1/axb": "" });
  assert.deepEqual(expandPattern(files, "/sys/cpu#/a.b"), ["/sys/cpu0/a.b", "/sys/cpu1/a.b"]);
  assert.deepEqual(expandPattern(files, "/sys/cpu*/a.*"), ["/sys/cpu0/a.b", "/sys/cpu1/a.b", "/sys/cpufreq/a.b"]);
  assert.deepEqual(expandPattern(files, "/sys/{x,y/z}/{1,2}"), ["/sys/x/1", "/sys/x/2", "/sys/y/z/1", "/sys/y/z/2"]);
  assert.deepEqual(expandPattern(files, "/absent/*"), []);
});
