import { launch, type Launched, type LaunchRequest, wait } from "../../ffi/launch.ts";
import { sendSignal } from "../../ffi/task.ts";
import type { Kernel } from "../../lib/plan/driver.ts";
import { startTicksOf } from "../../lib/plan/store.ts";
import type { StartedProgram } from "../../lib/container/node.ts";
import { RefusedError } from "../../lib/errors.ts";
import { helperPath, measureNoise, type NoiseMeasurement } from "../../lib/noise/measure.ts";
import type { DemoProgram } from "./program.ts";

/** What was measured in one setting. */
export interface Setting {
  /** `outside`, `in the container`. */
  readonly name: string;
  /** Wall time of each run of the program, in milliseconds, in the order they ran. */
  readonly runsMs: readonly number[];
  /** What the program said of itself, run by run. */
  readonly figures: readonly string[];
  /** Detours on the CPU, under the same load. */
  readonly noise: NoiseMeasurement;
}

/** How programs are started in a setting. */
export type Starter = (request: Pick<LaunchRequest, "argv" | "cwd" | "stdio" | "dieWithParent">) => StartedProgram;

/** How long the load may live, should we be killed so that we cannot end it. */
const loadSecondsMax = 120;

/** Runs the program several times, and samples the noise, while a load of ours competes. */
export function measureSetting(
  kernel: Kernel,
  name: string,
  { program, directory, cpu, runCount, threads, noiseSeconds }: {
    program: DemoProgram;
    directory: string;
    cpu: number;
    runCount: number;
    threads: number;
    noiseSeconds: number;
  },
  startProgram: Starter,
  startLoad: Starter,
): Setting {
  const load = startLoad({
    argv: [helperPath(), "load", "--threads", `${threads}`, "--seconds", `${loadSecondsMax}`],
    dieWithParent: true,
  });
  try {
    const runsMs: number[] = [];
    const figures: string[] = [];
    for (let run = 0; run < runCount; run++) {
      program.prepare(directory);
      const from = performance.now();
      const started = startProgram({ argv: program.argv, cwd: directory, dieWithParent: true });
      const { code } = wait(started, started.placement);
      if (code !== 0) throw new RefusedError(`Cannot go on: ${program.argv[0]} ended with status ${code}`);
      runsMs.push(performance.now() - from);
      figures.push(program.figure(directory) ?? "");
    }
    const request = { mode: "detour", cpu, durationNs: noiseSeconds * 1e9, quantumNs: 100_000, thresholdNs: 1_000 } as const;
    const noise = measureNoise(kernel, request, { directory, start: (argv) => startProgram({ argv, dieWithParent: true }) });
    return { name, runsMs, figures, noise };
  } finally {
    end(kernel, load);
  }
}

/** A starter of ordinary children: nobody's container, all CPUs. */
export function plainStarter(cpus?: readonly number[]): Starter {
  return (request) => launch({ ...request, cpus });
}

function end(kernel: Kernel, launched: Launched): void {
  const start = startTicksOf(kernel, launched.pid);
  if (start !== null) sendSignal(launched.pid, BigInt(start), 15);
  wait(launched);
}
