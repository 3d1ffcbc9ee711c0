/**
 * The demo: a real program under a competing load, outside and inside a Compute Container, with numbers and pictures.
 *
 * `deno task demo [--quick] [--out FILE]`. It moves only what it started, puts everything back, and says what it left alone.
 *
 * @module
 */

import { effectiveUid } from "../../ffi/mod.ts";
import { KernelRoot } from "../../ffi/kernel_root.ts";
import { getAffinity } from "../../ffi/task.ts";
import { chooseCpus } from "../../lib/container/choose.ts";
import { Node } from "../../lib/container/node.ts";
import { forwardingDirectory } from "../../lib/container/forwarding_seat.ts";
import { holdersOf } from "../../lib/container/resolve.ts";
import { RefusedError } from "../../lib/errors.ts";
import { formatCpuList } from "../../lib/kernel/cpulist.ts";
import { Inventory } from "../../lib/kernel/inventory.ts";
import { readTopology } from "../../lib/kernel/topology.ts";
import { formatSteps } from "../../lib/plan/step.ts";
import { formatNs } from "../../lib/report/quantity.ts";
import { topologySvg } from "../../lib/report/topology_svg.ts";
import { Board } from "../../lib/syscall/board.ts";
import { type Census, compareCensus, takeCensus } from "./census.ts";
import { measureSetting, plainStarter, type Setting } from "./measure.ts";
import { chooseProgram } from "./program.ts";
import { demoPage, resultTable } from "./report.ts";
import { variable } from "../../ffi/library.ts";
import { exitCodeOf, formatError } from "../failure.ts";

const quick = Deno.args.includes("--quick");
const out = Deno.args[Deno.args.indexOf("--out") + 1 || Infinity] ?? "report.html";

async function demo(): Promise<void> {
  const kernel = new KernelRoot();
  const stateDirectory = variable("NODEOS_STATE") ?? "/run/nodeos";
  const node = new Node(kernel, stateDirectory);
  const inventory = new Inventory(kernel);
  const program = chooseProgram();
  const isRoot = effectiveUid() === 0;
  if (isRoot) await node.recover();

  const cpus = chooseCpus(inventory, isRoot ? holdersOf(inventory, node.ledger()) : new Map(), 1);
  if (cpus === null) {
    throw new RefusedError("Cannot find a CPU for the demo: every one has an owner", {
      remedy: "nodeos ps says who; nodeos down NAME frees it",
    });
  }
  const serviceCpus = inventory.onlineCpus.filter((cpu) => !cpus.includes(cpu));
  const request = { serviceCpus, containers: [{ name: "demo", cpus, syscalls: { profile: "lean" } }] };
  const directory = Deno.makeTempDirSync({ prefix: "nodeos-demo-" });
  const task = {
    program,
    directory,
    cpu: cpus[0],
    runCount: quick ? 1 : 3,
    threads: 2 * inventory.onlineCpus.length,
    noiseSeconds: quick ? 0.5 : 2,
  };
  console.log(`Program    ${program.name}\n           ${program.origin}`);
  console.log(`Load       ${task.threads} threads of ours that compute, stream memory and sleep`);
  console.log(`CPUs       ${formatCpuList(cpus)} for the container, ${formatCpuList(serviceCpus)} for the ServiceOS\n`);

  const before = takeCensus(kernel);
  const settings: Setting[] = [];
  let steps = "";
  let calls = "";
  try {
    console.log(`1. Outside: program and load share CPUs ${formatCpuList(getAffinity(0))}`);
    const pinned = plainStarter();
    // The sampler has to stay on one CPU to know it; the program may go where the kernel likes it best.
    const outside = (argv: readonly string[]) => argv.includes("noise") ? plainStarter(cpus) : pinned;
    settings.push(measureSetting(kernel, "outside", task, (start) => outside(start.argv)(start), pinned));

    const plans = await node.plan(request);
    steps = plans.map(({ steps }) => formatSteps(steps.filter(({ from, to }) => from !== to))).join("\n");
    if (isRoot) {
      console.log(`2. In a container: CPU ${formatCpuList(cpus)} is the program's own, the load is in the ServiceOS`);
      await node.up(request, "process");
      settings.push(
        measureSetting(kernel, "in the container", task, (start) => node.start("demo", start), (start) => node.start("service", start)),
      );
      calls = describeCalls(`${forwardingDirectory(stateDirectory, "demo")}/board`);
    } else {
      console.log("2. In a container: left out, since making one takes root. It would make these changes, and put them back:\n");
      console.log(steps);
    }
  } finally {
    if (isRoot) {
      await node.down(node.ledger().holdings.filter(({ name }) => name === "demo" || name === "service").map(({ name }) => name), 0);
    }
    Deno.removeSync(directory, { recursive: true });
  }

  const untouched = describeUntouched(before, takeCensus(kernel));
  const remaining = describeRemaining(settings.at(-1)!, cpus[0], isRoot);
  console.log(`\n${resultTable(settings)}\n\n${remaining}\n\n${calls ? `${calls}\n\n` : ""}${untouched}`);
  const owners = new Map([
    ...serviceCpus.map((cpu) => [cpu, "ServiceOS"] as const),
    ...cpus.map((cpu) => [cpu, "container demo"] as const),
  ]);
  const topology = readTopology(kernel);
  const page = demoPage({
    programName: program.name,
    programOrigin: program.origin,
    machine: `${topology.model ?? "unknown processor"}, ${topology.onlineCpus.length} CPUs, Linux ${
      kernel.read("/proc/sys/kernel/osrelease").trim()
    }`,
    containerCpus: cpus,
    serviceCpus,
    settings,
    steps,
    remaining,
    calls,
    untouched,
    topology: topologySvg(topology, isRoot ? owners : new Map(), { title: "CPUs and their owners" }),
    date: new Date().toISOString().slice(0, 10),
  });
  Deno.writeTextFileSync(out, page);
  console.log(`\nThe report with pictures: ${Deno.realPathSync(out)}`);
}

/** Which calls of the program the ServiceOS executed: under the profile lean, those on names of files. */
function describeCalls(boardPath: string): string {
  using board = new Board(boardPath, { readOnly: true });
  const forwarded = Object.entries(board.counters()).filter(([, { forwarded }]) => forwarded > 0).sort(([, a], [, b]) =>
    b.forwarded - a.forwarded
  );
  const sum = forwarded.reduce((sum, [, counter]) => sum + counter.forwarded, 0);
  const named = forwarded.slice(0, 4).map(([name, { forwarded }]) => `${name} ${forwarded}`);
  return `System calls: the profile lean sent ${sum} of the program's calls on names of files to the ServiceOS (${named.join(", ")}); ` +
    "all others it made itself.";
}

/** What the CPU still had to do beside the program, by name: a container is only as quiet as what nobody moved away. */
function describeRemaining({ name, noise }: Setting, cpu: number, isRoot: boolean): string {
  const named = noise.attributions.slice(0, 4).map(({ source, kind, count, timeNs }) =>
    `${source} (${timeNs === undefined ? `${count} times` : `up to ${formatNs(timeNs)}`}, ${kind})`
  );
  const head = `What else ran on CPU ${cpu} ${isRoot ? name : "meanwhile"}: ${named.join(", ") || "nothing the kernel names"}.`;
  const strangers = noise.attributions.some(({ kind, isPinned }) => kind === "task" && !isPinned);
  return isRoot && strangers ? `${head} These threads are not ours, so they were not moved.` : head;
}

function describeUntouched(before: Census, after: Census): string {
  const differences = compareCensus(before, after);
  const common = [...before.affinities.keys()].filter((key) => after.affinities.has(key)).length;
  const head =
    `Not touched: none of the ${common} threads that were here before was moved or reprioritised, and no interrupt, workqueue or sysctl was changed.`;
  if (differences.length === 0) {
    return `${head} Compared before and after: all ${common} affinities and ${before.values.size} values of the machine are as they were.`;
  }
  return `${head} Somebody changed these meanwhile, and it was not us:\n${differences.join("\n")}`;
}

try {
  await demo();
} catch (error) {
  console.error(formatError(error));
  Deno.exit(exitCodeOf(error));
}
