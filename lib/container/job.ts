import { waitAmong } from "../../ffi/ending.ts";
import type { ExitStatus, LaunchRequest } from "../../ffi/launch.ts";
import { sendSignal } from "../../ffi/task.ts";
import { NoSuchObjectError, UsageError } from "../errors.ts";
import { isInForeground } from "../kernel/terminal.ts";
import type { Drift } from "../plan/executor.ts";
import { type Holding, holdingOf } from "../plan/ledger.ts";
import { startTicksOf } from "../plan/store.ts";
import type { Node } from "./node.ts";
import { endProcesses, processesOf } from "./processes.ts";
import type { ContainerSpec, NodeRequest } from "./spec.ts";

/** How a {@link Job} is run. */
export interface JobOptions {
  /**
   * Milliseconds between the signal that ends the job and SIGKILL.
   * @default {10_000}
   */
  readonly graceMs?: number;
  /**
   * Whether the other programs go on when one has failed.
   * @default {false}
   */
  readonly keepGoing?: boolean;
  /** Descriptors that the program of a container gets as 0, 1 and 2; ours by default. */
  readonly stdioOf?: (container: string) => LaunchRequest["stdio"];
  /** Is told of each program as it ends. */
  readonly onEnd?: (result: JobResult) => void;
}

/** How the program of one container ended. */
export interface JobResult extends ExitStatus {
  /** Name of its container. */
  readonly container: string;
  /** Process id that it had. */
  readonly pid: number;
  /** From its start to its end, in seconds. */
  readonly seconds: number;
}

/** How a job ended. */
export interface JobOutcome {
  /** One for each program, in the order of the request; none when a signal came before the first was started. */
  readonly results: readonly JobResult[];
  /** 0 when all ended with 0, else the code of the first that failed. */
  readonly exitCode: number;
  /** What the kernel would not take back; the next command tries again. */
  readonly left: readonly Drift[];
}

const sigTerm = 15;

/** A request without any command is no job: throws a `UsageError`. */
export function requireCommand({ containers }: NodeRequest): void {
  if (containers.some(({ command }) => command !== undefined)) return;
  throw new UsageError("Cannot run a job without a program: no container has a command", {
    remedy: "Give one a command, such as [./solver, input.dat]; nodeos up makes containers without programs",
  });
}

/**
 * Several containers with their programs, started and stopped as one: all of them are made, the command of each one is
 * started in it, and when the last has ended everything is put back. A program that fails ends the others.
 *
 * A program finds the name of its container in NODEOS_CONTAINER, and the process that runs the job in NODEOS_JOB: a signal
 * to that one ends the job. If it is killed, the programs are too, and the next command puts back what is left.
 */
export class Job {
  readonly #graceMs: number;
  #names: readonly string[] = [];
  #signal = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #kills: Promise<unknown> = Promise.resolve();
  #failed: JobResult | undefined;
  #isOver = false;

  /** A job, to {@link run} once. */
  constructor(readonly node: Node, readonly options: JobOptions = {}) {
    this.#graceMs = options.graceMs ?? 10_000;
  }

  /**
   * Makes the containers, runs their programs to the end of the last one, and puts everything back.
   *
   * @throws {UsageError} If there is no command, {SpecError} or {RefusedError} if the containers cannot be made, and
   * {LaunchError} if a program cannot be executed; then nothing of the job is left.
   */
  async run(request: NodeRequest): Promise<JobOutcome> {
    requireCommand(request);
    const specs = await this.node.up(request, "process");
    const compute = specs.filter(({ role }) => role === "compute");
    this.#names = compute.map(({ name }) => name);
    let results: JobResult[];
    try {
      results = await this.#runPrograms(request);
    } catch (error) {
      await this.#putBack(specs);
      throw error;
    }
    const left = await this.#putBack(specs);
    return { results, exitCode: this.#failed?.code ?? (results.length > 0 ? 0 : 128 + this.#signal), left };
  }

  /**
   * Ends the job: every process in its containers gets the signal, and after the time of grace SIGKILL. A second signal is
   * passed on like the first, and gives no more time.
   *
   * @param signal By number; SIGTERM by default.
   * @param isTyped It was typed at a terminal, whose foreground has it already.
   */
  end(signal: number = sigTerm, isTyped = false): void {
    if (this.#isOver) return;
    if (this.#signal === 0) this.#timer = setTimeout(() => this.#kills = this.#killAll(), this.#graceMs);
    this.#signal ||= signal;
    const { kernel } = this.node;
    for (const pid of this.#holdings().flatMap((holding) => processesOf(kernel, holding))) {
      const startTicks = startTicksOf(kernel, pid, "with zombies");
      if (startTicks !== null && !(isTyped && isInForeground(kernel, pid))) sendSignal(pid, BigInt(startTicks), signal);
    }
  }

  async #killAll(): Promise<void> {
    // What is left of them is met again, and reported, when the containers are put back.
    await Promise.allSettled(this.#holdings().map((holding) => endProcesses(this.node.kernel, holding, 0)));
  }

  /** The containers of the job that nobody has taken down meanwhile. */
  #holdings(): Holding[] {
    const ledger = this.node.ledger();
    return this.#names.flatMap((name) => holdingOf(ledger, name) ?? []);
  }

  async #runPrograms({ containers }: NodeRequest): Promise<JobResult[]> {
    const running: Promise<JobResult>[] = [];
    try {
      for (const [index, { command }] of containers.entries()) {
        if (command !== undefined && this.#signal === 0) running.push(this.#start(this.#names[index], command));
      }
    } catch (error) {
      this.end();
      throw error;
    } finally {
      await Promise.allSettled(running);
      await this.#kills;
    }
    return await Promise.all(running);
  }

  #start(container: string, argv: readonly string[]): Promise<JobResult> {
    const startMs = performance.now();
    const addEnv = { NODEOS_CONTAINER: container, NODEOS_JOB: `${Deno.pid}` };
    const program = this.node.start(container, { argv, addEnv, stdio: this.options.stdioOf?.(container), dieWithParent: true });
    const result = async () => ({
      container,
      pid: program.pid,
      ...await waitAmong(program, program.placement),
      seconds: Math.round(performance.now() - startMs) / 1000,
    });
    return this.#note(result());
  }

  /** Ends the others when one fails, or when we cannot learn how it ended. */
  async #note(ending: Promise<JobResult>): Promise<JobResult> {
    let isFine = false;
    try {
      const result = await ending;
      isFine = result.code === 0;
      if (!isFine) this.#failed ??= result;
      this.options.onEnd?.(result);
      isFine ||= this.options.keepGoing === true;
      return result;
    } finally {
      if (!isFine && this.#signal === 0) this.end();
    }
  }

  async #putBack(specs: readonly ContainerSpec[]): Promise<readonly Drift[]> {
    clearTimeout(this.#timer);
    this.#isOver = true;
    for (;;) {
      const ledger = this.node.ledger();
      const names = specs.map(({ name }) => name).filter((name) => holdingOf(ledger, name) !== undefined);
      try {
        return names.length === 0 ? [] : (await this.node.down(names, this.#graceMs)).left;
      } catch (error) {
        // Somebody took one of them down while we waited for the lock.
        if (!(error instanceof NoSuchObjectError)) throw error;
      }
    }
  }
}
