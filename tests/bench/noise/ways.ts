import { KernelRoot } from "../../../ffi/kernel_root.ts";
import { cannotIsolate } from "../../host.ts";
import { reasonOf } from "./commands.ts";
import { byHand, cset, removeStaleCpusets } from "./cpusets.ts";
import { nodeos, takeDown } from "./nodeos.ts";
import { type Cpus, isStale, type Way } from "./place.ts";

const kernel = new KernelRoot();

/** All ways, what they are compared with first. */
export function waysOf(cpus: Cpus): Way[] {
  return [
    plain,
    tasksetAndChrt(cpus),
    byHand(cpus, []),
    byHand(cpus, fifo),
    cset(cpus),
    nodeos(cpus, "fair"),
    nodeos(cpus, "cooperative"),
    background,
  ];
}

const same = (argv: readonly string[]) => [...argv];
const fifo = ["chrt", "-f", "50"];
const nothing = () => Promise.resolve();

const plain: Way = {
  name: "plain",
  missing: null,
  note: "plain, taskset: nothing keeps the load off the CPU. The others keep it on the other CPUs, by a second cpuset or the ServiceOS.",
  enter: () => Promise.resolve({ program: same, load: same, [Symbol.asyncDispose]: nothing }),
};

const background: Way = {
  name: "(plain, without the load)",
  missing: null,
  note: "Without the load: what the rest of the machine does by itself, which none of them moves.",
  enter: () => Promise.resolve({ program: same, load: () => null, [Symbol.asyncDispose]: nothing }),
};

function tasksetAndChrt({ cpu }: Cpus): Way {
  const program = (argv: readonly string[]) => ["taskset", "-c", `${cpu}`, ...fifo, ...argv];
  return {
    name: `taskset + ${fifo.join(" ")}`,
    missing: reasonOf(program(["true"])),
    note: `chrt: ${throttleNote()}`,
    enter: () => Promise.resolve({ program, load: same, [Symbol.asyncDispose]: nothing }),
  };
}

function throttleNote(): string {
  const [runtimeUs, periodUs] = ["runtime", "period"].map((name) => Number(kernel.read(`/proc/sys/kernel/sched_rt_${name}_us`)));
  if (runtimeUs < 0 || runtimeUs >= periodUs) return "the real-time throttle is off here; from 6.12 on the fair server remains.";
  const [stopMs, periodMs] = [(periodUs - runtimeUs) / 1000, periodUs / 1000];
  return `SCHED_FIFO is throttled: ${stopMs} ms of every ${periodMs} ms belong to whoever waits, which is its worst detour.`;
}

/** Removes what benchmarks left that were killed: containers, found by their state, and cpusets. */
export async function removeStale(): Promise<void> {
  if (cannotIsolate !== null) return;
  const probe = Deno.makeTempDirSync();
  Deno.removeSync(probe);
  const temporary = probe.slice(0, probe.lastIndexOf("/"));
  for (const { name } of [...Deno.readDirSync(temporary)]) if (isStale(name)) await takeDown(`${temporary}/${name}`);
  await removeStaleCpusets();
}
