import { libraryPath } from "../../../ffi/library.ts";
import { clockNs } from "../../../ffi/mod.ts";
import { UsageError } from "../../errors.ts";
import { readTopology, type Topology } from "../../kernel/topology.ts";
import { readText } from "../../kernel/value.ts";
import type { Kernel } from "../../plan/driver.ts";
import type { ExpandLimits } from "../control/expand.ts";
import { CoresPage, numberOf, ownPagePrefix } from "./cores_page.ts";
import type { CoreRequest, RuntimeNews, RuntimePort, RuntimeThreads, ThreadPlaces } from "./runtime.ts";
import { ProgramTasks, type ProgramThread } from "./tasks.ts";

/** How a program is made to follow. */
export interface ProgramOptions {
  /** The running machine. */
  readonly kernel: Kernel;
  /** Cores that the program can use at most: CPUs, or threads where it has more of them. */
  readonly coresMax: number;
  /** Cores that it keeps in any case; a quarter of them when left out. */
  readonly coresMin?: number;
  /** How long it has to answer; 1 s when left out. */
  readonly answerSeconds?: number;
  /** The program's user and group; our own when left out. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** Where the page is made, which the user can reach; `/dev/shm` when left out. */
  readonly directory?: string;
  /** Whether programs of OpenMP that know nothing of this follow, too: by a library that is preloaded. */
  readonly hasOpenMp?: boolean;
  /** Whether its threads may be pinned to cores, and moved from hot ones to cooler ones. */
  readonly movesThreads?: boolean;
}

/** While a program is held, threads that it has begun meanwhile are held as well, once in this time. */
const holdNs = 500_000_000n;

/**
 * A program that we start, as a runtime whose number of cores can change: it follows by `nodeos_cores.h` or by OpenMP, or it is held to
 * its floor by the CPUs of its threads.
 */
export class ProgramRuntime implements RuntimePort, Disposable {
  /** See {@link RuntimePort.limits}. */
  readonly limits: ExpandLimits;
  /** What the program needs in its environment, beside what it has. */
  readonly env: Readonly<Record<string, string>>;
  readonly #kernel: Kernel;
  readonly #topology: Topology;
  readonly #page: CoresPage;
  readonly #movesThreads: boolean;
  #tasks: ProgramTasks | null = null;
  #threads: MovableThreads | undefined;
  #request = 0;
  #heldCores: number | null = null;
  #heldNs = 0n;

  private constructor(options: ProgramOptions) {
    const { kernel, coresMax, answerSeconds = 1, owner, directory = "/dev/shm", hasOpenMp = false, movesThreads = false } = options;
    const coresMin = options.coresMin ?? Math.max(1, Math.floor(coresMax / 4));
    if (!(Number.isInteger(coresMax) && Number.isInteger(coresMin) && coresMin >= 1 && coresMax >= coresMin && coresMax <= 0xffff)) {
      throw new UsageError(`Cannot let a program use ${coresMin} to ${coresMax} cores: these are no numbers of cores in ascending order`);
    }
    this.limits = { coresMin, coresMax, answerSeconds };
    this.#kernel = kernel;
    this.#topology = readTopology(kernel);
    this.#movesThreads = movesThreads;
    this.#page = new CoresPage(directory, coresMax, owner, ownPagePrefix(kernel));
    this.#page.renew(clockNs());
    this.env = { NODEOS_CORES: this.#page.path, ...hasOpenMp ? { LD_PRELOAD: withPreload(Deno.env.get("LD_PRELOAD")) } : {} };
  }

  /**
   * Makes the page that a program will follow; then start the program with `env`, and call `started`.
   *
   * @throws {UsageError} If the numbers of cores are none.
   */
  static create(options: ProgramOptions): ProgramRuntime {
    return new ProgramRuntime(options);
  }

  /** The file that the program follows by. */
  get path(): string {
    return this.#page.path;
  }

  /** Tells the process id of the program; its threads, and those of what it starts, may be held from now on. */
  started(pid: number): void {
    this.#tasks = new ProgramTasks(this.#kernel, this.#topology, pid);
    if (this.#movesThreads) this.#threads = new MovableThreads(this.#tasks, this.#topology);
  }

  /** See {@link RuntimePort.threads}. */
  get threads(): RuntimeThreads | undefined {
    return this.#threads;
  }

  /** See {@link RuntimePort.ask}. */
  ask(request: CoreRequest): void {
    this.#request = request.request;
    this.#page.ask(request);
  }

  /** See {@link RuntimePort.poll}. */
  poll(): RuntimeNews {
    const nowNs = clockNs();
    this.#page.renew(nowNs);
    if (this.#heldCores !== null && nowNs - this.#heldNs > holdNs) this.#hold(this.#heldCores, nowNs);
    const { answers, beatsNs } = this.#page.read(nowNs, (pid) => this.#isWorking(pid));
    return { answer: this.#answerOf([...answers.values()]), heartbeatSeconds: beatsNs.map((ns) => Number(ns) / 1e9) };
  }

  /** One that has ended and waits for its parent uses nothing. */
  #isWorking(pid: number): boolean {
    return /\) [^ZX] /.test(readText(this.#kernel, `/proc/${pid}/stat`) ?? "");
  }

  /** Together, all processes use what each says; one that says nothing leaves the request unanswered. */
  #answerOf(answers: readonly ({ readonly request: number; readonly cores: number } | null)[]): RuntimeNews["answer"] {
    const isWhole = this.#request > 0 && answers.length > 0 &&
      answers.every((answer) => answer !== null && answer.request === numberOf(this.#request) && answer.cores >= 1);
    if (!isWhole) return null;
    const cores = answers.reduce((sum, answer) => sum + answer!.cores, 0);
    // Who uses fewer than the floor, as at the moment it has nothing to do for more, is left the floor.
    return { request: this.#request, activeCores: Math.max(this.limits.coresMin, cores) };
  }

  /** See {@link RuntimePort.enforce}. */
  enforce(cores: number | null): void {
    if (this.#heldCores !== null && cores !== this.#heldCores) this.#tasks?.release();
    this.#heldCores = cores;
    if (cores !== null) this.#hold(cores, clockNs());
  }

  #hold(cores: number, nowNs: bigint): void {
    this.#heldNs = nowNs;
    this.#tasks?.hold(cores);
  }

  /** Gives threads their CPUs back and removes the page; again does nothing. */
  [Symbol.dispose](): void {
    this.#tasks?.release();
    this.#tasks = null;
    this.#page[Symbol.dispose]();
  }
}

/** Threads that work, one for each core, as they are when somebody looks. */
class MovableThreads implements RuntimeThreads {
  readonly #tasks: ProgramTasks;
  readonly #topology: Topology;
  #ticks = new Map<string, number>();
  #seen: readonly (ProgramThread & { readonly core: number; readonly activity: number })[] = [];

  constructor(tasks: ProgramTasks, topology: Topology) {
    this.#tasks = tasks;
    this.#topology = topology;
  }

  look(): ThreadPlaces {
    const threads = this.#tasks.threads();
    const taken = new Set<number>();
    this.#seen = threads.flatMap((thread) => {
      const activity = thread.ticks - (this.#ticks.get(thread.what) ?? thread.ticks);
      const core = this.#topology.cores.findIndex(({ cpus }) => cpus.includes(thread.cpu));
      if (activity <= 0 || core < 0 || taken.has(core)) return [];
      taken.add(core);
      return [{ ...thread, core, activity }];
    });
    this.#ticks = new Map(threads.map(({ what, ticks }) => [what, ticks]));
    return { cores: this.#seen.map(({ core }) => core), activity: this.#seen.map(({ activity }) => activity) };
  }

  place(cores: readonly number[]): void {
    for (const [index, core] of cores.entries()) {
      const thread = this.#seen[index];
      if (thread !== undefined && thread.core !== core) this.#tasks.pin(thread.what, core);
    }
  }
}

function withPreload(others: string | undefined): string {
  return [...others ? [others] : [], libraryPath().replace(/[^/]*$/, "libnodeos-cores.so")].join(":");
}
