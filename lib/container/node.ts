import { launch, type Launched, type LaunchRequest, type Placement } from "../../ffi/launch.ts";
import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { NoSuchObjectError, RefusedError } from "../errors.ts";
import { hierarchyOf, threadsFile } from "../kernel/cgroup.ts";
import { Inventory } from "../kernel/inventory.ts";
import { remember, remind } from "../plan/affinities.ts";
import type { Kernel } from "../plan/driver.ts";
import { apply, type Drift, prepare, undo, verify } from "../plan/executor.ts";
import { addHolding, type Holding, holdingOf, type Ledger, type Owner, removeHolding, stepsToUndo } from "../plan/ledger.ts";
import type { Step } from "../plan/step.ts";
import { isAlive, ownerSelf, Store } from "../plan/store.ts";
import { birthOf, planContainer } from "./compose.ts";
import { delay, endProcesses } from "./processes.ts";
import { resolve } from "./resolve.ts";
import { type ContainerSpec, type NodeRequest, serviceName } from "./spec.ts";

/** A program to start in a container. */
export type ProgramRequest = Pick<LaunchRequest, "argv" | "env" | "cwd" | "credentials" | "stdio" | "dieWithParent" | "forwardSignals">;

/** A program that runs in a container. */
export interface StartedProgram extends Launched {
  /** Where its threads have to be placed while it is waited for, if the kernel does not. */
  readonly placement?: Placement;
}

/** What a recovery found and did. */
export interface Recovery {
  /** Containers whose command had died; they are gone now. */
  readonly removed: readonly string[];
  /** Steps that the kernel would not take back. */
  readonly left: readonly Drift[];
}

/** How long a container lives: with this process, or until it is taken down. */
export type Lifetime = "process" | "persistent";

/** A decided container and the steps that make it. */
export interface ContainerPlan {
  /** What it will be. */
  readonly spec: ContainerSpec;
  /** What has to change, in order; a step whose `from` is its `to` is true already. */
  readonly steps: readonly Step[];
}

/** Plans a request for any machine, running or captured. */
export function planRequest(files: KernelFiles, ledger: Ledger, request: NodeRequest): ContainerPlan[] {
  const inventory = new Inventory(files);
  return resolve(inventory, ledger, request).map((spec) => ({ spec, steps: prepare(files, planContainer(inventory, spec)) }));
}

/** The ledger with containers that live until somebody takes them down. */
function disown(ledger: Ledger, names: ReadonlySet<string>): Ledger {
  if (names.size === 0) return ledger;
  return { ...ledger, holdings: ledger.holdings.map((holding) => names.has(holding.name) ? { ...holding, owner: null } : holding) };
}

/**
 * The containers of this machine: made, found, entered and taken down. Every call that changes something holds the
 * lock of the state directory, and first puts back what a dead command left behind.
 */
export class Node {
  readonly #store: Store;
  readonly #own = new Map<string, { readonly holding: Holding; readonly inventory: Inventory }>();

  /**
   * The containers of one machine and one state directory.
   *
   * @param kernel The running machine.
   * @param stateDirectory Where the ledger lies, `/run/nodeos`.
   * @param onRecovery Is told when a call first had to put back what a dead command left behind.
   */
  constructor(readonly kernel: Kernel, stateDirectory: string, readonly onRecovery: (recovery: Recovery) => void = () => {}) {
    this.#store = new Store(kernel, stateDirectory);
  }

  /** The ledger as it is, without recovery: for looking. */
  ledger(): Ledger {
    return this.#store.read();
  }

  /** Plans a request and changes nothing. */
  plan(request: NodeRequest): ContainerPlan[] {
    return planRequest(this.kernel, this.ledger(), request);
  }

  /** What is known of a container. Throws a `NoSuchObjectError` when there is none of that name. */
  find(name: string): Holding {
    return this.#known(this.ledger(), name);
  }

  /**
   * Makes the containers of a request: all of them, or none.
   *
   * @throws {SpecError} If the request is wrong, {RefusedError} if the kernel refuses a step; the machine is as it was.
   */
  async up(request: NodeRequest, lifetime: Lifetime): Promise<ContainerSpec[]> {
    using _lock = await this.#store.lock();
    let ledger = (await this.#recover(this.#store.read())).ledger;
    const inventory = new Inventory(this.kernel);
    const specs = resolve(inventory, ledger, request);
    const broken = this.#brokenPartitions(ledger).map(({ name }) => name);
    const owner = ownerSelf(this.kernel);
    for (const spec of specs) ledger = addHolding(ledger, this.#holding(inventory, spec, owner));
    // On disk before anything is changed, and owned by us: if we die here, the next command puts it back.
    ledger = remember(this.kernel, ledger);
    this.#store.write(ledger);
    try {
      for (const { name } of specs) {
        const holding = holdingOf(ledger, name)!;
        const ours = new Set(stepsToUndo(ledger, holding));
        apply(this.kernel, holding.steps, (step) => ours.has(step));
      }
      this.#checkNeighbours(ledger, broken);
      const names = new Set(lifetime === "persistent" ? specs.map(({ name }) => name) : []);
      const settled = disown(remind(this.kernel, ledger), names);
      if (settled !== ledger) this.#store.write(settled);
      ledger = settled;
    } catch (error) {
      for (const { name } of specs.toReversed()) ledger = (await this.#remove(ledger, name, 0)).ledger;
      throw error;
    }
    // What lives with this process changes only through it: starting a program there need not read it all again.
    if (lifetime === "process") { for (const { name } of specs) this.#own.set(name, { holding: holdingOf(ledger, name)!, inventory }); }
    return specs;
  }

  #holding(inventory: Inventory, spec: ContainerSpec, owner: Owner): Holding {
    return { name: spec.name, owner, spec, createdAtMs: Date.now(), steps: prepare(this.kernel, planContainer(inventory, spec)) };
  }

  /** Kernels before 6.7 let a new partition break its neighbours' without a word. */
  #checkNeighbours(ledger: Ledger, brokenBefore: readonly string[]): void {
    for (const { name, drift: { step, found } } of this.#brokenPartitions(ledger)) {
      if (brokenBefore.includes(name)) continue;
      throw new RefusedError(`Cannot keep the partition of container ${name}: ${step.what} now says ${JSON.stringify(found)}`, {
        remedy: "Give the new container CPUs that no other cgroup claims; nodeos topo shows who has which",
      });
    }
  }

  #brokenPartitions(ledger: Ledger): { name: string; drift: Drift }[] {
    return ledger.holdings.flatMap(({ name, steps }) => {
      const [drift] = verify(this.kernel, steps.filter(({ what }) => what.endsWith("/cpuset.cpus.partition")));
      return drift ? [{ name, drift }] : [];
    });
  }

  /**
   * Takes containers down: ends their programs, then puts back what they changed, last first.
   *
   * @param names Containers; with none, all of them, the ServiceOS last.
   * @param graceMs How long programs may take after SIGTERM before SIGKILL.
   * @throws {NoSuchObjectError} If a name is unknown; then nothing is taken down.
   */
  async down(names: readonly string[], graceMs: number): Promise<Recovery> {
    using _lock = await this.#store.lock();
    let { ledger } = await this.#recover(this.#store.read());
    for (const name of names) this.#known(ledger, name);
    this.#own.clear();
    const chosen = ledger.holdings.filter(({ name }) => names.length === 0 || names.includes(name)).map(({ name }) => name).toReversed();
    const left: Drift[] = [];
    // From here on it goes one way: when we are killed, the next command goes on with all of them.
    const marked = ledger.holdings.map((holding) =>
      chosen.includes(holding.name) && holding.owner === null ? { ...holding, leaving: true as const } : holding
    );
    ledger = { ...ledger, holdings: marked };
    if (marked.some(({ leaving }) => leaving)) this.#store.write(ledger);
    for (const name of chosen) {
      const result = await this.#remove(ledger, name, graceMs);
      ledger = result.ledger;
      left.push(...result.left);
    }
    return { removed: chosen, left };
  }

  /** Ends the programs of a container and keeps the container. Returns how many processes there were. */
  async stop(name: string, graceMs: number): Promise<number> {
    return await endProcesses(this.kernel, this.#known(this.ledger(), name), graceMs);
  }

  /** Puts back what dead commands left behind. Cheap when there is nothing: one small file is read. */
  async recover(): Promise<Recovery> {
    if (!this.ledger().holdings.some((holding) => this.#isAbandoned(holding))) return { removed: [], left: [] };
    using _lock = await this.#store.lock();
    return await this.#recover(this.#store.read());
  }

  #isAbandoned({ owner, leaving }: Holding): boolean {
    return leaving === true || (owner !== null && !isAlive(this.kernel, owner));
  }

  async #recover(ledger: Ledger): Promise<Recovery & { ledger: Ledger }> {
    const removed: string[] = [];
    const left: Drift[] = [];
    for (const holding of ledger.holdings.toReversed()) {
      if (!this.#isAbandoned(holding)) continue;
      const result = await this.#remove(ledger, holding.name, 0);
      ledger = result.ledger;
      removed.push(holding.name);
      left.push(...result.left);
    }
    if (removed.length > 0) this.onRecovery({ removed, left });
    return { ledger, removed, left };
  }

  async #remove(ledger: Ledger, name: string, graceMs: number): Promise<{ ledger: Ledger; left: Drift[] }> {
    const holding = this.#known(ledger, name);
    const noted = remember(this.kernel, ledger);
    if (noted !== ledger) this.#store.write(noted);
    await endProcesses(this.kernel, holding, graceMs);
    let left = undo(this.kernel, stepsToUndo(ledger, holding));
    // A process that was just killed may keep its cgroup busy for a moment.
    for (let pauseMs = 1; left.length > 0 && pauseMs < 100; pauseMs *= 4) {
      await delay(pauseMs);
      left = undo(this.kernel, left.map(({ step }) => step));
    }
    ledger = remind(this.kernel, noted);
    ledger = left.length === 0 ? removeHolding(ledger, name) : {
      ...ledger,
      holdings: ledger.holdings.map((other) =>
        other.name === name
          ? {
            ...other,
            leaving: true as const,
            steps: left.map(({ step }) => step),
          }
          : other
      ),
    };
    this.#store.write(ledger);
    return { ledger, left };
  }

  /** Compares every container with the machine. */
  verify(): { name: string; drift: Drift[] }[] {
    return this.ledger().holdings.map(({ name, steps }) => ({ name, drift: verify(this.kernel, steps) }));
  }

  /** Starts a program in a container: born in its cgroups, on its CPUs, under its scheduling. */
  start(name: string, program: ProgramRequest): StartedProgram {
    const { holding, inventory } = this.#own.get(name) ??
      { holding: this.#known(this.ledger(), name), inventory: new Inventory(this.kernel) };
    const spec = holding.spec as ContainerSpec;
    const { placeThreads, ...birth } = birthOf(inventory, spec);
    const launched = launch({ ...program, ...this.#seats(inventory, holding), cpus: spec.cpus, ...birth });
    const hierarchy = hierarchyOf(inventory.cgroups, "cpuset");
    if (!placeThreads || hierarchy === null) return launched;
    return { ...launched, placement: { threadsPath: threadsFile(hierarchy, name), cpus: spec.cpus } };
  }

  #seats(inventory: Inventory, holding: Holding): Pick<LaunchRequest, "cgroup" | "tasks"> {
    const directories = holding.steps.filter(({ kind }) => kind === "cgroup").map(({ what }) => what);
    const isVersion2 = (directory: string) =>
      inventory.cgroups.hierarchies.some(({ version, mount }) => version === 2 && directory.startsWith(`${mount}/`));
    return {
      cgroup: directories.find(isVersion2),
      tasks: directories.filter((directory) => !isVersion2(directory)).map((directory) => `${directory}/tasks`),
    };
  }

  #known(ledger: Ledger, name: string): Holding {
    const holding = holdingOf(ledger, name);
    if (holding) return holding;
    const names = ledger.holdings.map((known) => known.name);
    const remedy = name === serviceName
      ? "The ServiceOS has a cgroup once a specification gives it CPUs (service.cpus)"
      : names.length > 0
      ? `There are: ${names.join(", ")}`
      : "There is none; make one with nodeos up or nodeos run";
    throw new NoSuchObjectError(`Cannot find container ${JSON.stringify(name)}`, { remedy });
  }
}
