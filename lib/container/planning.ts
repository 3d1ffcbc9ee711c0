import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { Inventory } from "../kernel/inventory.ts";
import { asBefore } from "../plan/before.ts";
import { prepare, verify } from "../plan/executor.ts";
import { holdingOf, type Ledger, stepsOfOthers } from "../plan/ledger.ts";
import { containerKinds, merge } from "../plan/merge.ts";
import type { Step } from "../plan/step.ts";
import { planContainer } from "./compose.ts";
import { specsOf } from "./ledger_specs.ts";
import { resolve } from "./resolve.ts";
import type { ContainerSpec, NodeRequest } from "./spec.ts";
import { planNode } from "./whole_node.ts";

/** Says what containers shall be, from the machine and what is there. */
export type Decision = (inventory: Inventory, ledger: Ledger) => readonly ContainerSpec[];

/** A decided container and the steps that make it. */
export interface ContainerPlan {
  /** What it will be; `null` for what all containers change together on the whole node. */
  readonly spec: ContainerSpec | null;
  /** What has to change, in order; a step whose `from` is its `to` is true already. */
  readonly steps: readonly Step[];
}

/** Plans a request for any machine, running or captured. */
export function planRequest(files: KernelFiles, ledger: Ledger, request: NodeRequest): ContainerPlan[] {
  const inventory = new Inventory(files);
  const specs = resolve(inventory, ledger, request);
  const former = new Inventory(asBefore(files, ledger));
  const others: Step[] = ledger.holdings.flatMap(({ steps }) => steps);
  const plans = specs.map((spec): ContainerPlan => {
    const steps = prepare(files, planContainer(former, spec, others));
    others.push(...steps);
    return { spec, steps };
  });
  const held = ledger.node?.steps ?? [];
  const steps = merge(files, held, planNode(inventory, [...specsOf(ledger), ...specs], held)).steps;
  return steps.length > 0 ? [...plans, { spec: null, steps }] : plans;
}

/** Steps that are still to be made, from the value of now. */
function pending(files: KernelFiles, steps: readonly Step[]): Step[] {
  return verify(files, steps).map(({ step, found }) => ({ ...step, from: found }));
}

/**
 * Plans a change of containers that are there, from the values of now; what goes back is left out.
 *
 * @throws {RefusedError} If it cannot be; see {@link Decision}.
 */
export function planChange(files: KernelFiles, ledger: Ledger, decide: Decision): ContainerPlan[] {
  const inventory = new Inventory(files);
  const former = new Inventory(asBefore(files, ledger));
  const targets = decide(inventory, ledger);
  const plans = targets.map((spec) => {
    const changes = planContainer(former, spec, stepsOfOthers(ledger, spec.name));
    return { spec, steps: pending(files, merge(files, holdingOf(ledger, spec.name)!.steps, changes, containerKinds).steps) };
  });
  const specs = specsOf(ledger).map((spec) => targets.find(({ name }) => name === spec.name) ?? spec);
  const held = ledger.node?.steps ?? [];
  const steps = pending(files, merge(files, held, planNode(inventory, specs, held)).steps);
  return steps.length > 0 ? [...plans, { spec: null, steps }] : plans;
}
