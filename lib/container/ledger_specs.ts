import { NoSuchObjectError } from "../errors.ts";
import { type Holding, holdingOf, type Ledger } from "../plan/ledger.ts";
import { quote } from "../quote.ts";
import { type ContainerSpec, serviceName } from "./spec.ts";

/** Specifications of the containers in a ledger, oldest first. */
export function specsOf(ledger: Ledger): ContainerSpec[] {
  return ledger.holdings.map(({ spec }) => spec as ContainerSpec);
}

/** The specification of a container that somebody named; throws as {@link findHolding}. */
export function findSpec(ledger: Ledger, name: string): ContainerSpec {
  return findHolding(ledger, name).spec as ContainerSpec;
}

/**
 * What is known of a container that somebody named.
 *
 * @throws {NoSuchObjectError} If there is none of that name.
 */
export function findHolding(ledger: Ledger, name: string): Holding {
  const holding = holdingOf(ledger, name);
  if (holding !== undefined) return holding;
  const names = ledger.holdings.map((known) => known.name);
  const remedy = name === serviceName
    ? "The ServiceOS has a cgroup once a specification gives it CPUs (service.cpus)"
    : names.length > 0
    ? `There are: ${names.join(", ")}`
    : "There is none; make one with nodeos up or nodeos run";
  throw new NoSuchObjectError(`Cannot find container ${quote(name)}`, { remedy });
}
