import { RefusedError } from "../errors.ts";
import { formatStep, isSame, madeKinds, type Step, stepKinds } from "./step.ts";

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
  /** Being changed, by this process; if it dies, whoever finds it so makes `spec` and its `steps` true again. */
  readonly changing?: {
    readonly owner: Owner;
    /** What goes cannot come back, such as the contents of an object: whoever finds it so goes on instead. */
    readonly isOneWay?: true;
    readonly spec: unknown;
    readonly steps: readonly Step[];
    /** CPUs that its threads had then, by `TID:START`. */
    readonly pins: Readonly<Record<string, string>>;
  };
  /** The container's specification, as plain data. */
  readonly spec: unknown;
  /** When it was made, in milliseconds since 1970. */
  readonly createdAtMs: number;
  /** Everything it changed, in the order it was changed. */
  readonly steps: readonly Step[];
}

/** What all containers together changed beyond their own cgroups. */
export interface NodeHolding {
  /** Everything that was changed, in the order it was changed. */
  readonly steps: readonly Step[];
  /** Being changed, by this process; if it dies, whoever finds it so plans it anew. */
  readonly changing?: Owner;
}

/** Everything that we changed on the machine since it booted. */
export interface Ledger {
  /** Format of this document. */
  readonly version: 1;
  /** `/proc/sys/kernel/random/boot_id`: a reboot puts every step back by itself. */
  readonly bootId: string;
  /** In the order they were made. */
  readonly holdings: readonly Holding[];
  /** What they changed together. */
  readonly node?: NodeHolding;
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
  if (ledger.node !== undefined && !isNode(ledger.node)) throw new TypeError("its steps of the node are none");
  return ledger as Ledger;
}

function isHolding(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { name, owner, steps, changing } = value as Partial<Holding>;
  const isChange = changing === undefined ||
    (isOwner(changing?.owner) && areSteps(changing?.steps) && typeof changing?.pins === "object" && changing.pins !== null);
  return typeof name === "string" && (owner === null || isOwner(owner)) && areSteps(steps) && isChange;
}

function isNode(node: Partial<NodeHolding> | null): boolean {
  return areSteps(node?.steps) && (node?.changing === undefined || isOwner(node.changing));
}

function isOwner(owner: Partial<Owner> | null | undefined): boolean {
  return typeof owner?.pid === "number" && typeof owner.startTicks === "string";
}

function areSteps(steps: unknown): boolean {
  return Array.isArray(steps) && steps.every(isStep);
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
 * @throws {RefusedError} If another holding wants the same thing to be different, or has it for itself; or if something
 * that should be new is there, such as its cgroup: it is somebody else's, and would not go when this holding does.
 */
export function addHolding(ledger: Ledger, holding: Holding): Ledger {
  const stray = holding.steps.find(({ kind, shared, from }) => kind in madeKinds && !shared && from !== null);
  if (stray !== undefined) {
    throw new RefusedError(`Cannot make container ${holding.name}: ${stray.what} is there already, and this ledger does not know it`, {
      remedy: `Choose another name; if no other NODEOS_STATE has it, end what runs in it, then ${madeKinds[stray.kind]} ${
        stray.what.split("@")[0]
      }`,
    });
  }
  const steps = sharedSteps(ledger, holding.name, holding.steps);
  return { ...ledger, holdings: [...ledger.holdings.filter(({ name }) => name !== holding.name), { ...holding, steps }] };
}

/**
 * Steps of a container as they are with all others there: a shared one that another made first has that one's former value.
 *
 * @throws {RefusedError} If another holding wants the same thing to be different, or has it for itself.
 */
export function sharedSteps(ledger: Ledger, container: string, steps: readonly Step[]): Step[] {
  const others = othersOf(ledger, container);
  return steps.map((step) => {
    const other = others.find(({ steps }) => steps.some((held) => isSame(held, step)));
    const held = other?.steps.find((candidate) => isSame(candidate, step));
    if (other === undefined || held === undefined) return step;
    if (!step.shared || !held.shared || held.to !== step.to) {
      const who = other.name === nodeName ? "the whole node" : `container ${other.name}`;
      throw new RefusedError(`Cannot apply ${formatStep(step)}: ${who} has it at ${JSON.stringify(held.to)}`, {
        remedy: `Give both containers the same wish, or take ${other.name || "the containers that wish it"} down first`,
      });
    }
    return { ...step, from: held.from };
  });
}

/** Everything that other containers changed. */
export function stepsOfOthers({ holdings }: Ledger, container: string): Step[] {
  return holdings.flatMap(({ name, steps }) => name === container ? [] : steps);
}

/** What stands for all containers together among their names. */
export const nodeName = "";

/** Who else changed something: the other containers, and all of them together. */
function othersOf({ holdings, node }: Ledger, name: string): { name: string; steps: readonly Step[] }[] {
  const others: { name: string; steps: readonly Step[] }[] = holdings.filter((holding) => holding.name !== name);
  return node === undefined || name === nodeName ? others : [...others, { name: nodeName, steps: node.steps }];
}

/** Replaces a holding by another state of the same. */
export function replaceHolding(ledger: Ledger, holding: Holding): Ledger {
  return { ...ledger, holdings: ledger.holdings.map((other) => other.name === holding.name ? holding : other) };
}

/** Removes a holding. */
export function removeHolding(ledger: Ledger, name: string): Ledger {
  return { ...ledger, holdings: ledger.holdings.filter((holding) => holding.name !== name) };
}

/** The steps that go back when a holding leaves, or what all containers changed together: less what others still share. */
export function stepsToUndo(ledger: Ledger, { name, steps }: Pick<Holding, "name" | "steps">): Step[] {
  const others = othersOf(ledger, name).flatMap(({ steps }) => steps);
  return steps.filter((step) => !others.some((other) => isSame(other, step)));
}
