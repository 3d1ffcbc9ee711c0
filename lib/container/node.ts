import { launch, type Launched, type LaunchRequest, type Placement } from "../../ffi/launch.ts";
import { RefusedError } from "../errors.ts";
import { hierarchyOf, threadsFile } from "../kernel/cgroup.ts";
import { Inventory } from "../kernel/inventory.ts";
import { remember, remind } from "../plan/affinities.ts";
import { asBefore } from "../plan/before.ts";
import type { Kernel } from "../plan/driver.ts";
import { apply, type Drift, prepare, verify } from "../plan/executor.ts";
import { addHolding, type Holding, holdingOf, type Ledger, type Owner, stepsOfOthers, stepsToUndo } from "../plan/ledger.ts";
import { mend } from "../plan/mend.ts";
import { ownerSelf, Store } from "../plan/store.ts";
import { Changes } from "./changes.ts";
import { birthOf, planContainer } from "./compose.ts";
import { type ContainerPlan, type Decision, planChange, planRequest } from "./planning.ts";
import { endProcesses } from "./processes.ts";
import { type Recovery, Restorer } from "./recovery.ts";
import { Forwarders } from "./forwarders.ts";
import { withOwnMemory } from "./memory_seat.ts";
import { forwardedBirth, type Forwarding, forwardingDirectory } from "./forwarding_seat.ts";
import { findHolding, specsOf } from "./ledger_specs.ts";
import { resolve } from "./resolve.ts";
import { seatsOf } from "./seats.ts";
import { type ContainerSpec, type Lifetime, type NodeRequest } from "./spec.ts";
import { verifyNode } from "./verify_node.ts";
import { type Left, leftOf } from "./whole_node.ts";

/** A program to start in a container. */
export type ProgramRequest = Pick<
  LaunchRequest,
  "argv" | "env" | "addEnv" | "cwd" | "credentials" | "stdio" | "dieWithParent" | "forwardSignals"
>;

/** A program that runs in a container. */
export interface StartedProgram extends Launched {
  /** Where its threads have to be placed while it is waited for, if the kernel does not. */
  readonly placement?: Placement;
}

/** Options of a {@link Node}. */
export interface NodeOptions {
  /** Is told when a call first had to put back what a dead command left behind. */
  readonly onRecovery?: (recovery: Recovery) => void;
  /** Loads what forwards system calls, when somebody wishes it; `forwarding.ts` beside this file by default. */
  readonly loadForwarding?: () => Promise<Forwarding>;
}

/** Not a literal name: Deno would read that file, and all it needs, for every command. */
async function loadOurs(): Promise<Forwarding> {
  return (await import(new URL("./forwarding.ts", import.meta.url).href)).forwarding;
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
  readonly #changes: Changes;
  readonly #restorer: Restorer;
  readonly #onRecovery: (recovery: Recovery) => void;
  readonly #forwarders: Forwarders;
  readonly #own = new Map<string, { readonly holding: Holding; readonly inventory: Inventory }>();

  /**
   * The containers of one machine and one state directory.
   *
   * @param kernel The running machine.
   * @param stateDirectory Where the ledger lies, `/run/nodeos`.
   */
  constructor(readonly kernel: Kernel, readonly stateDirectory: string, { onRecovery, loadForwarding }: NodeOptions = {}) {
    this.#onRecovery = onRecovery ?? (() => {});
    this.#forwarders = new Forwarders(kernel, stateDirectory, loadForwarding ?? loadOurs);
    this.#store = new Store(kernel, stateDirectory);
    this.#changes = new Changes(kernel, this.#store);
    this.#restorer = new Restorer(kernel, this.#store, this.#changes, (name) => this.#forwarders.stop(name));
  }

  /** The ledger as it is, without recovery: for looking. */
  ledger(): Ledger {
    return this.#store.read();
  }

  /** Plans a request and changes nothing. */
  async plan(request: NodeRequest): Promise<ContainerPlan[]> {
    await this.#forwarders.check(request);
    return planRequest(this.kernel, this.ledger(), request);
  }

  /** What is known of a container. Throws a `NoSuchObjectError` when there is none of that name. */
  find(name: string): Holding {
    return findHolding(this.ledger(), name);
  }

  /**
   * Makes the containers of a request: all of them, or none.
   *
   * @throws {SpecError} If the request is wrong, {RefusedError} if the kernel refuses a step; the machine is as it was.
   */
  async up(request: NodeRequest, lifetime: Lifetime): Promise<ContainerSpec[]> {
    await this.#forwarders.check(request);
    using _lock = await this.#store.lock();
    let ledger = (await this.#recover()).ledger;
    const inventory = new Inventory(this.kernel);
    const specs = resolve(inventory, ledger, request);
    const before = asBefore(this.kernel, ledger);
    // Usually nobody holds anything, and what was read is not read again.
    const former = before === this.kernel ? inventory : new Inventory(before);
    const broken = this.#changes.brokenPartitions(ledger);
    const owner = ownerSelf(this.kernel);
    for (const spec of specs) ledger = addHolding(ledger, this.#holding(former, ledger, spec, owner));
    // On disk before anything is changed, and owned by us: if we die here, the next command puts it back.
    ledger = remember(this.kernel, ledger);
    this.#store.write(ledger);
    try {
      // Others leave the CPUs before they are closed; whoever came in between leaves at the end.
      const cleared = this.#changes.reconcile(ledger);
      if (cleared !== ledger) this.#store.write(ledger = remember(this.kernel, cleared));
      for (const { name } of specs) {
        const holding = holdingOf(ledger, name)!;
        const ours = new Set(stepsToUndo(ledger, holding));
        apply(this.kernel, holding.steps, (step) => ours.has(step));
      }
      this.#changes.checkNeighbours(ledger, broken);
      ledger = this.#changes.reconcile(ledger);
      await this.#forwarders.place(ledger);
      await this.#forwarders.start(ledger, specs, owner, lifetime);
      const names = new Set(lifetime === "persistent" ? specs.map(({ name }) => name) : []);
      const settled = disown(remind(this.kernel, ledger), names);
      if (settled !== ledger) this.#store.write(settled);
      ledger = settled;
    } catch (error) {
      // What is on disk knows every step, also of what had just begun.
      ledger = this.#store.read();
      for (const { name } of specs.toReversed()) ledger = (await this.#restorer.remove(ledger, name, 0)).ledger;
      this.#changes.reconcile(ledger);
      throw error;
    }
    // What lives with this process changes only through it: starting a program there need not read it all again.
    if (lifetime === "process") { for (const { name } of specs) this.#own.set(name, { holding: holdingOf(ledger, name)!, inventory }); }
    return specs;
  }

  #holding(inventory: Inventory, ledger: Ledger, spec: ContainerSpec, owner: Owner): Holding {
    const steps = prepare(this.kernel, planContainer(inventory, spec, stepsOfOthers(ledger, spec.name)));
    return { name: spec.name, owner, spec, createdAtMs: Date.now(), steps };
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
    let ledger = await this.#recoverIfPossible();
    for (const name of names) findHolding(ledger, name);
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
      const result = await this.#restorer.remove(ledger, name, graceMs);
      ledger = result.ledger;
      left.push(...result.left);
    }
    await this.#forwarders.place(this.#changes.reconcile(ledger, left));
    return { removed: chosen, left };
  }

  /**
   * Changes containers while their programs run: all of them, or none.
   *
   * @param decide Says what they shall be, from what is there.
   * @returns What they are now.
   * @throws {RefusedError} If the kernel refuses a step; then they are as they were.
   */
  async change(decide: Decision): Promise<readonly ContainerSpec[]> {
    using _lock = await this.#store.lock();
    const { ledger } = await this.#recover();
    this.#own.clear();
    const targets = decide(new Inventory(this.kernel), ledger);
    this.#changes.make(ledger, targets);
    await this.#forwarders.place(this.ledger());
    return targets;
  }

  /** Plans the same, and changes nothing. */
  planChange(decide: Decision): ContainerPlan[] {
    return planChange(this.kernel, this.ledger(), decide);
  }

  /** Ends the programs of a container and keeps the container. Returns how many processes there were. */
  async stop(name: string, graceMs: number): Promise<number> {
    return await endProcesses(this.kernel, findHolding(this.ledger(), name), graceMs);
  }

  /** Puts back what dead commands left behind. Cheap when there is nothing: one small file is read. */
  async recover(): Promise<Recovery> {
    if (!this.#restorer.isNeeded(this.ledger())) return { removed: [], left: [] };
    using _lock = await this.#store.lock();
    return await this.#recover();
  }

  /** A change that cannot be taken back shall not keep anybody from taking everything down. */
  async #recoverIfPossible(): Promise<Ledger> {
    try {
      return (await this.#recover()).ledger;
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      return this.#store.read();
    }
  }

  async #recover(): Promise<Recovery & { ledger: Ledger }> {
    const result = await this.#restorer.recover(this.#store.read());
    if (result.removed.length > 0 || (result.reverted ?? []).length > 0) this.#onRecovery(result);
    return result;
  }

  /** Compares every container with the machine. */
  verify(): { name: string; drift: Drift[] }[] {
    return this.ledger().holdings.map(({ name, steps }) => ({ name, drift: verify(this.kernel, steps) }));
  }

  /** Compares what containers changed together with the machine, and with what they would change now. */
  verifyNode(): Drift[] {
    const ledger = this.ledger();
    return verifyNode(this.kernel, ledger);
  }

  /** What stays on the containers' CPUs although they wish it away. */
  left(): Left[] {
    const ledger = this.ledger();
    return leftOf(new Inventory(this.kernel), specsOf(ledger), ledger.node?.steps ?? []);
  }

  /**
   * Makes true again what somebody else changed since.
   *
   * @returns What still is not.
   */
  async repair(): Promise<{ name: string; drift: Drift[] }[]> {
    using _lock = await this.#store.lock();
    let { ledger } = await this.#recover();
    const drift = ledger.holdings.flatMap(({ steps }) => verify(this.kernel, steps));
    if (drift.length > 0) {
      this.#store.write(ledger = remember(this.kernel, ledger));
      mend(this.kernel, drift);
      this.#store.write(ledger = remind(this.kernel, ledger));
    }
    const settled = this.#changes.reconcile(ledger);
    return [...this.verify(), { name: "", drift: verifyNode(this.kernel, settled) }].filter(({ drift }) => drift.length > 0);
  }

  /** Starts a program in a container: born in its cgroups, on its CPUs, under its scheduling. */
  start(name: string, program: ProgramRequest): StartedProgram {
    const { holding, inventory } = this.#own.get(name) ??
      { holding: findHolding(this.ledger(), name), inventory: new Inventory(this.kernel) };
    const spec = holding.spec as ContainerSpec;
    const { placeThreads, ...birth } = birthOf(inventory, spec);
    const apart = spec.nodes.length < inventory.memoryNodes.length ? { ownMemory: true } : {};
    const born: LaunchRequest = { ...program, ...seatsOf(inventory, holding), cpus: spec.cpus, ...birth, ...apart };
    // What is free is looked at anew.
    const request = withOwnMemory(spec.memory === undefined ? inventory : new Inventory(this.kernel), spec, born);
    const launched = launch(spec.syscalls === undefined ? request : this.#forwarded(name, request));
    const hierarchy = hierarchyOf(inventory.cgroups, "cpuset");
    if (!placeThreads || hierarchy === null) return launched;
    return { ...launched, placement: { threadsPath: threadsFile(hierarchy, name), cpus: spec.cpus } };
  }

  #forwarded(name: string, request: LaunchRequest): LaunchRequest {
    const { filter, variables } = forwardedBirth(forwardingDirectory(this.stateDirectory, name), request.credentials?.uid);
    return { ...request, filter, addEnv: { ...request.addEnv, ...variables } };
  }
}
