import assert from "node:assert/strict";
import {
  cgroupDirectory,
  hierarchyOf,
  readCgroupLayout,
  readCpuset,
  readProcs,
  readTopCpusets,
  threadsFile,
} from "../../../lib/kernel/cgroup.ts";
import { captured, type CapturedFiles } from "../../captured.ts";
import { hybrid, noCgroups, v1, v2 } from "../../small_machines.ts";

function layoutOf(files: CapturedFiles) {
  using machine = captured(files);
  return readCgroupLayout(machine);
}

/** The layout of a machine whose mountinfo has just these lines. */
const mounted = (...lines: string[]) => layoutOf({ "/proc/self/mountinfo": lines.map((line) => `${line}\n`).join("") });

Deno.test("readCgroupLayout() of version 2 takes the controllers from its root", () => {
  assert.deepEqual(layoutOf(v2), {
    mode: "v2",
    hierarchies: [{
      version: 2,
      mount: "/sys/fs/cgroup",
      controllers: ["cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma", "misc"],
    }],
  });
});

Deno.test("readCgroupLayout() of version 1 takes the controllers from the options, and knows which options are none", () => {
  const { mode, hierarchies } = mounted(
    "40 30 0:40 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid - cgroup cgroup rw,cpu,cpuacct",
    "41 30 0:41 / /sys/fs/cgroup/cpuset ro - cgroup none rw,xattr,cpuset,clone_children",
    "42 30 0:42 / /sys/fs/cgroup/systemd rw - cgroup systemd rw,xattr,release_agent=/lib/systemd/agent,name=systemd",
  );
  assert.equal(mode, "v1");
  assert.deepEqual(hierarchies.map(({ mount, controllers }) => [mount, controllers]), [
    ["/sys/fs/cgroup/cpu,cpuacct", ["cpu", "cpuacct"]],
    ["/sys/fs/cgroup/cpuset", ["cpuset"]],
    ["/sys/fs/cgroup/systemd", []],
  ]);
});

Deno.test("readCgroupLayout() of a hybrid machine lists version 1 first, whatever the order of the mounts", () => {
  const { mode, hierarchies } = layoutOf(hybrid);
  assert.equal(mode, "hybrid");
  assert.deepEqual(hierarchies.map(({ version }) => version), [1, 1, 1, 2]);
  assert.deepEqual(hierarchies.at(-1), { version: 2, mount: "/sys/fs/cgroup/unified", controllers: ["pids", "hugetlb"] });
});

Deno.test("readCgroupLayout() without a mount, or without mountinfo, is none", () => {
  assert.deepEqual(layoutOf(noCgroups), { mode: "none", hierarchies: [] });
  assert.deepEqual(layoutOf({}), { mode: "none", hierarchies: [] });
  assert.deepEqual(mounted("", "no such line", "1 2 0:3 / /cgroup rw - tmpfs cgroup rw"), { mode: "none", hierarchies: [] });
});

Deno.test("readCgroupLayout() undoes the octal escapes of a mount path", () => {
  const { hierarchies } = mounted("40 30 0:40 / /mnt/my\\040cgroups\\011\\134x rw - cgroup cgroup rw,cpuset");
  assert.equal(hierarchies[0].mount, "/mnt/my cgroups\t\\x");
});

Deno.test("readCgroupLayout() reads lines with tags between the options and the dash", () => {
  const { hierarchies } = mounted(
    "40 30 0:40 / /sys/fs/cgroup rw,nosuid shared:9 master:3 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot",
  );
  assert.deepEqual(hierarchies, [{ version: 2, mount: "/sys/fs/cgroup", controllers: [] }]);
});

Deno.test("readCgroupLayout() of a hierarchy that is bound to a second place keeps both, and hierarchyOf() takes the first", () => {
  const layout = mounted(
    "40 30 0:40 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset",
    "90 31 0:40 / /srv/jail/cgroup rw - cgroup cgroup rw,cpuset",
  );
  assert.equal(layout.mode, "v1");
  assert.equal(hierarchyOf(layout, "cpuset")?.mount, "/sys/fs/cgroup/cpuset");
});

Deno.test("readCgroupLayout() counts a place once when it is mounted twice", () => {
  const line = "40 30 0:40 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw";
  assert.equal(mounted(line, line.replace("40 30", "41 40")).hierarchies.length, 1);
});

Deno.test("hierarchyOf() finds a controller wherever it is, or null", () => {
  const layout = layoutOf(hybrid);
  assert.equal(hierarchyOf(layout, "cpuset")?.mount, "/sys/fs/cgroup/cpuset");
  assert.equal(hierarchyOf(layout, "cpu")?.mount, "/sys/fs/cgroup/cpu,cpuacct");
  assert.equal(hierarchyOf(layout, "pids")?.version, 2);
  assert.equal(hierarchyOf(layout, "cpuse"), null);
  assert.equal(hierarchyOf(layoutOf(noCgroups), "cpuset"), null);
});

Deno.test("cgroupDirectory() and threadsFile() name what is ours on both versions", () => {
  const [cpuset] = layoutOf(v1).hierarchies;
  assert.equal(cgroupDirectory(cpuset, "sim"), "/sys/fs/cgroup/cpuset/nodeos-sim");
  assert.equal(threadsFile(cpuset, "sim"), "/sys/fs/cgroup/cpuset/nodeos-sim/tasks");
  assert.equal(threadsFile(layoutOf(v2).hierarchies[0], "sim"), "/sys/fs/cgroup/nodeos-sim/cgroup.threads");
});

Deno.test("readTopCpusets() says of each cpuset on version 2 what it has and whether it is a partition", () => {
  using machine = captured({
    ...v2,
    "/sys/fs/cgroup/nodeos-sim/cpuset.cpus": "2-3\n",
    "/sys/fs/cgroup/nodeos-sim/cpuset.cpus.effective": "2-3\n",
    "/sys/fs/cgroup/nodeos-sim/cpuset.cpus.partition": "isolated invalid (Cpu list in cpuset.cpus not exclusive)\n",
    "/sys/fs/cgroup/system.slice/cpuset.cpus": "\n",
    "/sys/fs/cgroup/system.slice/cpuset.cpus.effective": "0-1,4-7\n",
    "/sys/fs/cgroup/without.slice/cgroup.procs": "1\n",
  });
  const [hierarchy] = readCgroupLayout(machine).hierarchies;
  assert.deepEqual(readTopCpusets(machine, hierarchy), [
    {
      path: "/sys/fs/cgroup/nodeos-sim",
      cpus: "2-3",
      effectiveCpus: "2-3",
      partition: "isolated invalid (Cpu list in cpuset.cpus not exclusive)",
      exclusive: false,
    },
    { path: "/sys/fs/cgroup/system.slice", cpus: "", effectiveCpus: "0-1,4-7", partition: null, exclusive: false },
  ]);
});

Deno.test("readCpuset() on version 1 reads that version's files, and null once the cgroup is gone", () => {
  using machine = captured({
    ...v1,
    "/sys/fs/cgroup/cpuset/jobs/cpuset.cpus": "4-7\n",
    "/sys/fs/cgroup/cpuset/jobs/cpuset.effective_cpus": "4-6\n",
    "/sys/fs/cgroup/cpuset/jobs/cpuset.cpu_exclusive": "1\n",
  });
  const [hierarchy] = readCgroupLayout(machine).hierarchies;
  const path = "/sys/fs/cgroup/cpuset/jobs";
  assert.deepEqual(readCpuset(machine, hierarchy, path), { path, cpus: "4-7", effectiveCpus: "4-6", partition: null, exclusive: true });
  assert.equal(readCpuset(machine, hierarchy, "/sys/fs/cgroup/cpuset/gone"), null);
});

Deno.test("readProcs() is ascending by number, not by text, and empty for a cgroup that is gone", () => {
  using machine = captured({ "/sys/fs/cgroup/a/cgroup.procs": "100\n9\n23\n", "/sys/fs/cgroup/b/cgroup.procs": "" });
  assert.deepEqual(readProcs(machine, "/sys/fs/cgroup/a"), [9, 23, 100]);
  assert.deepEqual(readProcs(machine, "/sys/fs/cgroup/b"), []);
  assert.deepEqual(readProcs(machine, "/sys/fs/cgroup/c"), []);
});
