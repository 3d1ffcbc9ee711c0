import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { Inventory } from "../kernel/inventory.ts";
import { type Drift, verify } from "../plan/executor.ts";
import type { Ledger } from "../plan/ledger.ts";
import { merge } from "../plan/merge.ts";
import { isSame, type Step } from "../plan/step.ts";
import { specsOf } from "./ledger_specs.ts";
import { planNode } from "./whole_node.ts";

/**
 * Compares the whole node with what containers wish of it: what was changed and is different now, and what they would
 * change if they asked again, such as a program that came to a container's CPUs since.
 */
export function verifyNode(kernel: KernelFiles, ledger: Ledger): Drift[] {
  const held = ledger.node?.steps ?? [];
  const { steps } = merge(kernel, held, planNode(new Inventory(kernel), specsOf(ledger), held));
  // What others made and removed again, such as a cgroup, nobody wishes back.
  const isWished = (wanted: Step) => steps.some((step) => isSame(step, wanted));
  const drift = verify(kernel, held).filter(({ step, found }) => found !== null || isWished(step));
  const fresh = steps.filter((step) => step.from !== step.to && !held.some((known) => isSame(known, step)));
  return [...drift, ...fresh.map((step) => ({ step, found: step.from }))];
}
