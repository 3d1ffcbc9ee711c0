import { SysError } from "../../ffi/errors.ts";
import { RefusedError } from "../errors.ts";
import { parseCpuList } from "../kernel/cpulist.ts";
import { type Driver, drivers, type Kernel } from "./driver.ts";
import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { type Change, formatStep, madeKinds, type Step } from "./step.ts";

/** A step whose value on the machine is not the planned one. */
export interface Drift {
  /** The step as it was planned. */
  readonly step: Step;
  /** What the machine has now; `null` when the thing is gone. */
  readonly found: string | null;
}

/** Turns wishes into steps by reading, once, what the machine has before any of them. */
export function prepare(kernel: KernelFiles, changes: readonly Change[]): Step[] {
  return changes.map((change) => ({ ...change, from: drivers[change.kind].read(kernel, change.what) ?? change.initial ?? null }));
}

/**
 * Makes steps true, in order, each read back. The caller has journaled them before.
 *
 * @param mayUndo Says which steps are ours alone, should one be refused: what others share stays.
 * @returns Steps that the kernel did not make, and may refuse; see `ifAllowed`.
 * @throws {RefusedError} At the first other step that the kernel refuses or changes its mind about. What had been done
 * is undone, so the machine is as it was.
 */
export function apply(kernel: Kernel, steps: readonly Step[], mayUndo: (step: Step) => boolean = () => true): Step[] {
  const refused: Step[] = [];
  for (const [index, step] of steps.entries()) {
    try {
      if (!applyOne(kernel, drivers[step.kind], step)) refused.push(step);
    } catch (error) {
      const left = undo(kernel, steps.slice(0, index + 1).filter(mayUndo));
      throw refusal(step, error, left);
    }
  }
  return refused;
}

/** Returns whether the step is true now, or about something that ended. */
function applyOne(kernel: Kernel, driver: Driver, step: Step): boolean {
  if (driver.read(kernel, step.what) === step.to) return true;
  try {
    driver.write(kernel, step.what, step.to);
  } catch (error) {
    if (!(error instanceof SysError && step.ifAllowed)) throw error;
  }
  const now = driver.read(kernel, step.what);
  if (isMade(step, step.to, now)) return true;
  if (!step.ifAllowed) throw new RefusedError(`the kernel took the value, and then says ${JSON.stringify(now)}`);
  if (now !== step.from) undo(kernel, [step]);
  return false;
}

/** Whether a thing has a value, as far as it can: a thread that ended has none any more. */
function isMade({ kind, what }: Step, value: string | null, found: string | null): boolean {
  if (found === value) return true;
  if (found === null) return kind === "affinity" || kind === "member";
  // Partitions of anybody, and irqbalance, leave less of such a list than was asked for, and give it back when they go.
  const isTrimmed = kind === "affinity" || /^\/proc\/irq\/\d+\/smp_affinity_list$/.test(what);
  return isTrimmed && value !== null && isWithin(found, value);
}

function isWithin(list: string, allowed: string): boolean {
  const cpus = new Set(parseCpuList(allowed));
  return list !== "" && parseCpuList(list).every((cpu) => cpus.has(cpu));
}

function refusal(step: Step, cause: unknown, left: readonly Drift[]): RefusedError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const undone = left.length === 0
    ? "everything before it was undone"
    : `${left.length} earlier steps could not be undone; run "nodeos restore"`;
  const denied = cause instanceof SysError && ["EACCES", "EPERM", "EROFS"].includes(cause.code);
  const remedy = denied
    ? "Run it as root, where the cgroup file systems are mounted writable; nodeos doctor says what this machine lacks"
    : undefined;
  return new RefusedError(`Cannot apply ${formatStep(step)}: ${reason} (${undone})`, { cause, remedy });
}

/**
 * Puts steps back, last first, as far as they were made at all. It never stops half-way: what the kernel refuses, or
 * takes and does not do, is returned in the order of the steps, and tried again by the next recovery.
 */
export function undo(kernel: Kernel, steps: readonly Step[]): Drift[] {
  const touched: { step: Step; refusal: string }[] = [];
  for (const step of steps.toReversed()) {
    const driver = drivers[step.kind];
    try {
      if (!driver.lags && driver.read(kernel, step.what) === step.from) continue;
      driver.write(kernel, step.what, step.from);
      touched.push({ step, refusal: "" });
    } catch (error) {
      touched.push({ step, refusal: ` (${error instanceof Error ? error.message : error})` });
    }
  }
  // Only now, since some things go with others: the files of a cgroup with the cgroup.
  return touched.toReversed().flatMap(({ step, refusal }) => {
    const found = readAfter(kernel, step);
    const isBack = found === null || (refusal === "" ? isMade(step, step.from, found) : found === step.from);
    return isBack ? [] : [{ step, found: found + refusal }];
  });
}

/** What a step left behind: `null` when it is gone, or goes with something else that is asked about itself. */
function readAfter(kernel: KernelFiles, step: Step): string | null {
  if (step.from === null && !(step.kind in madeKinds)) return null;
  try {
    return drivers[step.kind].read(kernel, step.what);
  } catch {
    return "unreadable";
  }
}

/** Compares steps with the machine; `[]` when every value still stands. */
export function verify(kernel: KernelFiles, steps: readonly Step[]): Drift[] {
  return steps.flatMap((step) => {
    const found = drivers[step.kind].read(kernel, step.what);
    const isRight = isMade(step, step.to, found) || (step.refused && found === step.from);
    return isRight ? [] : [{ step, found }];
  });
}
