import type { Policy } from "../../../lib/syscall/policy.ts";
import { compileFilter } from "../../../lib/syscall/filter.ts";
import { compilers } from "./compilers.ts";

const { compiler, note } = compilers[Deno.build.arch];

/** The ending of a test's name that says why it is skipped, if it is: without a C compiler nothing runs under a filter. */
export const filteredNote: string = note;

/** Runs programs under filters of real kernels, without anybody who answers: what is notified returns ENOSYS. */
export class Filtered implements Disposable {
  /** A directory for the programs to work in; removed in the end. */
  readonly directory = Deno.makeTempDirSync({ prefix: "nodeos-filtered-" });

  /** Compiles what loads filters. */
  static async compile(): Promise<Filtered> {
    const filtered = new Filtered();
    const source = Deno.readTextFileSync(new URL("./filtered.c", import.meta.url));
    await compiler!.compile(source, "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-o", `${filtered.directory}/filtered`);
    return filtered;
  }

  /** The results of calls without arguments, or -errno; `i386` is getpid by the gate of 32-bit programs. */
  async call(policy: Policy, ...numbers: (number | "i386")[]): Promise<number[]> {
    const { stdout } = await this.#start(policy, "call", numbers.map(String));
    return stdout.trim().split("\n").map(Number);
  }

  /** Runs a program in the directory. */
  run(policy: Policy, ...argv: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    return this.#start(policy, "run", argv);
  }

  async #start(policy: Policy, verb: string, args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    const filter = `${this.directory}/filter`;
    Deno.writeFileSync(filter, compileFilter(policy));
    const command = new Deno.Command(`${this.directory}/filtered`, { args: [filter, verb, ...args], cwd: this.directory, stdin: "null" });
    const { code, stdout, stderr } = await command.output();
    return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
  }

  /** Removes the directory. */
  [Symbol.dispose](): void {
    Deno.removeSync(this.directory, { recursive: true });
  }
}
