import { formatCpuList } from "../kernel/cpulist.ts";
import { Inventory } from "../kernel/inventory.ts";
import { concernsCpusets, remember, remind } from "../plan/affinities.ts";
import type { Kernel } from "../plan/driver.ts";
import { apply, type Drift, undo } from "../plan/executor.ts";
import { type Ledger, type NodeHolding, nodeName, sharedSteps, stepsToUndo } from "../plan/ledger.ts";
import { merge, type Merged } from "../plan/merge.ts";
import { isSame, type Step } from "../plan/step.ts";
import { ownerSelf, type Store } from "../plan/store.ts";
import type { ContainerSpec } from "./spec.ts";
import { planNode, wishAnything } from "./whole_node.ts";

/**
 * One change asks for another: a program forks before it is moved, and is met in the next round; a CPU comes back, and
 * others may go there again.
 */
const roundsMax = 8;

/** What making the whole node as wished came to. */
export interface Reconciled {
  /** The ledger, as written. */
  readonly ledger: Ledger;
  /** What the kernel would not take back. */
  readonly left: readonly Drift[];
}

/**
 * Makes the whole node as containers wish it together, from whatever an earlier plan left: what is no longer wished goes
 * back first. Nothing is read where nobody wishes anything and nobody did.
 *
 * @param specs All containers, and the ServiceOS; usually those of the ledger.
 * @throws {RefusedError} If the kernel refuses a step. What was new is put back; the ledger still lists all of it, and
 * asking for the former specifications makes it as it was.
 */
export function reconcile(kernel: Kernel, store: Store, ledger: Ledger, specs: readonly ContainerSpec[]): Reconciled {
  const left: Drift[] = [];
  if (ledger.node === undefined && !wishAnything(specs)) return { ledger, left };
  for (let round = 0; round < roundsMax; round++) {
    const held = ledger.node?.steps ?? [];
    const merged = lift(kernel, specs, merge(kernel, held, planNode(new Inventory(kernel), specs, held)));
    // A controller of version 2 is a container's as well.
    const steps = sharedSteps(ledger, nodeName, merged.steps);
    const gone = stepsToUndo(ledger, { name: nodeName, steps: merged.gone });
    const fresh = steps.filter((step) => !held.some((known) => isSame(known, step)));
    const isNew = (step: Step) => !held.some((known) => isSame(known, step) && known.to === step.to);
    if (round > 0 && !steps.some(isNew) && gone.length === 0) break;

    const isTouched = [...gone, ...steps.filter(isNew)].some(concernsCpusets);
    ledger = write(kernel, store, ledger, { steps: [...gone, ...steps], changing: ownerSelf(kernel) }, isTouched);
    left.splice(0, Infinity, ...undo(kernel, gone));
    const own = stepsToUndo(ledger, { name: nodeName, steps: fresh });
    const refused = apply(kernel, steps, (step) => own.includes(step));
    const settled = steps.map((step): Step => refused.includes(step) ? { ...step, refused: true } : step);
    const node = { steps: [...left.map(({ step }) => step), ...settled] };
    ledger = remind(kernel, { ...ledger, node: node.steps.length > 0 ? node : undefined });
    store.write(ledger);
    if (node.steps.length === 0) break;
  }
  return { ledger, left };
}

/**
 * systemd switches the cpuset controller off when no unit of its own needs it any more, also below a container. So for
 * as long as there are containers its units are allowed all CPUs that those leave, instead of being put back.
 */
function lift(kernel: Kernel, specs: readonly ContainerSpec[], { steps, gone }: Merged): Merged {
  if (specs.length === 0 || !gone.some(({ kind }) => kind === "unit")) return { steps, gone };
  const held = new Set(specs.flatMap(({ role, cpus }) => role === "compute" ? cpus : []));
  const to = formatCpuList(new Inventory(kernel).onlineCpus.filter((cpu) => !held.has(cpu)));
  const why = "systemd would switch off the controller that containers need";
  const lifted = gone.filter(({ kind }) => kind === "unit").map((step): Step => ({ ...step, to, why }));
  return { steps: [...steps, ...lifted], gone: gone.filter(({ kind }) => kind !== "unit") };
}

/** Journals what is about to be changed, and which CPUs threads had chosen that the kernel may forget meanwhile. */
function write(kernel: Kernel, store: Store, ledger: Ledger, node: NodeHolding, touchesCpusets: boolean): Ledger {
  const next = touchesCpusets ? remember(kernel, { ...ledger, node }) : { ...ledger, node };
  store.write(next);
  return next;
}
