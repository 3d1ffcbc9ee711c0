import { SimulatedDevice } from "../../../lib/power/simulated/device.ts";
import { SimulatedPackage } from "../../../lib/power/simulated/package.ts";
import { checkout } from "../../host.ts";
import { cpuCount } from "./registers.ts";

const sources = `${checkout}tests/bench/power`;
const library = `${checkout}build/`;

/** Where 64 CPUs have registers. */
export interface Place {
  /** The root of their devices, as `reads.c` takes it: empty is that of the machine. */
  readonly root: string;
  /** Where a register lies: at its number times 2 to the power of this. */
  readonly shift: number;
  /** Runs a shell script there and returns what it printed. */
  run(script: string): Promise<string>;
}

/** The compiled program, and 64 CPUs as plain files in memory; disposing removes them. */
export class PowerPrograms implements Disposable {
  readonly #directory = Deno.makeTempDirSync({ prefix: "nodeos-power-bench-", dir: "/dev/shm" });
  /** The path of `reads.c` as a program. */
  readonly reads = `${this.#directory}/reads`;

  private constructor(readonly signal: AbortSignal) {}

  /** Compiles the program and makes the files. */
  static async create(signal: AbortSignal): Promise<PowerPrograms> {
    const programs = new PowerPrograms(signal);
    const args = ["-std=c17", "-O2", "-Wall", "-Wextra", "-Werror", `${sources}/reads.c`];
    try {
      await output("gcc", [...args, `-L${library}`, "-lnodeos", `-Wl,-rpath,${library}`, "-o", programs.reads], signal);
      for (let cpu = 0; cpu < cpuCount; cpu++) {
        Deno.mkdirSync(`${programs.#directory}/dev/cpu/${cpu}`, { recursive: true });
        Deno.writeFileSync(`${programs.#directory}/dev/cpu/${cpu}/msr`, new Uint8Array(2 ** 14));
      }
      return programs;
    } catch (error) {
      programs[Symbol.dispose]();
      throw error;
    }
  }

  /** A TypeScript program of this folder, as words of a shell. */
  script(name: string): string {
    return `${Deno.execPath()} run -q -A --no-check ${sources}/${name}`;
  }

  /** The plain files. */
  get files(): Place {
    return { root: this.#directory, shift: 3, run: (script) => output("bash", ["-c", script], this.signal) };
  }

  /** The same CPUs as a simulated device that stands still. */
  get device(): Place {
    return { root: "", shift: 0, run: (script) => simulatedOutput(script, this.signal) };
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.#directory, { recursive: true });
  }
}

async function output(program: string, args: readonly string[], signal: AbortSignal): Promise<string> {
  const { success, code, stdout, stderr } = await new Deno.Command(program, { args: [...args], stdin: "null", signal }).output();
  signal.throwIfAborted();
  if (!success) throw new Error(`Cannot measure: ${program} ended with ${code}: ${new TextDecoder().decode(stderr).trim()}`);
  return new TextDecoder().decode(stdout);
}

async function simulatedOutput(script: string, signal: AbortSignal): Promise<string> {
  const coreCount = new SimulatedPackage().parameters.coreCount;
  const packages = Array.from({ length: cpuCount / coreCount }, (_, seed) => new SimulatedPackage(undefined, { seed }));
  await using device = new SimulatedDevice(packages, ["bash", "-c", script], {
    timeScale: 0,
    process: { stdin: "null", stdout: "piped", stderr: "inherit" },
  });
  const [text, code] = await Promise.all([new Response(device.child.stdout).text(), device.ended()]);
  signal.throwIfAborted();
  if (code !== 0) throw new Error(`Cannot measure: the program on the simulated device ended with ${code}`);
  return text;
}
