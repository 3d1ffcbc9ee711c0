import { waitAmong } from "../../ffi/ending.ts";
import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { launch } from "../../ffi/launch.ts";
import { effectiveUid } from "../../ffi/mod.ts";
import { RefusedError, UsageError } from "../../lib/errors.ts";
import { readTopology } from "../../lib/kernel/topology.ts";
import { parseCpuFamily, unitsOf } from "../../lib/power/registers.ts";
import { SimulatedPackage } from "../../lib/power/simulated/package.ts";
import { type PackageParameters, serverPackage } from "../../lib/power/simulated/parameters.ts";
import { Simulation } from "../../lib/power/simulated/simulation.ts";
import type { Context } from "../context.ts";

/** Flags of `nodeos power simulate`. */
export interface SimulateFlags {
  /** How many packages. */
  readonly packages: number;
  /** Simulated seconds in a second. */
  readonly timeScale: number;
}

/** Runs a program on simulated packages. */
export default async function simulate(this: Context, { packages, timeScale }: SimulateFlags, ...argv: string[]): Promise<void> {
  if (argv.length === 0) {
    throw new UsageError("Cannot simulate for nobody: no program is given", {
      remedy: "Give one after --, such as nodeos power simulate -- nodeos power watch",
    });
  }
  if (effectiveUid() !== 0) {
    throw new RefusedError("Cannot simulate a package: it takes a mount that only root may make", { remedy: "Run as root" });
  }
  const directory = `${this.stateDirectory}/simulated-${Deno.pid}`;
  const kernel = await this.kernel();
  removeDead(kernel, this.stateDirectory);
  const parameters = suited(serverPackage, kernel, packages);
  makeStateDirectory(directory);
  using simulation = new Simulation(
    Array.from({ length: packages }, (_, index) => new SimulatedPackage(parameters, { seed: index + 1 })),
    { timeScale, directory },
  );
  // What is set on simulated hardware is not to be put back on the real one: a state of its own.
  const addEnv = { ...simulation.variables, NODEOS_STATE: `${directory}/state` };
  const { code } = await waitAmong(launch({ argv: simulation.argvOf(argv), addEnv, forwardSignals: true }));
  this.process.exitCode = code;
}

/**
 * A part that goes with the rest of the machine, which programs look at too: it has a core for each CPU that they find, and the
 * unit of memory's counter that they take for this kind of processor, since some servers do not tell it.
 */
function suited(parameters: PackageParameters, kernel: KernelFiles, packages: number): PackageParameters {
  const coreCount = Math.max(1, Math.floor(readTopology(kernel).onlineCpus.length / packages));
  const units = BigInt(parameters.energyExponent) << 8n;
  const { joulesPerCount } = unitsOf(units, parseCpuFamily(kernel.read("/proc/cpuinfo")), "dram");
  return { ...parameters, coreCount, dram: { ...parameters.dram, energyExponent: Math.round(-Math.log2(joulesPerCount)) } };
}

function makeStateDirectory(path: string): void {
  try {
    Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new RefusedError(`Cannot keep state in ${path}: ${error instanceof Error ? error.message : error}`, {
      cause: error,
      remedy: "Name a directory that this command may write to with NODEOS_STATE",
    });
  }
}

/** Simulations that were killed leave the state of their programs behind. */
function removeDead(kernel: KernelFiles, stateDirectory: string): void {
  for (const { name } of entriesOf(stateDirectory)) {
    const pid = /^simulated-(\d+)$/.exec(name)?.[1];
    if (pid === undefined || kernel.exists(`/proc/${pid}`)) continue;
    Deno.removeSync(`${stateDirectory}/${name}`, { recursive: true });
  }
}

function entriesOf(directory: string): Deno.DirEntry[] {
  try {
    return [...Deno.readDirSync(directory)];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
