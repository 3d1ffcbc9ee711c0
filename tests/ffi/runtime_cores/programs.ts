import { libraryPath } from "../../../ffi/library.ts";
import { sanitizer } from "../sanitizer.ts";

const folder = new URL(".", import.meta.url).pathname;
let built: string | undefined;

/** Where compiled programs are until this process ends. */
function directoryOfPrograms(): string {
  if (built !== undefined) return built;
  const made = Deno.makeTempDirSync({ prefix: "nodeos-cores-programs-" });
  globalThis.addEventListener("unload", () => Deno.removeSync(made, { recursive: true }));
  return built = made;
}

/** Why programs of OpenMP cannot be compiled here, or `null` when they can. */
export const openMpLack: string | null = new Deno.Command("sh", {
    args: ["-c", "echo '#include <omp.h>' | gcc -fopenmp -E -x c -"],
    stdout: "null",
    stderr: "null",
  }).outputSync().success
  ? null
  : "needs gcc with OpenMP";

/** Compiles a program of this folder and returns its path. */
export function compile(name: string, ...options: readonly string[]): string {
  const out = `${directoryOfPrograms()}/${name}`;
  const directory = libraryPath().replace(/\/[^/]*$/, "");
  const source = `${folder}${name}.c`;
  const args = [
    "-std=c17",
    "-O1",
    "-Wall",
    "-Wextra",
    "-Werror",
    source,
    "-o",
    out,
    ...options,
    `-L${directory}`,
    `-Wl,-rpath,${directory}`,
  ];
  const { success, stderr } = new Deno.Command("gcc", { args, stderr: "piped" }).outputSync();
  if (!success) throw new Error(`Cannot compile ${name}: ${new TextDecoder().decode(stderr)}`);
  return out;
}

/** A program that answers each line with a line. */
export class Talk implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #rest = "";

  constructor(path: string, env: Readonly<Record<string, string>>) {
    const preloads = [sanitizer.LD_PRELOAD, ...(env.LD_PRELOAD ?? "").split(":")].filter((one, index, all) =>
      one && all.indexOf(one) === index
    );
    // What is linked with the sanitizer wants it to come first.
    const given = preloads.length === 0 ? env : { ...env, LD_PRELOAD: preloads.join(":") };
    this.#child = new Deno.Command(path, { env: given, stdin: "piped", stdout: "piped" }).spawn();
    this.#writer = this.#child.stdin.getWriter();
    this.#reader = this.#child.stdout.getReader();
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** The numbers that it answers with. */
  async ask(line: string): Promise<number[]> {
    await this.#writer.write(new TextEncoder().encode(`${line}\n`));
    while (!this.#rest.includes("\n")) {
      const { value, done } = await this.#reader.read();
      if (done) throw new Error(`the program ended, and did not answer ${line}`);
      this.#rest += new TextDecoder().decode(value);
    }
    const [answer, ...rest] = this.#rest.split("\n");
    this.#rest = rest.join("\n");
    return answer.split(" ").map(Number);
  }

  /** Ends it without letting it clean up. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close().catch(() => {});
    await this.#reader.cancel();
    await this.#child.status;
  }
}
