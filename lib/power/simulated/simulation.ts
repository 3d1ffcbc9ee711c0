import { libraryPath } from "../../../ffi/library.ts";
import { simulateArguments, SimulatedImage } from "../../../ffi/simulated_device.ts";
import { machineDirectories, SimulatedMachine } from "./machine.ts";
import type { SimulatedPackage } from "./package.ts";

/** How packages are simulated. */
export interface SimulationOptions {
  /** Simulated seconds in a second; 1 when left out, 0 stands still. */
  readonly timeScale?: number;
  /** Where its files are, in a new directory that must not be there; a temporary one when left out. */
  readonly directory?: string;
}

const periodMs = 1;
/** A high time scale takes this much of each round; what the CPU does not manage by then is left out. */
const roundMs = 20;
const sliceSeconds = 0.05;
/** After a pause longer than this the simulation does not catch up. */
const catchUpSecondsMax = 1;

/**
 * Simulated packages as the files that `nodeos-helper` serves to a program. Time passes in steps of about a millisecond while
 * the event loop of this process turns; a millisecond of a package takes about 10 us, so that a time scale near 100 is as fast
 * as it gets. Disposing ends the simulation; the program should have ended.
 */
export class Simulation implements Disposable {
  /** Its files; others may put theirs there. Removed in the end. */
  readonly directory: string;
  readonly #machine: SimulatedMachine;
  readonly #image: SimulatedImage;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #timeScale: number;
  #lastMs = performance.now();
  #isOver = false;

  /**
   * Begins to simulate.
   *
   * @throws {RangeError} If the time scale is not a number from 0 to 1000.
   */
  constructor(packages: readonly SimulatedPackage[], { timeScale = 1, directory }: SimulationOptions = {}) {
    if (!(timeScale >= 0 && timeScale <= 1000)) {
      throw new RangeError(`Cannot simulate at time scale ${timeScale}: it is a number from 0 to 1000`);
    }
    this.#timeScale = timeScale;
    this.#machine = new SimulatedMachine(packages);
    if (directory !== undefined) Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
    this.directory = directory ?? Deno.makeTempDirSync({ prefix: "nodeos-simulated-" });
    Deno.mkdirSync(this.#at);
    this.#image = new SimulatedImage(`${this.directory}/image`, this.#machine.names, this.#machine.files);
    this.#exchange();
    this.#timer = setInterval(() => this.#tick(), periodMs);
  }

  get #at(): string {
    return `${this.directory}/machine`;
  }

  /** Variables that the program finds: where the simulated files are. */
  get variables(): Record<string, string> {
    return { NODEOS_SIMULATED: this.#at };
  }

  /** The program, with its arguments, that runs a command on the simulated packages. */
  argvOf(command: readonly string[]): string[] {
    const helper = libraryPath().replace(/[^/]*$/, "nodeos-helper");
    return [helper, ...simulateArguments({ image: this.#image.path, at: this.#at, over: machineDirectories, command })];
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

  /** Stops time and removes the files; again does nothing. */
  [Symbol.dispose](): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#timer);
    // What the program wrote last is in its packages, too.
    this.#machine.write(this.#image.takeWrites());
    this.#image[Symbol.dispose]();
    Deno.removeSync(this.directory, { recursive: true });
  }
}
