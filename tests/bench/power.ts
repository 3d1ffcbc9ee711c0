import { exists, simulationLack } from "../power/simulation.ts";
import type { Group } from "./measure.ts";
import { benchBatches } from "./power/batches.ts";
import { benchClosedLoop } from "./power/closed_loop.ts";
import { PowerPrograms } from "./power/programs.ts";
import { benchSampling } from "./power/sampling.ts";

/** Reading registers of 64 CPUs beside `rdmsr` and a bare loop, sampling them every millisecond, and capping a simulated package. */
export async function benchPower(): Promise<Group[]> {
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort(new Error("Cannot go on: interrupted"));
  // Else the files would stay.
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, interrupt);
  try {
    using programs = await PowerPrograms.create(interrupted.signal);
    const groups = [await benchBatches(programs, programs.files, "plain files", { turns: 10, rounds: 300, hasRdmsr: false })];
    groups.push(simulationLack === null ? await onDevice(programs) : missing(simulationLack));
    groups.push(await benchSampling(programs), benchClosedLoop());
    return groups;
  } finally {
    for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.removeSignalListener(signal, interrupt);
  }
}

async function onDevice(programs: PowerPrograms): Promise<Group> {
  const hasRdmsr = (Deno.env.get("PATH") ?? "").split(":").some((directory) => exists(`${directory}/rdmsr`));
  return await benchBatches(programs, programs.device, "a simulated device (FUSE)", { turns: 5, rounds: 40, hasRdmsr });
}

function missing(lack: string): Group {
  return { title: "Reading registers of a simulated device (FUSE)", series: [], notes: [`Left out: ${lack}.`], table: "" };
}
