import { checkout } from "../../host.ts";

const sources = `${checkout}tests/bench/paging`;
const library = `${checkout}build/`;

/** One run: what a touch of a page takes, in the mean over all of them. */
export interface Run {
  /** Microseconds for each page. */
  readonly pageUs: number;
  /** The same of CPU time, of all threads of the process. */
  readonly pageCpuUs: number;
  /** Times that a thread waited, for each page. */
  readonly waits: number;
  /** Times that a thread was made to wait, for each page. */
  readonly preemptions: number;
}

/** What to run. */
export interface Request {
  /** The name of a way in `ways.c`. */
  readonly way: string;
  /** The name of a pattern, as `main.c` reads it. */
  readonly pattern: string;
  /** Threads that touch. */
  readonly threads: number;
  /** Whether everything runs on one CPU. */
  readonly isOneCpu: boolean;
  /** Pages that a bare loop reads at once. */
  readonly window: number;
  /** Variables that the way reads. */
  readonly env?: Readonly<Record<string, string>>;
}

/** The compiled program and its file; disposing removes them. */
export class PagingProgram implements Disposable {
  readonly #directory = Deno.makeTempDirSync({ dir: Deno.env.get("NODEOS_BENCH_PAGING_DIR"), prefix: "paging-bench-" });
  #seed = 0;

  private constructor(
    /** Pages of the file; a quarter of them is the buffer. */
    readonly pageCount: number,
    /** Ends what runs. */
    readonly signal: AbortSignal,
  ) {}

  /** Compiles the program and makes its file. */
  static async create(pageCount: number, signal: AbortSignal): Promise<PagingProgram> {
    const program = new PagingProgram(pageCount, signal);
    const files = ["main.c", "ways.c", "bare.c"].map((name) => `${sources}/${name}`);
    const args = ["-std=c17", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", `-I${checkout}ffi/paging`, ...files];
    args.push(`-L${library}`, "-lnodeos-paging", "-ldl", `-Wl,-rpath,${library}`, "-o", `${program.#directory}/paging`);
    try {
      await program.#output("gcc", args);
      await program.#output(`${program.#directory}/paging`, ["make", `${program.#directory}/file`, `${pageCount}`]);
      return program;
    } catch (error) {
      program[Symbol.dispose]();
      throw error;
    }
  }

  /** Pages that the buffer has, and that are touched once it is full. */
  get bufferPages(): number {
    return this.pageCount / 4;
  }

  /**
   * Measures one way.
   *
   * @throws {Error} If it fails, or if a page was not what it should be.
   */
  async run({ way, pattern, threads, isOneCpu, window, env = {} }: Request): Promise<Run> {
    const counts = [this.pageCount, this.bufferPages, window, ++this.#seed].map(String);
    const args = ["run", way, pattern, `${threads}`, isOneCpu ? "1" : "all", `${this.#directory}/file`, ...counts];
    const output = await this.#output(`${this.#directory}/paging`, args, env);
    const [pageUs, pageCpuUs, waits, preemptions] = output.trim().split(/\s+/).map(Number);
    return { pageUs, pageCpuUs, waits, preemptions };
  }

  async #output(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
    this.signal.throwIfAborted();
    const options: Deno.CommandOptions = { args: ["120", program, ...args], env, stdin: "null", signal: this.signal };
    const { success, code, stdout, stderr } = await new Deno.Command("timeout", options).output();
    this.signal.throwIfAborted();
    if (!success) throw new Error(`Cannot measure ${args.join(" ")}: status ${code}: ${new TextDecoder().decode(stderr).trim()}`);
    return new TextDecoder().decode(stdout);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.#directory, { recursive: true });
  }
}
