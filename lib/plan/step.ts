/**
 * Kinds of things that a step changes, and what `what` then names:
 * - `file`: a kernel file, by its path; the value is its text without the final newline.
 * - `cgroup`: a cgroup, by its directory; `""` is there, `null` is not.
 * - `controller`: a controller of a cgroup v2 for its children, as `DIRECTORY:CONTROLLER`; `+` or `-`.
 * - `affinity`: CPUs of a thread, as `TID:START`, START in ticks (field 22 of its stat); a CPU list.
 */
export type StepKind = (typeof stepKinds)[number];

/** Every {@link StepKind}. */
export const stepKinds = ["file", "cgroup", "controller", "affinity"] as const;

/** A wish of a planner: what shall have which value, and why. */
export interface Change {
  /** What sort of thing it is. */
  readonly kind: StepKind;
  /** Which one; see {@link StepKind}. */
  readonly what: string;
  /** The value it shall have. */
  readonly to: string;
  /** Whose wish it is and what for, in words for people. */
  readonly why: string;
  /** Several containers may want the same; the last one to leave puts it back. */
  readonly shared?: boolean;
  /**
   * What the kernel gives it when it is new, for a thing that comes with its cgroup: to go back to before the cgroup
   * goes. The kernel takes a cgroup apart at some later moment, and does not say when.
   */
  readonly initial?: string;
}

/** A change of the machine as data: what, from which value, to which, and why. */
export interface Step extends Change {
  /** The value before, to go back to; `null` when it did not exist. */
  readonly from: string | null;
}

/** Whether two steps are about the same thing. */
export function isSame(a: Change, b: Change): boolean {
  return a.kind === b.kind && a.what === b.what;
}

/** One line for people: `path <- value   why`. */
export function formatStep(step: Change): string {
  const { left, right } = stepParts(step);
  return `${left} <- ${right}   ${step.why}`;
}

/** Steps one below the other, values and reasons aligned. */
export function formatSteps(steps: readonly Change[]): string {
  const parts = steps.map((step) => ({ ...stepParts(step), why: step.why }));
  const width = (key: "left" | "right") => Math.max(0, ...parts.map((part) => part[key].length));
  return parts.map(({ left, right, why }) => `${left.padEnd(width("left"))} <- ${right.padEnd(width("right"))}   ${why}`).join("\n");
}

function stepParts({ kind, what, to }: Change): { left: string; right: string } {
  if (kind === "cgroup") return { left: `${what}/`, right: "(new cgroup)" };
  if (kind === "controller") {
    const at = what.lastIndexOf(":");
    return { left: `${what.slice(0, at)}/cgroup.subtree_control`, right: `${to}${what.slice(at + 1)}` };
  }
  if (kind === "affinity") return { left: `affinity of thread ${what.split(":")[0]}`, right: to };
  return { left: what, right: to };
}
