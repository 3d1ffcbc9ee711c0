import { policies, type Scheduling } from "../../ffi/task.ts";
import { RefusedError } from "../errors.ts";
import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { hierarchyOf, threadsFile } from "../kernel/cgroup.ts";
import { Inventory } from "../kernel/inventory.ts";
import { widest } from "../memory/unit.ts";
import { remember, remind } from "../plan/affinities.ts";
import { asBefore } from "../plan/before.ts";
import { drivers, type Kernel } from "../plan/driver.ts";
import { apply, undo } from "../plan/executor.ts";
import { type Holding, holdingOf, type Ledger, replaceHolding, sharedSteps, stepsOfOthers, stepsToUndo } from "../plan/ledger.ts";
import { containerKinds, merge } from "../plan/merge.ts";
import { splitObjectValue } from "../plan/object.ts";
import { isSame, type Step } from "../plan/step.ts";
import { ownerSelf, type Store } from "../plan/store.ts";
import { joinCgroup, notePins, type Pins, readPins, repin, reschedule, restorePins, spread } from "../plan/threads.ts";
import { birthOf, planContainer } from "./compose.ts";
import { specsOf } from "./ledger_specs.ts";
import { directoriesOf } from "./processes.ts";
import { reconcile } from "./reconcile.ts";
import type { ContainerSpec } from "./spec.ts";

/** A container that becomes another one while its programs run. */
interface Move {
  readonly name: string;
  readonly from: ContainerSpec;
  readonly to: ContainerSpec;
  /** Which CPUs its threads may run on, before anything is changed: the kernel may forget. */
  readonly pins: Pins;
}

/**
 * Notes in the ledger that containers are about to change, so that whoever finds us dead makes the old ones true again.
 *
 * @param isOneWay There is no way back: whoever finds us dead makes the new ones true.
 */
export function announce(
  kernel: Kernel,
  store: Store,
  ledger: Ledger,
  targets: readonly ContainerSpec[],
  isOneWay: boolean,
): Ledger {
  const owner = ownerSelf(kernel);
  const direction = isOneWay ? { isOneWay: true as const } : {};
  for (const spec of targets) {
    const holding = holdingOf(ledger, spec.name)!;
    const pins = notePins(kernel, threadsOf(kernel, ledger, spec.name));
    ledger = replaceHolding(ledger, {
      ...holding,
      spec,
      changing: { owner, ...direction, spec: holding.spec, steps: holding.steps, pins },
    });
  }
  store.write(ledger);
  return ledger;
}

/**
 * Makes containers what `targets` say, from whatever an earlier plan left of them, with their programs running. CPUs are
 * given up before others take them.
 *
 * @param sources What they were, as their threads know it.
 * @param isBack They become again what they were: pools are not made larger for what just did not fit.
 * @throws {RefusedError} If the kernel refuses a step; the ledger still lists everything, and going back is another call.
 */
export function transition(
  kernel: Kernel,
  store: Store,
  ledger: Ledger,
  sources: readonly ContainerSpec[],
  targets: readonly ContainerSpec[],
  isBack = false,
): Ledger {
  const moves = targets.map((to): Move => {
    const from = sources.find(({ name }) => name === to.name)!;
    return { name: to.name, from, to, pins: readPins(threadsOf(kernel, ledger, to.name)) };
  });
  ledger = clearWay(kernel, store, ledger, moves, isBack);
  for (const move of moves) if (move.from.scheduling.policy === "cooperative") rescheduleAll(kernel, ledger, move);
  const waiting = new Map(moves.map((move) => [move, move.from.cpus]));
  for (const move of moves.length > 1 ? moves : []) {
    const { from, to } = move;
    const common = from.cpus.filter((cpu) => to.cpus.includes(cpu));
    if (common.length === 0 || common.length === from.cpus.length || common.length === to.cpus.length) continue;
    ledger = makeTrue(kernel, store, ledger, { ...from, cpus: common });
    waiting.set(move, common);
  }
  while (waiting.size > 0) {
    // Who needs CPUs of another one comes after it. When all wait for each other, the kernel has the last word.
    const isFree = (move: Move) => ![...waiting].some(([other, cpus]) => other !== move && move.to.cpus.some((cpu) => cpus.includes(cpu)));
    const next = [...waiting.keys()].find(isFree) ?? [...waiting.keys()][0];
    ledger = makeTrue(kernel, store, ledger, next.to);
    waiting.delete(next);
  }
  for (const move of moves) settle(kernel, ledger, move);
  return ledger;
}

/**
 * Others leave the CPUs that containers have and will have, before one takes them: a cpuset of version 1 excludes. And
 * pools get the huge pages that containers have and will have.
 */
function clearWay(kernel: Kernel, store: Store, ledger: Ledger, moves: readonly Move[], isBack: boolean): Ledger {
  const isSameMemory = ({ from, to }: Move) => isBack || JSON.stringify(from.memory) === JSON.stringify(to.memory);
  if (moves.every((move) => move.from.cpus.join() === move.to.cpus.join() && isSameMemory(move))) return ledger;
  const wide = specsOf(ledger).map((spec) => {
    const { from, to } = moves.find(({ name }) => name === spec.name) ?? { from: spec, to: spec };
    return { ...to, cpus: [...new Set([...from.cpus, ...to.cpus])].sort((a, b) => a - b), memory: widest(from.memory, to.memory) };
  });
  const taken = new Set(wide.flatMap(({ role, cpus }) => role === "compute" ? cpus : []));
  const specs = wide.map((spec) => spec.role === "service" ? { ...spec, cpus: spec.cpus.filter((cpu) => !taken.has(cpu)) } : spec);
  const isRoomLeft = new Inventory(kernel).onlineCpus.some((cpu) => !taken.has(cpu)) && specs.every(({ cpus }) => cpus.length > 0);
  return isRoomLeft ? reconcile(kernel, store, ledger, specs).ledger : ledger;
}

/** Ends a change: from here on the containers are what their specifications say. */
export function conclude(kernel: Kernel, store: Store, ledger: Ledger, names: readonly string[]): Ledger {
  for (const name of names) {
    const { changing: _, ...holding } = holdingOf(ledger, name)!;
    ledger = replaceHolding(ledger, holding);
  }
  ledger = remind(kernel, ledger);
  store.write(ledger);
  return ledger;
}

/**
 * The difference of what a holding lists and what a specification plans: put back the one, make the other. A specification
 * from before a change that failed is not planned anew: what was there then is what it is, and nothing else stays.
 */
function makeTrue(kernel: Kernel, store: Store, ledger: Ledger, spec: ContainerSpec): Ledger {
  const holding = holdingOf(ledger, spec.name)!;
  const before = holding.changing?.spec === spec ? holding.changing.steps : null;
  const { steps, gone } = before === null
    ? merge(
      kernel,
      holding.steps,
      planContainer(new Inventory(asBefore(kernel, ledger)), spec, stepsOfOthers(ledger, spec.name)),
      containerKinds,
    )
    : { steps: before, gone: merge(kernel, holding.steps, before).gone };
  const shared = sharedSteps(ledger, spec.name, steps);
  const isKnown = (step: Step) => holding.steps.some((known) => isSame(known, step) && known.to === step.to);
  if (gone.length === 0 && shared.every(isKnown)) {
    apply(kernel, shared, () => false);
    return replaceHolding(ledger, { ...holding, steps: shared });
  }
  // Journaled as a whole: whoever goes back from here needs the former values of both.
  const journaled = { ...holding, steps: [...gone, ...shared] };
  ledger = remember(kernel, replaceHolding(ledger, journaled));
  store.write(ledger);
  const undoable = stepsToUndo(ledger, journaled);
  let left = undo(kernel, gone.filter((step) => undoable.includes(step)));
  // What an object gives back counts until then, and no limit goes below what counts.
  apply(kernel, shared.filter((step) => isLess(kernel, step)), () => false);
  apply(kernel, shared, () => false);
  // Some only now: a group may not have more real time than the one above it.
  left = undo(kernel, left.map(({ step }) => step));
  if (left.length > 0 && before === null) {
    const lines = left.map(({ step, found }) => `${step.what} is ${found}, and was ${step.from} before`);
    throw new RefusedError(`Cannot change container ${spec.name}: the kernel does not take back\n  ${lines.join("\n  ")}`);
  }
  for (const directory of newCgroups(holding, shared)) joinCgroup(kernel, directory, threadsOf(kernel, ledger, spec.name));
  ledger = replaceHolding(ledger, { ...journaled, steps: [...left.map(({ step }) => step), ...shared] });
  store.write(ledger);
  return ledger;
}

/** Whether a step makes an object smaller. */
function isLess(kernel: KernelFiles, { kind, what, to }: Step): boolean {
  const found = kind === "object" ? drivers.object.read(kernel, what) : null;
  return found !== null && splitObjectValue(to).bytes < splitObjectValue(found).bytes;
}

/** Version 1: a wish may need a controller that the container had no cgroup of. */
function newCgroups(holding: Holding, steps: readonly Step[]): string[] {
  return steps.filter((step) => step.kind === "cgroup" && !holding.steps.some((known) => isSame(known, step))).map(({ what }) => what);
}

/** Tells the threads of a container what the kernel does not tell them by itself. */
function settle(kernel: Kernel, ledger: Ledger, move: Move): void {
  const { name, from, to, pins } = move;
  if (threadsOf(kernel, ledger, name).length === 0) return;
  if (from.cpus.join() !== to.cpus.join()) repin(pins, from.cpus, to.cpus);
  rescheduleAll(kernel, ledger, move);
  const inventory = new Inventory(kernel);
  const hierarchy = hierarchyOf(inventory.cgroups, "cpuset");
  if (birthOf(inventory, to).placeThreads && hierarchy !== null) spread(threadsFile(hierarchy, name), to.cpus);
  // Half a change may have made the kernel forget what they had chosen.
  const { changing } = holdingOf(ledger, name)!;
  if (changing?.spec === to) restorePins(kernel, changing.pins);
}

/**
 * Gives the threads of a container its new scheduling. Before anything else where they leave real time: the kernel takes
 * no budget away that is in use; and else at the end, when they may enter it.
 */
function rescheduleAll(kernel: Kernel, ledger: Ledger, { name, from, to }: Move): void {
  if (JSON.stringify(from.scheduling) === JSON.stringify(to.scheduling)) return;
  const inventory = new Inventory(kernel);
  const [before, after] = [from, to].map((spec) => birthOf(inventory, spec).scheduling ?? fair);
  // Twice: what was started meanwhile inherited the former one.
  for (let round = 0; round < 2; round++) reschedule(threadsOf(kernel, ledger, name), before, after);
}

const fair: Scheduling = { policy: policies.other, nice: 0 };

/** Threads in a container's own cgroups, on version 1 in any of them. */
export function threadsOf(files: KernelFiles, ledger: Ledger, name: string): number[] {
  const holding = holdingOf(ledger, name);
  if (holding === undefined) return [];
  const lists = directoriesOf(holding).flatMap((directory) => threadsBelow(files, directory));
  return [...new Set(lists)].sort((a, b) => a - b);
}

function threadsBelow(files: KernelFiles, directory: string): number[] {
  const list = files.tryRead(`${directory}/cgroup.threads`) ?? files.tryRead(`${directory}/tasks`) ?? "";
  const below = files.list(directory).filter(({ kind }) => kind === "directory");
  return [...list.split("\n").filter(Boolean).map(Number), ...below.flatMap(({ name }) => threadsBelow(files, `${directory}/${name}`))];
}
