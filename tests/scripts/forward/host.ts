import assert from "node:assert/strict";
import { forwardingDirectory } from "../../../lib/container/forwarding_seat.ts";
import { Board } from "../../../lib/syscall/board.ts";
import { hostArchitecture } from "../../../lib/syscall/arch.ts";
import { findProgram } from "../../../scripts/vm/tools.ts";
import { cannotIsolate, type CommandResult, lastCpu, machineState, TestState } from "../../host.ts";

const sources = new URL("./", import.meta.url).pathname;

/** Why containers whose system calls are forwarded cannot be tested here, or `null` when they can. */
export const cannotForward: string | null = cannotIsolate ??
  (hostArchitecture() === null ? "needs x86-64 or aarch64" : findProgram("gcc") === null ? "needs gcc" : null);

/** The ending of a test's name that says why it is skipped, if it is. */
export function noteOf(reason: string | null): string {
  return reason === null ? "" : ` [${reason}]`;
}

/** Why one of some programs cannot be run here, or `null`. */
export function missing(...programs: readonly string[]): string | null {
  const absent = programs.filter((program) => findProgram(program) === null);
  return absent.length === 0 ? null : `needs ${absent.join(" and ")}`;
}

/** A test of containers whose calls are forwarded: when it is over, the machine is as before, and nothing of ours runs. */
export function forwardTest(name: string, reason: string | null, fn: (state: ForwardState) => Promise<void>): void {
  const why = cannotForward ?? reason;
  Deno.test({
    name: `${name}${noteOf(why)}`,
    ignore: why !== null,
    async fn() {
      const before = machineState();
      const state = new ForwardState();
      try {
        await fn(state);
      } catch (error) {
        // What it left behind is a consequence.
        await state[Symbol.asyncDispose]().catch(() => {});
        throw error;
      }
      await state[Symbol.asyncDispose]();
      assert.deepEqual(machineState(), before);
    },
  });
}

/** What a container's programs are to be given. */
export interface ContainerWish {
  /** `syscalls` of the specification, as YAML has it. */
  readonly syscalls: unknown;
  /** Other keys of the container. */
  readonly [key: string]: unknown;
}

/** A state directory with containers whose calls are forwarded. When it is disposed of, every keeper must be gone. */
export class ForwardState extends TestState {
  readonly #keepers = new Set<string>();

  /** Makes a container on the last CPU. */
  async up(name: string, wish: ContainerWish): Promise<void> {
    const spec = { apiVersion: "nodeos/v1", containers: [{ name, cpus: `${lastCpu}`, ...wish }] };
    const { code, stderr } = await this.nodeos(["up", "-"], JSON.stringify(spec));
    assert.equal(code, 0, stderr);
  }

  /** Runs a command that must succeed, and gives its JSON. */
  // deno-lint-ignore no-explicit-any
  async json(...args: string[]): Promise<any> {
    const { code, stdout, stderr } = await this.nodeos([...args, "--json"]);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  }

  /** Directory of a container's forwarder. */
  seat(name: string): string {
    return forwardingDirectory(this.directory, name);
  }

  /** What the board of a container says. */
  board(name: string): ReturnType<Board["state"]> {
    using board = new Board(`${this.seat(name)}/board`, { readOnly: true });
    const state = board.state();
    for (const pid of [state.keeperPid, state.forwarderPid, state.sidecarPid]) {
      const mark = pid ? marked(pid) : "";
      if (mark.includes(" ")) this.#keepers.add(mark);
    }
    return state;
  }

  /** What happened to calls, by their names. */
  counters(name: string): ReturnType<Board["counters"]> {
    using board = new Board(`${this.seat(name)}/board`, { readOnly: true });
    return board.counters();
  }

  /** Starts a program by a command, and can talk with it. */
  talk(...args: string[]): Talk {
    return new Talk(this, args);
  }

  /** Takes everything down; what is left over then is a fault. */
  override async [Symbol.asyncDispose](): Promise<void> {
    for (const { name } of this.#seats()) {
      try {
        this.board(name);
      } catch {
        // It is half made, or half gone.
      }
    }
    const { code, stderr } = await this.nodeos(["down", "--all", "--grace", "0"]);
    const seats = this.#seats().map(({ name }) => name);
    await super[Symbol.asyncDispose]();
    assert.equal(code, 0, stderr);
    assert.deepEqual(seats, []);
    assert.deepEqual([...this.#keepers].filter((mark) => marked(Number(mark.split(" ")[0])) === mark), []);
  }

  #seats(): Deno.DirEntry[] {
    try {
      return [...Deno.readDirSync(`${this.directory}/forward`)];
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  }
}

/** A process by its number and its start, or by its number alone when it does not run. */
export function marked(pid: number): string {
  const fields = statOf(pid);
  return fields === null || fields[0] === "Z" ? `${pid}` : `${pid} ${fields[19]}`;
}

/** Whether a process runs; one that nobody has collected yet does not. */
export function isRunning(pid: number): boolean {
  return marked(pid) !== `${pid}`;
}

function statOf(pid: number): string[] | null {
  try {
    const text = Deno.readTextFileSync(`/proc/${pid}/stat`);
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch (error) {
    // It ended, perhaps between opening and reading (ESRCH).
    if (error instanceof Deno.errors.NotFound || (error instanceof Error && error.message.includes("os error 3)"))) return null;
    throw error;
  }
}

/** Resolves as soon as something is the case; a test that waits too long for it fails. */
export async function until(what: string, isSo: () => boolean, secondsMax = 30): Promise<void> {
  for (const end = Date.now() + secondsMax * 1000; !isSo();) {
    assert.ok(Date.now() < end, `${what} did not come about in ${secondsMax} s`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A command whose program answers lines with lines; disposing ends it. */
export class Talk implements AsyncDisposable {
  /** The command. */
  readonly process: Deno.ChildProcess;
  readonly #reader: ReadableStreamDefaultReader<string>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #stderr: Promise<string>;
  #text = "";

  /** Starts the command. */
  constructor(state: TestState, args: readonly string[]) {
    const { command, options } = state.command(...args);
    this.process = new Deno.Command(command, { ...options, stdin: "piped" }).spawn();
    this.#reader = this.process.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#writer = this.process.stdin.getWriter();
    this.#stderr = new Response(this.process.stderr).text();
  }

  /** Its next line; fails when it ends before, or when it says nothing for a minute. */
  async line(): Promise<string> {
    while (!this.#text.includes("\n")) {
      const { value, done } = await withinMinute(this.#reader.read(), "a line of the program");
      assert.ok(!done, `it ended before it said a line: ${this.#text}${done ? await this.#stderr : ""}`);
      this.#text += value;
    }
    const [line, ...rest] = this.#text.split("\n");
    this.#text = rest.join("\n");
    return line;
  }

  /** Tells it a line. */
  async tell(line: string): Promise<void> {
    await this.#writer.write(new TextEncoder().encode(`${line}\n`));
  }

  /** Tells it a line, and gives the answer. */
  async ask(line: string): Promise<string> {
    await this.tell(line);
    return await this.line();
  }

  /** Closes its standard input, and resolves when it has ended. */
  async end(secondsMax = 60): Promise<CommandResult> {
    await this.#writer.close().catch(() => {});
    let stdout = this.#text;
    for (;;) {
      const { value, done } = await withinMinute(this.#reader.read(), "the end of the program", secondsMax);
      if (done) break;
      stdout += value;
    }
    const { code } = await this.process.status;
    return { code, stdout, stderr: await this.#stderr };
  }

  /** Kills the command if it runs yet. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.process.kill("SIGTERM");
    } catch (error) {
      // It has ended.
      if (!(error instanceof TypeError)) throw error;
    }
    await this.#writer.close().catch(() => {});
    await this.#reader.cancel().catch(() => {});
    await this.process.status;
    await this.#stderr;
  }
}

/** A watchdog: what hangs fails, after a minute if nothing else is said. */
export async function withinMinute<T>(promise: Promise<T>, what: string, seconds = 60): Promise<T> {
  const { promise: alarm, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`${what} did not come within ${seconds} s`)), seconds * 1000);
  try {
    return await Promise.race([promise, alarm]);
  } finally {
    clearTimeout(timer);
  }
}

/** A directory of a test's own, and programs that are compiled into it. */
export class Workplace implements Disposable {
  /** Its path; users may pass through. */
  readonly path = Deno.makeTempDirSync({ prefix: "nodeos-forward-" });

  /** Makes it. */
  constructor() {
    Deno.chmodSync(this.path, 0o711);
  }

  /** Compiles a program of `tests/scripts/forward`, and gives its path. */
  compile(name: string, ...flags: readonly string[]): string {
    const output = `${this.path}/${name}`;
    const args = ["-std=gnu17", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread", `${sources}${name}.c`, "-o", output, ...flags];
    const { success, stderr } = new Deno.Command("gcc", { args, stdin: "null", stdout: "null", stderr: "piped" }).outputSync();
    assert.ok(success, new TextDecoder().decode(stderr));
    return output;
  }

  /** Writes a file into it, and gives its path. */
  file(name: string, text: string, mode = 0o644): string {
    const path = `${this.path}/${name}`;
    Deno.writeTextFileSync(path, text);
    Deno.chmodSync(path, mode);
    return path;
  }

  /** Makes a directory in it, and gives its path. */
  directory(name: string): string {
    const path = `${this.path}/${name}`;
    Deno.mkdirSync(path);
    return path;
  }

  /** Removes it with all that is in it. */
  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}
