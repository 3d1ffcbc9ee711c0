import { remember, remind } from "../plan/affinities.ts";
import type { Kernel } from "../plan/driver.ts";
import { type Drift, undo } from "../plan/executor.ts";
import { type Holding, holdingOf, type Ledger, type Owner, removeHolding, replaceHolding, stepsToUndo } from "../plan/ledger.ts";
import { isAlive, ownerSelf, type Store } from "../plan/store.ts";
import type { Changes } from "./changes.ts";
import { delay, endProcesses } from "./processes.ts";
import type { ContainerSpec } from "./spec.ts";

/** What a recovery found and did. */
export interface Recovery {
  /** Containers whose command had died; they are gone now. */
  readonly removed: readonly string[];
  /** Containers that a dead command was changing; they are as they were before. */
  readonly reverted?: readonly string[];
  /** Steps that the kernel would not take back. */
  readonly left: readonly Drift[];
}

/** Puts back: containers one by one, and whatever commands left that died; under the lock. */
export class Restorer {
  /**
   * @param kernel The running machine.
   * @param store Where the ledger lies; the caller holds its lock.
   * @param changes What makes the whole node follow.
   * @param stopForwarding Ends what forwards the system calls of a container.
   */
  constructor(
    readonly kernel: Kernel,
    readonly store: Store,
    readonly changes: Changes,
    readonly stopForwarding: (container: string) => Promise<void>,
  ) {}

  /** Whether a dead command left something behind. */
  isNeeded({ holdings, node }: Ledger): boolean {
    return holdings.some((holding) => this.#isAbandoned(holding) || this.#isHalfChanged(holding)) || this.#isDead(node?.changing);
  }

  #isDead(owner: Owner | undefined): boolean {
    return owner !== undefined && !isAlive(this.kernel, owner);
  }

  #isHalfChanged({ changing }: Holding): boolean {
    return this.#isDead(changing?.owner);
  }

  #isAbandoned({ owner, leaving }: Holding): boolean {
    return leaving === true || (owner !== null && !isAlive(this.kernel, owner));
  }

  /** Makes what dead commands were changing what it was before, and takes down what they had made, or were taking down. */
  async recover(ledger: Ledger): Promise<Recovery & { ledger: Ledger }> {
    const removed: string[] = [];
    const left: Drift[] = [];
    const halfChanged = ledger.holdings.filter((holding) => this.#isHalfChanged(holding) && !this.#isAbandoned(holding));
    const isNodeHalfChanged = this.#isDead(ledger.node?.changing);
    for (const holding of ledger.holdings.toReversed()) {
      if (!this.#isAbandoned(holding)) continue;
      const result = await this.remove(ledger, holding.name, 0);
      ledger = result.ledger;
      removed.push(holding.name);
      left.push(...result.left);
    }
    // Only now, since those may have CPUs of theirs.
    if (halfChanged.length > 0) ledger = this.changes.goBack(ledger, halfChanged.map(({ name }) => name));
    if (removed.length > 0 || isNodeHalfChanged) ledger = this.changes.reconcile(ledger, left);
    const reverted = halfChanged.map(({ name }) => name);
    return { ledger, removed, reverted, left };
  }

  /** Ends a container's programs and puts back what it changed; what the kernel would not take back stays in the ledger. */
  async remove(ledger: Ledger, name: string, graceMs: number): Promise<{ ledger: Ledger; left: Drift[] }> {
    const holding = holdingOf(ledger, name)!;
    const noted = remember(this.kernel, ledger);
    if (noted !== ledger) this.store.write(noted);
    await endProcesses(this.kernel, holding, graceMs);
    if ((holding.spec as Partial<ContainerSpec> | null)?.syscalls !== undefined) await this.stopForwarding(name);
    let left = undo(this.kernel, stepsToUndo(ledger, holding));
    // A process that was just killed may keep its cgroup busy for a moment.
    for (let pauseMs = 1; left.length > 0 && pauseMs < 100; pauseMs *= 4) {
      await delay(pauseMs);
      left = undo(this.kernel, left.map(({ step }) => step));
    }
    ledger = remind(this.kernel, noted);
    const rest = { ...holding, leaving: true as const, steps: left.map(({ step }) => step) };
    ledger = left.length === 0 ? removeHolding(ledger, name) : replaceHolding(ledger, rest);
    // What it wished of the whole node goes next; whoever finds us dead before that does it.
    if (ledger.node !== undefined) ledger = { ...ledger, node: { ...ledger.node, changing: ownerSelf(this.kernel) } };
    this.store.write(ledger);
    return { ledger, left };
  }
}
