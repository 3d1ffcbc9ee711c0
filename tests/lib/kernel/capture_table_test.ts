import assert from "node:assert/strict";
import { expandPattern } from "../../../lib/kernel/capture.ts";
import { captureSources } from "../../../lib/kernel/capture_table.ts";
import { descriptions } from "../../machines/descriptions.ts";
import { machine } from "../../machines/machine.ts";

Deno.test("captureSources() has each line for a reason: some machine here has files for it, or it is listed", () => {
  const machines = ["vm-cgroup1", ...Object.keys(descriptions)].map(machine);
  const unused = captureSources(machine("vm-cgroup1"))
    .filter(({ path }) => !machines.some((files) => expandPattern(files, path).some((found) => files.exists(found) || files.link(found))))
    .map(({ path }) => path);
  // Nobody here has frequency scaling, kernel modules, or a cgroup beside the root.
  assert.deepEqual(unused.filter((path) => !/\/cgroup\/|^\/proc\/modules$|sched_ext|cpufreq\/policy|khugepaged/.test(path)), []);
});

Deno.test("captureSources() captures the cpusets of every hierarchy that is mounted", () => {
  const paths = captureSources(machine("vm-cgroup1")).map(({ path }) => path);
  assert.ok(paths.includes("/sys/fs/cgroup/cpuset/{cpuset.*,cpu.rt_runtime_us,cpu.rt_period_us}"));
  assert.ok(paths.includes("/sys/fs/cgroup/unified/*/cpuset.*"));
});

Deno.test("captureSources() never reads arguments, environments, memory, addresses of hardware or files of users", () => {
  const forbidden = /cmdline$|environ|maps|\/mem$|fd\/|\/address|serial|uuid|hostname|kallsyms|comm$/;
  const paths = captureSources(machine("xeon-2s")).map(({ path }) => path);
  assert.deepEqual(paths.filter((path) => forbidden.test(path)), ["/proc/cmdline"], "that one is the kernel's");
});
