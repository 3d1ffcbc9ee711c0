import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { launch, type Launched, type Placement, wait } from "../../ffi/launch.ts";
import { libraryPath } from "../../ffi/library.ts";
import { RefusedError } from "../errors.ts";
import { attribute, type Attribution } from "./attribution.ts";
import { decodeNoise, type NoiseRequest, type NoiseSamples } from "./sample.ts";
import { readCpuSnapshot } from "./snapshot.ts";

/** A sampler that runs. */
export interface StartedSampler extends Launched {
  /** Where its threads have to be placed meanwhile, if the kernel does not. */
  readonly placement?: Placement;
}

/** How a sampler is started, and where it leaves its samples. */
export interface SamplerPlace {
  /** A directory that the sampler and this process may both write to; nothing stays there. */
  readonly directory: string;
  /** Starts the sampler, for instance in a container; by default a child of this process on the CPU it samples. */
  start?(argv: readonly string[]): StartedSampler;
}

/** What was sampled, and what the kernel says ran there meanwhile. */
export interface NoiseMeasurement {
  /** See {@link NoiseSamples}. */
  readonly samples: NoiseSamples;
  /** The costliest first; see {@link attribute}. */
  readonly attributions: readonly Attribution[];
}

/**
 * Runs the sampler on one CPU, and reads the kernel's counters before and after.
 *
 * This process waits meanwhile, and asks the kernel for nothing.
 *
 * @throws {RefusedError} If the sampler cannot run on that CPU.
 * @throws {LaunchError} If the kernel refuses to start it.
 */
export function measureNoise(files: KernelFiles, request: NoiseRequest, { directory, start }: SamplerPlace): NoiseMeasurement {
  // The sampler makes the file when all is done: if we are killed, it dies with us and leaves nothing behind.
  const path = `${directory}/noise-${crypto.randomUUID()}.bin`;
  const argv = samplerArguments(request, path);
  const before = readCpuSnapshot(files, request.cpu, performance.now() * 1e6);
  const started: StartedSampler = start?.(argv) ?? launch({ argv, cpus: [request.cpu], dieWithParent: true });
  const { code, signal } = wait(started, started.placement);
  const after = readCpuSnapshot(files, request.cpu, performance.now() * 1e6);
  try {
    if (signal !== 0) throw new RefusedError(`Cannot sample the noise of CPU ${request.cpu}: the sampler was ended by signal ${signal}`);
    if (code !== 0) throw new RefusedError(`Cannot sample the noise of CPU ${request.cpu}: the sampler ended with status ${code}`);
    const samples = decodeNoise(Deno.readFileSync(path));
    const own = { voluntary: samples.voluntarySwitches, involuntary: samples.involuntarySwitches };
    return { samples, attributions: attribute(before, after, own, [Deno.pid]) };
  } finally {
    removeIfThere(path);
  }
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** The command line of `nodeos-helper noise`, which lies beside the library. */
export function samplerArguments({ mode, cpu, durationNs, quantumNs, thresholdNs }: NoiseRequest, path: string): string[] {
  const options = {
    mode,
    cpu,
    seconds: durationNs / 1e9,
    "quantum-ns": Math.round(quantumNs),
    "threshold-ns": Math.round(thresholdNs),
    out: path,
  };
  return [helperPath(), "noise", ...Object.entries(options).map(([name, value]) => `--${name}=${value}`)];
}

/** The program `nodeos-helper`, built beside the library. */
export function helperPath(): string {
  return libraryPath().replace(/[^/]*$/, "nodeos-helper");
}
