import { RefusedError } from "../errors.ts";
import { formatStep, isSame, type Step, stepKinds } from "./step.ts";

/** The process that a holding lives and dies with. */
export interface Owner {
  /** Its process id. */
  readonly pid: number;
  /** Field 22 of its stat, as decimal text: tells it from a later process of the same number. */
  readonly startTicks: string;
}

/** What one container changed on the machine. */
export interface Holding {
  /** Name of the container. */
  readonly name: string;
  /** Put back as soon as this process is dead; `null` lives until somebody takes it down. */
  readonly owner: Owner | null;
  /** Being taken down: whoever finds it so goes on with that. */
  readonly leaving?: true;
  /** The container's specification, as plain data. */
  readonly spec: unknown;
  /** When it was made, in milliseconds since 1970. */
  readonly createdAtMs: number;
  /** Everything it changed, in the order it was changed. */
  readonly steps: readonly Step[];
}

/** Everything that we changed on the machine since it booted. */
export interface Ledger {
  /** Format of this document. */
  readonly version: 1;
  /** `/proc/sys/kernel/random/boot_id`: a reboot puts every step back by itself. */
  readonly bootId: string;
  /** In the order they were made. */
  readonly holdings: readonly Holding[];
  /** CPUs that threads of others had chosen and do not have now, by `TID:START`; see `affinities.ts`. */
  readonly affinities?: Readonly<Record<string, string>>;
  /** Cpusets are being changed: the kernel may have forgotten all that `affinities` says. */
  readonly disturbed?: true;
}

/** A ledger of nothing. */
export function emptyLedger(bootId: string): Ledger {
  return { version: 1, bootId, holdings: [] };
}

/**
 * Reads a ledger from its JSON text.
 *
 * @throws {SyntaxError} If it is not JSON, {TypeError} if it is not a ledger of this version.
 */
export function parseLedger(text: string): Ledger {
  const ledger = JSON.parse(text) as Partial<Ledger> | null;
  if (ledger?.version !== 1) throw new TypeError(`version ${ledger?.version} is not 1`);
  if (typeof ledger.bootId !== "string" || !Array.isArray(ledger.holdings)) throw new TypeError("it lists no holdings");
  const wrong = ledger.holdings.findIndex((holding) => !isHolding(holding));
  if (wrong >= 0) throw new TypeError(`holding ${wrong} is none`);
  return ledger as Ledger;
}

function isHolding(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { name, owner, steps } = value as Partial<Holding>;
  const isOwner = owner === null || (typeof owner?.pid === "number" && typeof owner.startTicks === "string");
  return typeof name === "string" && isOwner && Array.isArray(steps) && steps.every(isStep);
}

function isStep(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { kind, what, from, to } = value as Partial<Step>;
  return stepKinds.some((known) => known === kind) && typeof what === "string" && typeof to === "string" &&
    (from === null || typeof from === "string");
}

/** The holding of a name, if there is one. */
export function holdingOf(ledger: Ledger, name: string): Holding | undefined {
  return ledger.holdings.find((holding) => holding.name === name);
}

/**
 * Adds a holding. A shared step that another one made first gets that one's former value, so that whoever leaves last
 * puts back what was there before all.
 *
 * @throws {RefusedError} If another holding wants the same thing to be different, or has it for itself; or if a cgroup
 * that should be new is there: it is somebody else's, and would not go when this holding does.
 */
export function addHolding(ledger: Ledger, holding: Holding): Ledger {
  const stray = holding.steps.find(({ kind, shared, from }) => kind === "cgroup" && !shared && from !== null);
  if (stray !== undefined) {
    throw new RefusedError(`Cannot make container ${holding.name}: ${stray.what} is there already, and this ledger does not know it`, {
      remedy: `Choose another name; if no other NODEOS_STATE has it, end what runs in it, then rmdir ${stray.what}`,
    });
  }
  const steps = holding.steps.map((step) => {
    const other = ledger.holdings.find(({ name, steps }) => name !== holding.name && steps.some((held) => isSame(held, step)));
    const held = other?.steps.find((candidate) => isSame(candidate, step));
    if (other === undefined || held === undefined) return step;
    if (!step.shared || !held.shared || held.to !== step.to) {
      throw new RefusedError(`Cannot apply ${formatStep(step)}: container ${other.name} has it at ${JSON.stringify(held.to)}`, {
        remedy: `Give both containers the same wish, or take ${other.name} down first`,
      });
    }
    return { ...step, from: held.from };
  });
  return { ...ledger, holdings: [...ledger.holdings.filter(({ name }) => name !== holding.name), { ...holding, steps }] };
}

/** Removes a holding. */
export function removeHolding(ledger: Ledger, name: string): Ledger {
  return { ...ledger, holdings: ledger.holdings.filter((holding) => holding.name !== name) };
}

/** The steps that go back when a holding leaves: its own, less what others still share. */
export function stepsToUndo(ledger: Ledger, holding: Holding): Step[] {
  const others = ledger.holdings.filter(({ name }) => name !== holding.name).flatMap(({ steps }) => steps);
  return holding.steps.filter((step) => !others.some((other) => isSame(other, step)));
}
