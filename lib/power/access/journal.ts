import { RefusedError } from "../../errors.ts";
import { drivers, type Kernel } from "../../plan/driver.ts";
import { type Drift, prepare, undo } from "../../plan/executor.ts";
import { addHolding, type Holding, type Ledger, removeHolding, replaceHolding } from "../../plan/ledger.ts";
import { type Change, isSame, type Step } from "../../plan/step.ts";
import { isAlive, ownerSelf, Store } from "../../plan/store.ts";
import { writerName } from "./writer.ts";

/** What the writer before left that had died. */
export interface Restored {
  /** Steps that were put back. */
  readonly steps: readonly Step[];
  /** Those that the machine would not take back; the next one tries again. */
  readonly left: readonly Drift[];
}

/**
 * What the writer of power changed on the machine, on disk before it is changed: a ledger of its own, below the directory
 * of the state. Whoever opens it next puts back what a writer left that died.
 */
export class Journal {
  readonly #store: Store;
  #holding: Holding;
  #ledger: Ledger;

  private constructor(readonly kernel: Kernel, store: Store, ledger: Ledger, holding: Holding) {
    this.#store = store;
    this.#ledger = ledger;
    this.#holding = holding;
  }

  /**
   * Becomes the writer.
   *
   * @param who Whom others are told of.
   * @param onRestored Is told what was put back first.
   * @throws {RefusedError} If another writer lives, or what it left cannot be put back.
   */
  static async open(kernel: Kernel, directory: string, who: string, onRestored: (restored: Restored) => void = () => {}): Promise<Journal> {
    const store = new Store(kernel, directory);
    using _lock = await store.lock();
    const restored = restore(kernel, store);
    if (restored.steps.length > 0) onRestored(restored);
    const ledger = store.read();
    const other = ledger.holdings.find(({ name }) => name === writerName);
    if (other?.owner && isAlive(kernel, other.owner)) {
      throw new RefusedError(`Cannot set power: process ${other.owner.pid} (${other.spec}) is doing so, and only one may`, {
        remedy: "Wait until it ends, or end it: its settings then go back",
      });
    }
    if (restored.left.length > 0) {
      const { step, found } = restored.left[0];
      throw new RefusedError(`Cannot set power: ${step.what} should go back to ${step.from}, and is ${found}`, {
        remedy: "The one who set it died; look at what the kernel says of it",
      });
    }
    // What is not there now, such as a CPU that is off, goes back with ours.
    const holding: Holding = { name: writerName, owner: ownerSelf(kernel), spec: who, createdAtMs: Date.now(), steps: other?.steps ?? [] };
    const next = addHolding(ledger, holding);
    store.write(next);
    return new Journal(kernel, store, next, holding);
  }

  /** Everything that was changed so far, with what it was before. */
  get steps(): readonly Step[] {
    return this.#holding.steps;
  }

  /**
   * Writes down what is about to change, as it is now; what is there already stays as it was first.
   *
   * @throws {RefusedError} If something is not there.
   */
  remember(changes: readonly Change[]): void {
    const fresh = changes.filter((change) => !this.steps.some((step) => isSame(step, change)));
    if (fresh.length === 0) return;
    const steps = prepare(this.kernel, fresh);
    const gone = steps.find(({ from }) => from === null);
    if (gone !== undefined) throw new RefusedError(`Cannot set ${gone.what}: it is not there (any more)`);
    this.#replace({ ...this.#holding, steps: [...this.steps, ...steps] });
  }

  #replace(holding: Holding): void {
    const ledger = replaceHolding(this.#ledger, holding);
    this.#store.write(ledger);
    [this.#ledger, this.#holding] = [ledger, holding];
  }

  /** Puts everything back, last first, and stops being the writer. Returns what the machine would not take back. */
  async close(): Promise<Drift[]> {
    using _lock = await this.#store.lock();
    return putBack(this.kernel, this.#store, this.#store.read(), this.#holding).left;
  }
}

/**
 * Puts back what a writer of power left that died. Cheap when there is nothing.
 *
 * @param directory Where the journal lies, `/run/nodeos/power`.
 */
export async function restorePower(kernel: Kernel, directory: string): Promise<Restored> {
  const store = new Store(kernel, directory);
  if (!store.read().holdings.some(({ name }) => name === writerName)) return { steps: [], left: [] };
  using _lock = await store.lock();
  return restore(kernel, store);
}

/** Under the lock. */
function restore(kernel: Kernel, store: Store): Restored {
  const ledger = store.read();
  const holding = ledger.holdings.find(({ name }) => name === writerName);
  if (holding === undefined || holding.owner !== null && isAlive(kernel, holding.owner)) return { steps: [], left: [] };
  const { left, rest } = putBack(kernel, store, ledger, holding);
  return { steps: holding.steps.filter((step) => !rest.includes(step)), left };
}

/**
 * Undoes a holding and takes it out of the ledger, less what the machine would not take back and what is not there now: that
 * is for whoever comes next, since this process may live on.
 */
function putBack(kernel: Kernel, store: Store, ledger: Ledger, holding: Holding): { left: Drift[]; rest: Step[] } {
  const left = undo(kernel, holding.steps);
  const rest = holding.steps.filter((step) => isGone(kernel, step) || left.some((drift) => drift.step === step));
  store.write(rest.length === 0 ? removeHolding(ledger, writerName) : replaceHolding(ledger, { ...holding, owner: null, steps: rest }));
  return { left, rest };
}

/** A CPU that is switched off takes its files and registers with it, and brings our settings back when it returns. */
function isGone(kernel: Kernel, { kind, what }: Step): boolean {
  try {
    return drivers[kind].read(kernel, what) === null;
  } catch {
    // Whatever it is, `undo` has said it.
    return false;
  }
}
