import { checkout } from "../../host.ts";

const sources = `${checkout}tests/bench/memory`;
const library = `${checkout}build/`;

/** The compiled programs; disposing removes them. */
export class Programs implements Disposable {
  /** Where they are. */
  readonly directory = Deno.makeTempDirSync({ prefix: "memory-bench-" });

  constructor() {
    for (const name of ["mixed", "stream"]) {
      const args = ["-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", `-I${checkout}ffi/runtime`, `${sources}/${name}.c`];
      args.push(`-L${library}`, "-lnodeos-rt", `-Wl,-rpath,${library}`, "-o", `${this.directory}/${name}`);
      const { success, stderr } = new Deno.Command("gcc", { args, stdout: "null", stderr: "piped" }).outputSync();
      if (!success) throw new Error(`Cannot compile ${name}.c: ${new TextDecoder().decode(stderr)}`);
    }
  }

  /** Runs a program, perhaps by another, and returns the numbers that it prints. */
  numbers(command: readonly string[], env: Readonly<Record<string, string>> = {}): number[] {
    const [program, ...args] = command.map((word) => word.replace(/^\.\//, `${this.directory}/`));
    const { success, stdout, stderr } = new Deno.Command(program, { args, env, stdin: "null" }).outputSync();
    if (!success) throw new Error(`Cannot measure ${command.join(" ")}: ${new TextDecoder().decode(stderr)}`);
    return new TextDecoder().decode(stdout).trim().split(/\s+/).map(Number);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.directory, { recursive: true });
  }
}

/** Whether huge pages are there to be used; else ordinary ones take their place. */
export const hasHugePages: boolean = Deno.env.get("NODEOS_HUGE_PAGES") !== undefined;

/** The environment of a preloaded program. */
export const preloaded: Readonly<Record<string, string>> = {
  LD_PRELOAD: `${library}libnodeos-preload.so`,
  NODEOS_HUGE_PAGES: Deno.env.get("NODEOS_HUGE_PAGES") ?? "2097152",
  ...(hasHugePages ? {} : { NODEOS_PRELOAD_PAGES: "ordinary" }),
};

/** What those pages are, in words. */
export const pagesNote = hasHugePages
  ? "Preloaded programs have huge pages."
  : "There are no huge pages here: preloaded programs have ordinary ones.";
