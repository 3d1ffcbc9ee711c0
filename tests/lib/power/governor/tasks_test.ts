import assert from "node:assert/strict";
import { KernelRoot } from "../../../../ffi/kernel_root.ts";
import { getAffinity } from "../../../../ffi/task.ts";
import { formatCpuList } from "../../../../lib/kernel/cpulist.ts";
import { readTopology } from "../../../../lib/kernel/topology.ts";
import { cpusOf, startPair } from "./pair.ts";
import { ProgramTasks } from "../../../../lib/power/governor/tasks.ts";

const kernel = new KernelRoot();
// The library opens on first use and stays open: within a test that would count as a leak.
getAffinity(0);
const topology = readTopology(kernel);
const lack = topology.cores.length < 2 ? " [needs two cores]" : "";

Deno.test({
  name: `ProgramTasks moves a thread to a core and back, and leaves a process id alone that is another's${lack}`,
  ignore: lack !== "",
}, async () => {
  await using pair = await startPair();
  const tasks = new ProgramTasks(kernel, topology, pair.pid);
  const before = cpusOf(pair.inner);
  const thread = tasks.threads().find(({ what }) => what.startsWith(`${pair.inner}:`))!;
  tasks.pin(thread.what, 1);
  assert.equal(cpusOf(pair.inner), formatCpuList(topology.cores[1].cpus));
  tasks.hold(1);
  assert.equal(cpusOf(pair.inner), `${topology.cores[0].cpus[0]}`, "what holds a program counts for all");
  tasks.release();
  assert.equal(cpusOf(pair.inner), before);
  tasks.pin(`${pair.inner}:1`, 1);
  assert.equal(cpusOf(pair.inner), before, "it began at another time");
  assert.deepEqual(new ProgramTasks(kernel, topology, 0x3fffffff).threads(), []);
});
