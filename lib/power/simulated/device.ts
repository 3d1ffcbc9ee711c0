import { libraryPath } from "../../../ffi/library.ts";
import { simulateArguments, SimulatedImage } from "../../../ffi/simulated_device.ts";
import { machineDirectories, SimulatedMachine } from "./machine.ts";
import type { SimulatedPackage } from "./package.ts";

/** How a program runs on simulated packages. */
export interface DeviceOptions {
  /** Simulated seconds in a second; 1 when left out, 0 stands still. */
  readonly timeScale?: number;
  /** Standard streams and environment of the program; the streams are ours when left out. */
  readonly process?: Pick<Deno.CommandOptions, "stdin" | "stdout" | "stderr" | "env" | "cwd">;
}

const periodMs = 1;
/** A high time scale takes this much of each round; what the CPU does not manage by then is left out. */
const roundMs = 20;
const sliceSeconds = 0.05;
/** After a pause longer than this the simulation does not catch up. */
const catchUpSecondsMax = 1;

/**
 * A program on simulated packages: it finds them at `/dev/cpu/N/msr`, `/sys/class/powercap` and so on, as it finds those of a
 * real machine, and nobody else sees them. Time passes in steps of about a millisecond while the event loop of this process turns;
 * a millisecond of a package takes about 10 us, so that a time scale near 100 is as fast as it gets.
 */
export class SimulatedDevice implements AsyncDisposable {
  /** The program; a signal to it reaches it. */
  readonly child: Deno.ChildProcess;
  readonly #machine: SimulatedMachine;
  readonly #image: SimulatedImage;
  readonly #directory: string;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #timeScale: number;
  #lastMs = performance.now();
  #isOver = false;

  /**
   * Starts a program.
   *
   * @param command Its name and arguments.
   * @throws {RangeError} If the time scale is not a number from 0 to 1000.
   */
  constructor(packages: readonly SimulatedPackage[], command: readonly string[], { timeScale = 1, process = {} }: DeviceOptions = {}) {
    if (!(timeScale >= 0 && timeScale <= 1000)) {
      throw new RangeError(`Cannot simulate at time scale ${timeScale}: it is a number from 0 to 1000`);
    }
    this.#timeScale = timeScale;
    this.#machine = new SimulatedMachine(packages);
    this.#directory = Deno.makeTempDirSync({ prefix: "nodeos-simulated-" });
    const at = `${this.#directory}/machine`;
    Deno.mkdirSync(at);
    this.#image = new SimulatedImage(`${this.#directory}/image`, this.#machine.names, this.#machine.files);
    this.#exchange();
    const args = simulateArguments({ image: this.#image.path, at, over: machineDirectories, command });
    const env = { ...process.env, NODEOS_SIMULATED: at };
    this.child = new Deno.Command(libraryPath().replace(/[^/]*$/, "nodeos-helper"), {
      stdin: "inherit",
      stdout: "inherit",
      stderr: "inherit",
      ...process,
      env,
      args,
    }).spawn();
    this.#timer = setInterval(() => this.#tick(), periodMs);
  }

  #tick(): void {
    const nowMs = performance.now();
    const seconds = Math.min(catchUpSecondsMax, (nowMs - this.#lastMs) / 1000);
    this.#lastMs = nowMs;
    this.#exchange(seconds * this.#timeScale);
  }

  /** What was written counts from now on; then time passes, and what has come of it is shown. */
  #exchange(seconds = 0): void {
    this.#machine.write(this.#image.takeWrites());
    const startMs = performance.now();
    for (let rest = seconds; rest > 0 && performance.now() - startMs < roundMs; rest -= sliceSeconds) {
      this.#machine.advance(Math.min(rest, sliceSeconds));
    }
    this.#machine.read(this.#image.values);
    this.#image.publish();
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
    clearInterval(this.#timer);
    this.#image[Symbol.dispose]();
    Deno.removeSync(this.#directory, { recursive: true });
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
