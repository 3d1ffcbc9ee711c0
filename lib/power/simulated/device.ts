import type { SimulatedPackage } from "./package.ts";
import { Simulation, type SimulationOptions } from "./simulation.ts";

/** How a program runs on simulated packages. */
export interface DeviceOptions extends SimulationOptions {
  /** Standard streams and environment of the program; the streams are ours when left out. */
  readonly process?: Pick<Deno.CommandOptions, "stdin" | "stdout" | "stderr" | "env" | "cwd">;
}

/**
 * A program on simulated packages: it finds them at `/dev/cpu/N/msr`, `/sys/class/powercap` and so on, as it finds those of a
 * real machine, and nobody else sees them. How time passes, see {@link Simulation}.
 */
export class SimulatedDevice implements AsyncDisposable {
  /** The program; a signal to it reaches it. */
  readonly child: Deno.ChildProcess;
  readonly #simulation: Simulation;
  #isOver = false;

  /**
   * Starts a program.
   *
   * @param command Its name and arguments.
   * @throws {RangeError} If the time scale is not a number from 0 to 1000.
   */
  constructor(packages: readonly SimulatedPackage[], command: readonly string[], { process = {}, ...options }: DeviceOptions = {}) {
    this.#simulation = new Simulation(packages, options);
    const [helper, ...args] = this.#simulation.argvOf(command);
    const env = { ...process.env, ...this.#simulation.variables };
    this.child = new Deno.Command(helper, { stdin: "inherit", stdout: "inherit", stderr: "inherit", ...process, env, args }).spawn();
  }

  /** Waits until the program has ended and returns its exit status: 125 when nothing could be simulated, 128 and the signal that ended it. */
  async ended(): Promise<number> {
    const { code } = await this.child.status;
    return code;
  }

  /** Ends the program, and all that it started, and removes the files; again does nothing. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    kill(this.child);
    await this.child.status;
    this.#simulation[Symbol.dispose]();
  }
}

function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGUSR1");
  } catch (error) {
    // It ended already.
    if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
  }
}
