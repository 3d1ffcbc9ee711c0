import assert from "node:assert/strict";
import { wait } from "../../ffi/launch.ts";
import { Node } from "../../lib/container/node.ts";
import { formatCpuList } from "../../lib/kernel/cpulist.ts";
import { formatCpuMask } from "../../lib/kernel/cpumask.ts";
import { diffIrqs, readIrqs } from "../../lib/kernel/irq.ts";
import { readTasks, type Task } from "../../lib/kernel/process.ts";
import { quietPreset } from "../../lib/feature/node_features.ts";
import { delay, guestTest, kernel, probe, stateDirectory } from "./guest.ts";

const tracing = "/sys/kernel/debug/tracing";
const cpus = [4, 5];
const seconds = 12;

/** A thread that the scheduler gave a CPU of the container to. */
interface Arrival {
  readonly tid: number;
  readonly name: string;
  readonly cpu: number;
}

/** Records every switch of the scheduler on some CPUs while something runs: not a snapshot, all of them. */
async function traceSwitches(action: () => Promise<void>): Promise<Arrival[]> {
  const set = (file: string, value: string) => kernel.write(`${tracing}/${file}`, value);
  const mask = kernel.read(`${tracing}/tracing_cpumask`).trim();
  set("current_tracer", "nop");
  set("buffer_size_kb", "8192");
  set("tracing_cpumask", formatCpuMask(cpus, mask));
  set("events/sched/sched_switch/enable", "1");
  set("trace", "\n");
  set("tracing_on", "1");
  try {
    await action();
  } finally {
    set("tracing_on", "0");
    set("events/sched/sched_switch/enable", "0");
    set("tracing_cpumask", mask);
  }
  // The kernel's list is longer than its files usually are.
  const text = new TextDecoder().decode((await new Deno.Command("cat", { args: [`${tracing}/trace`] }).output()).stdout);
  assert.doesNotMatch(text, /LOST \d+ EVENTS/);
  set("trace", "\n");
  set("buffer_size_kb", "1");
  return [...text.matchAll(/\[(\d+)\].*? sched_switch: .*==> next_comm=(.*?) next_pid=(\d+) /g)]
    .map(([, cpu, name, tid]) => ({ cpu: Number(cpu), name, tid: Number(tid) }));
}

/** Threads that belong to one CPU, which the kernel lets nobody move; its workers change their names as they work. */
function isUnmovable(name: string, task: Task | undefined): boolean {
  return /^(?:migration|ksoftirqd|cpuhp|idle_inject|rcuc|rcuop?|backlog_napi|kworker)\/\d+(?::|$)/.test(name) || (task?.isBound ?? false);
}

/** Nobody but its own threads and those that the kernel lets nobody move, over a whole run under load. */
export function quietTests(): void {
  guestTest("quiet: under load, nobody else ever runs on the container's CPUs but threads of the kernel that belong to them", async () => {
    const node = new Node(kernel, stateDirectory);
    const quiet = Object.fromEntries(quietPreset.map((name) => [name, true]));
    await node.up({ serviceCpus: [0, 1, 2, 3], containers: [{ name: "sim", cpus, quiet }] }, "persistent");
    const load = [
      "--cpu",
      "2",
      "--fork",
      "1",
      "--hdd",
      "1",
      "--hdd-bytes",
      "8m",
      "--timer",
      "1",
      "--pthread",
      "1",
      "--vm",
      "1",
      "--vm-bytes",
      "32m",
    ];
    const program = node.start("sim", { argv: [probe, "pulse", "2"] });
    const service = node.start("service", { argv: ["stress-ng", ...load, "--temp-path", "/tmp", "-q"] });
    // A stranger as well, whom nobody placed.
    const stranger = new Deno.Command("stress-ng", { args: ["--cpu", "2", "--switch", "1", "--temp-path", "/tmp", "-q"], stdin: "null" })
      .spawn();
    await delay(3000);

    const before = readIrqs(kernel);
    const arrivals = await traceSwitches(() => delay(seconds * 1000));
    const irqs = diffIrqs(before, readIrqs(kernel));
    const tasks = new Map(readTasks(kernel).map((task) => [task.tid, task]));

    const own = arrivals.filter(({ tid }) => tasks.get(tid)?.pid === program.pid);
    assert.ok(own.length > 100, `the container's own threads were seen ${own.length} times`);
    const others = arrivals.filter((arrival) => !own.includes(arrival) && arrival.tid !== 0);
    const unmovable = others.filter(({ name, tid }) => isUnmovable(name, tasks.get(tid)));
    const counts = Object.entries(Object.groupBy(unmovable, ({ name }) => name)).map(([name, list]) => `${name} ${list!.length}`);
    console.log(`${arrivals.length} switches on CPUs ${formatCpuList(cpus)} in ${seconds} s, ${own.length} to its own threads`);
    console.log(`unmovable kernel threads: ${counts.sort().join(", ") || "none"}`);
    assert.deepEqual(others.filter((arrival) => !unmovable.includes(arrival)), []);

    const columns = cpus.map((cpu) => irqs.cpus.indexOf(cpu));
    const here = (counts: readonly number[]) => columns.reduce((sum, column) => sum + (counts[column] ?? 0), 0);
    const named = irqs.named.flatMap(({ name, counts }) => here(counts) > 0 ? [`${name} ${here(counts)}`] : []);
    console.log(`unmovable interrupts: ${named.join(", ")}`);
    const refused = new Set(node.ledger().node!.steps.flatMap(({ what, refused }) => refused ? [what] : []));
    const devices = irqs.irqs.filter(({ counts }) => here(counts) > 0);
    assert.deepEqual(devices.filter(({ number }) => !refused.has(`/proc/irq/${number}/smp_affinity_list`)), []);
    console.log(`device interrupts: ${devices.map(({ number, actions }) => `${number} (${actions.join()})`).join(", ") || "none"}`);
    for (const { feature, lines } of node.left()) console.log(`left by ${feature}: ${lines.join("; ")}`);

    stranger.kill("SIGTERM");
    await stranger.status;
    await node.down([], 0);
    for (const started of [program, service]) wait(started);
  });
}
