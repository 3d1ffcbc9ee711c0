import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { drivers } from "./driver.ts";
import { type Change, isSame, type Step, type StepKind } from "./step.ts";

/** What stays with a container for as long as it lives. */
export const containerKinds: readonly StepKind[] = ["cgroup", "controller", "class"];

/** The difference of two plans: what is to be true from now on, and what is no longer wished. */
export interface Merged {
  /** Everything that is wished, in order, each with the value from before the first plan. */
  readonly steps: readonly Step[];
  /** Steps of the first plan that the second has not, in their order: to be put back. */
  readonly gone: readonly Step[];
}

/**
 * Compares what was changed with what is wished now. Only values are read.
 *
 * @param stay Kinds of steps that stay although no wish needs them any more: a container's programs are in its cgroups.
 */
export function merge(kernel: KernelFiles, held: readonly Step[], wanted: readonly Change[], stay: readonly StepKind[] = []): Merged {
  const steps = wanted.map((change): Step => {
    const known = held.find((step) => isSame(step, change));
    const from = known ? known.from : drivers[change.kind].read(kernel, change.what) ?? change.initial ?? null;
    return { ...change, from };
  });
  const missing = held.filter((step) => !wanted.some((change) => isSame(step, change)));
  const stays = ({ kind }: Step) => stay.includes(kind);
  const hasEnded = ({ kind, what, from }: Step) =>
    (kind === "affinity" || kind === "member") && from !== null && drivers[kind].read(kernel, what) === null;
  return {
    steps: [...missing.filter(stays), ...steps],
    gone: missing.filter((step) => !stays(step) && !hasEnded(step)),
  };
}
